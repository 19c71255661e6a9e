/**
 * The identity bundle of one node: private key, certificate and the roots it trusts, in one JSON
 * file that `grapevine ca issue` writes and `grapevine agent --identity` reads.
 */
import { readCertificate } from "../../core/trust/certificate.ts";
import { isNodeId, isTrustDomain } from "../../core/trust/fields.ts";
import type { NodeId } from "../../core/types.ts";
import {
  base64Field,
  FILE_VERSION,
  invalid,
  parseIdentityFile,
  readSecretFile,
  toBase64,
} from "./files.ts";
import { KeySigner, SEED_BYTES } from "./signing.ts";

const REMEDY = 'issue a new one with "grapevine ca issue"';
/** Authorities that one bundle may trust: enough to change them without a gap. */
const ROOTS_MAX = 16;

export interface Bundle {
  readonly trustDomain: string;
  /** Ed25519 seed, 32 bytes. Secret. */
  readonly seed: Uint8Array;
  readonly certificate: Uint8Array;
  readonly roots: readonly NodeId[];
}

export interface LoadedBundle extends Bundle {
  readonly signer: KeySigner;
  readonly warnings: readonly string[];
}

export function formatBundle(bundle: Bundle): string {
  const { trustDomain, roots, certificate, seed } = bundle;
  const document = {
    grapevine: "identity",
    version: FILE_VERSION,
    name: readCertificate(certificate)?.name ?? "",
    trustDomain,
    roots,
    certificate: toBase64(certificate),
    privateKey: toBase64(seed),
  };
  return `${JSON.stringify(document, null, 2)}\n`;
}

/**
 * Reads a bundle and checks that its parts belong together. Whether the certificate is good now is
 * another question. Throws `identity_missing` or `identity_invalid`, naming the file.
 */
export function readBundle(path: string): LoadedBundle {
  const { bytes, warning } = readSecretFile(path, REMEDY);
  const document = parseIdentityFile(path, bytes, "identity", REMEDY);
  const { trustDomain, roots } = document;
  const certificate = base64Field(document["certificate"]);
  const seed = base64Field(document["privateKey"]);
  if (seed?.length !== SEED_BYTES) throw invalid(path, "its private key is malformed", REMEDY);
  const read = certificate === undefined ? undefined : readCertificate(certificate);
  if (certificate === undefined || read === undefined) {
    throw invalid(path, "its certificate is malformed", REMEDY);
  }
  if (!isTrustDomain(trustDomain)) throw invalid(path, "its trust domain is malformed", REMEDY);
  if (!Array.isArray(roots) || roots.length === 0 || roots.length > ROOTS_MAX) {
    throw invalid(path, "it names no roots, or too many", REMEDY);
  }
  if (!roots.every(isNodeId)) throw invalid(path, "one of its roots is malformed", REMEDY);
  const signer = new KeySigner(seed);
  if (read.peer !== signer.id) {
    throw invalid(path, `its certificate of "${read.name}" is for another key`, REMEDY);
  }
  if (read.trustDomain !== trustDomain) {
    const why = `its certificate belongs to "${read.trustDomain}", the file says "${trustDomain}"`;
    throw invalid(path, why, REMEDY);
  }
  const warnings = warning === undefined ? [] : [warning];
  return { trustDomain, seed, certificate, roots, signer, warnings };
}
