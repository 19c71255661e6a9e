/**
 * Who this agent is and whom it believes: the identity it runs with, and the two questions that the
 * planes and the directory ask about a certificate. Every peer and every document is judged against
 * the same trust domain and roots.
 */

import { GrapevineError } from "../../core/errors.ts";
import type { Verifier } from "../../core/seams.ts";
import { checkCertificate, mayOffer } from "../../core/trust/certificate.ts";
import type { NodeId, WallMillis } from "../../core/types.ts";
import type { CertificateCheck } from "../../membership/document-codec.ts";
import {
  developmentIdentity,
  loadIdentity,
  type NodeIdentity,
} from "../../transport/identity/node-identity.ts";
import type { CertificateVerdict } from "../../transport/link/link-transport.ts";
import { claimDevName } from "../../transport/storage/dev-host.ts";
import { type AgentConfig, CLUSTER_DEFAULT } from "../config/config.ts";

export interface Trust {
  readonly identity: NodeIdentity;
  readonly warnings: readonly string[];
  /**
   * What two agents must have in common to shake hands at all: the trust domain, and the cluster
   * where it is not the default one. A development identity's trust domain names its cluster.
   */
  readonly mesh: string;
  /** For connections. */
  readonly checkPeer: (peer: NodeId, certificate: Uint8Array) => CertificateVerdict;
  /** For documents. */
  readonly checkOwner: CertificateCheck;
  /** Throws `forbidden` for a service that this agent's certificate does not let it offer. */
  readonly refuseUncertified: (namespace: string, name: string) => void;
}

/** Throws `identity_missing`, `identity_invalid`, `certificate_rejected` or `config_invalid`. */
export function establishTrust(config: AgentConfig, verifier: Verifier): Trust {
  const { identity, warnings } =
    config.trust.kind === "dev" ? developIdentity(config) : readIdentity(config, config.trust.file);
  const judge = (peer: NodeId, certificate: Uint8Array) =>
    checkCertificate(certificate, {
      peer,
      trustDomain: identity.trustDomain,
      roots: identity.roots,
      verifier,
      wall: Date.now() as WallMillis,
    });
  return {
    identity,
    warnings,
    mesh: meshOf(config, identity),
    checkPeer: (peer, certificate) => {
      const verdict = judge(peer, certificate);
      return verdict.ok
        ? { ok: true, expiresWallMs: verdict.certificate.notAfter }
        : { ok: false, reason: verdict.reason };
    },
    checkOwner: (peer, certificate) => {
      const verdict = judge(peer, certificate);
      if (!verdict.ok) return { ok: false, reason: verdict.reason, mayOffer: () => false };
      return {
        ok: true,
        mayOffer: (namespace, name) => mayOffer(verdict.certificate, namespace, name),
      };
    },
    refuseUncertified: (namespace, name) => {
      const verdict = judge(identity.id, identity.certificate);
      if (!verdict.ok || mayOffer(verdict.certificate, namespace, name)) return;
      const offered = verdict.certificate.services.join(", ") || "nothing";
      throw new GrapevineError(
        "forbidden",
        `the certificate of ${identity.name} lets it offer ${offered}, not ${namespace}/${name}; ` +
          "issue an identity with other --services",
      );
    },
  };
}

function meshOf({ cluster, trust }: AgentConfig, { trustDomain }: NodeIdentity): string {
  const isNamed = trust.kind === "identity" && cluster !== CLUSTER_DEFAULT;
  return isNamed ? `${trustDomain}/${cluster}` : trustDomain;
}

function developIdentity(config: AgentConfig) {
  const { dataDir, name, nameGiven, zone, region, cluster } = config;
  return developmentIdentity({
    dataDir,
    name: nameGiven ? name : claimDevName(name, dataDir).name,
    ...(zone === undefined ? {} : { zone }),
    ...(region === undefined ? {} : { region }),
    cluster,
  });
}

function readIdentity(config: AgentConfig, file: string) {
  const loaded = loadIdentity(file);
  const { name, zone, region } = loaded.identity;
  refuseOther("--name", config.nameGiven ? config.name : undefined, name, file);
  refuseOther("--zone", config.zone, zone, file);
  refuseOther("--region", config.region, region, file);
  return loaded;
}

/** A certificate binds what it names; a setting that says otherwise would be refused by all peers. */
function refuseOther(
  flag: string,
  given: string | undefined,
  certified: string,
  file: string,
): void {
  if (given === undefined || certified === "" || given === certified) return;
  throw new GrapevineError(
    "config_invalid",
    `${flag} ${given} differs from "${certified}" in the certificate of ${file}; ` +
      `drop the setting, or issue an identity with ${flag} ${given}`,
  );
}
