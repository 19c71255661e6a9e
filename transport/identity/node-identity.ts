/**
 * Who this agent is: from a bundle that an authority issued, or with `--dev` from the development
 * authority. That authority's key is in the source, so it proves nothing; it exists so that a first
 * try needs no set-up, and agents that trust it refuse every address that is not loopback.
 */
import { hash } from "node:crypto";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { privateKeyFromRaw } from "@libp2p/crypto/keys";
import type { PrivateKey } from "@libp2p/interface";
import { GrapevineError } from "../../core/errors.ts";
import type { Signer } from "../../core/seams.ts";
import { checkCertificate, issueCertificate } from "../../core/trust/certificate.ts";
import type { NodeId, WallMillis } from "../../core/types.ts";
import { newSerial } from "./authority.ts";
import { formatBundle, readBundle } from "./bundle.ts";
import { message, writeSecretFile } from "./files.ts";
import { KeySigner, KeyVerifier, newSeed } from "./signing.ts";

export interface NodeIdentity {
  readonly id: NodeId;
  /** The same key for libp2p. */
  readonly privateKey: PrivateKey;
  readonly certificate: Uint8Array;
  readonly trustDomain: string;
  /** Authorities whose certificates this node accepts. */
  readonly roots: readonly NodeId[];
  readonly name: string;
  /** "" where the certificate leaves it open. */
  readonly zone: string;
  readonly region: string;
  readonly dev: boolean;
  readonly signer: Signer;
}

export interface LoadedIdentity {
  readonly identity: NodeIdentity;
  readonly warnings: readonly string[];
}

/**
 * Reads a bundle for use now. Throws `identity_missing`, `identity_invalid`, and
 * `certificate_rejected` if the certificate is expired or not of the bundle's own roots.
 */
export function loadIdentity(path: string): LoadedIdentity {
  const bundle = readBundle(path);
  const { signer, certificate, trustDomain, roots, seed } = bundle;
  const verdict = checkCertificate(certificate, {
    peer: signer.id,
    trustDomain,
    roots,
    verifier: new KeyVerifier(),
    wall: Date.now() as WallMillis,
  });
  if (!verdict.ok) throw new GrapevineError("certificate_rejected", `${path}: ${verdict.reason}`);
  const { name, zone, region } = verdict.certificate;
  const identity: NodeIdentity = {
    id: signer.id,
    privateKey: toLibp2pKey(seed, signer),
    certificate,
    trustDomain,
    roots,
    name,
    zone,
    region,
    dev: false,
    signer,
  };
  return { identity, warnings: bundle.warnings };
}

const DEVELOPMENT_TRUST_DOMAIN = "dev.grapevine";
const DEVELOPMENT_FILE = "dev-identity.json";
const DEVELOPMENT_TTL_MS = 365 * 86_400_000;
const DEVELOPMENT_WARNING =
  "--dev: this agent trusts the development authority, whose key everybody knows. Anyone who " +
  "reaches its ports can join. Use it on one machine only";

export interface DevelopmentOptions {
  /** Keeps the key, so that the node is the same one after a restart. */
  readonly dataDir: string;
  readonly name: string;
  readonly zone?: string;
  readonly region?: string;
  /** Separates development clusters on one host from each other. */
  readonly cluster?: string;
}

/**
 * The key from the data directory (made there on the first start), certified anew for this start.
 */
export function developmentIdentity(options: DevelopmentOptions): LoadedIdentity {
  const { dataDir, name, zone = "", region = "", cluster } = options;
  const authority = developmentAuthority();
  const trustDomain =
    cluster === undefined ? DEVELOPMENT_TRUST_DOMAIN : `${cluster}.${DEVELOPMENT_TRUST_DOMAIN}`;
  const path = join(dataDir, DEVELOPMENT_FILE);
  const kept = keptDevelopmentSeed(path);
  const seed = kept.seed ?? newSeed();
  const signer = new KeySigner(seed);
  const notBefore = Date.now();
  const certificate = issueCertificate(
    {
      trustDomain,
      peer: signer.id,
      name,
      zone,
      region,
      services: ["*/*"],
      notBefore,
      notAfter: notBefore + DEVELOPMENT_TTL_MS,
      serial: newSerial(),
    },
    authority,
  );
  const roots = [authority.id];
  if (kept.seed === undefined) {
    try {
      writeSecretFile(path, formatBundle({ trustDomain, seed, certificate, roots }));
    } catch (cause) {
      throw new GrapevineError(
        "data_dir_invalid",
        `${path} cannot be written: ${message(cause)}; choose another folder with --data-dir`,
        { cause },
      );
    }
  }
  const identity: NodeIdentity = {
    id: signer.id,
    privateKey: toLibp2pKey(seed, signer),
    certificate,
    trustDomain,
    roots,
    name,
    zone,
    region,
    dev: true,
    signer,
  };
  return { identity, warnings: [DEVELOPMENT_WARNING, ...kept.warnings] };
}

/** Not a secret: its seed is the hash of a sentence that says so. */
function developmentAuthority(): KeySigner {
  const seed = hash("sha256", "grapevine development authority: not a secret", "buffer");
  return new KeySigner(new Uint8Array(seed));
}

/** A development key that cannot be read is replaced: nothing depends on it but the node's id. */
function keptDevelopmentSeed(path: string): {
  readonly seed: Uint8Array | undefined;
  readonly warnings: readonly string[];
} {
  if (!existsSync(path)) return { seed: undefined, warnings: [] };
  try {
    const { seed, warnings } = readBundle(path);
    return { seed, warnings };
  } catch (cause) {
    const why = `${message(cause)}. This start makes a new development identity`;
    return { seed: undefined, warnings: [why] };
  }
}

function toLibp2pKey(seed: Uint8Array, signer: KeySigner): PrivateKey {
  const raw = new Uint8Array(seed.length + signer.publicKey.length);
  raw.set(seed);
  raw.set(signer.publicKey, seed.length);
  return privateKeyFromRaw(raw);
}
