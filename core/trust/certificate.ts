/**
 * The node certificate: the trust domain's authority says who a node is, where it stands and which
 * services it may offer. It rides in the Noise handshake of both planes and inside every owner
 * document. It is judged from its bytes, the roots and the wall clock alone, so that every node
 * reaches the same verdict. Fields that this version does not know are kept: what was signed is
 * what is forwarded.
 */
import { assert } from "../assert.ts";
import { isLabel } from "../names.ts";
import type { Signer, Verifier } from "../seams.ts";
import type { NodeId, WallMillis } from "../types.ts";
import { ENVELOPE_KINDS, openEnvelope, sealEnvelope, verifyEnvelope } from "./envelope.ts";
import { isNodeId, isPlace, isText, isTrustDomain, isWhole } from "./fields.ts";
import { formatUtc } from "./utc.ts";

/** Travels in the Noise handshake, whose messages are at most 64 KiB together. */
export const CERTIFICATE_BYTES_MAX = 8 * 1024;
/** Patterns in one certificate. */
export const CERTIFICATE_SERVICES_MAX = 64;
/**
 * How far a clock may lag behind the authority's: a certificate is often used within a minute of its
 * issue. Its end is exact, for connections are closed at that moment.
 */
export const CLOCK_TOLERANCE_MS = 5 * 60_000;

const CERTIFICATE_VERSION = 1;
const UNIX_MS_MAX = 253_402_300_799_999;
const SERIAL = /^[0-9a-f]{1,64}$/;
const PATTERN_PART = /^[a-z0-9*-]{1,63}$/;

export interface Certificate {
  readonly version: number;
  readonly trustDomain: string;
  /** The authority's Ed25519 key, written as a NodeId. */
  readonly authority: NodeId;
  /** Whom it certifies. */
  readonly peer: NodeId;
  /** The node's name: a DNS label. */
  readonly name: string;
  /** "" leaves the choice to the node. */
  readonly zone: string;
  readonly region: string;
  /** What it may offer: "namespace/name", where "*" stands for any run of characters in a part. */
  readonly services: readonly string[];
  /** Unix milliseconds. */
  readonly notBefore: number;
  readonly notAfter: number;
  /** Lower-case hex, unique per authority; revocation names it. */
  readonly serial: string;
}

export type CertificateRefusal =
  | "malformed"
  | "trust_domain"
  | "authority"
  | "signature"
  | "peer"
  | "not_yet_valid"
  | "expired";

export type CertificateVerdict =
  | { readonly ok: true; readonly certificate: Certificate }
  | { readonly ok: false; readonly code: CertificateRefusal; readonly reason: string };

export interface CertificateExpectation {
  /** The identity that the handshake proved, or that the document claims. */
  readonly peer: NodeId;
  readonly trustDomain: string;
  /** Authorities that are trusted. */
  readonly roots: readonly NodeId[];
  readonly verifier: Verifier;
  readonly wall: WallMillis;
}

/** Signs a certificate in the authority's name. Fields that readCertificate would refuse throw. */
export function issueCertificate(
  fields: Omit<Certificate, "version" | "authority">,
  authority: Signer,
): Uint8Array {
  const certificate = { version: CERTIFICATE_VERSION, authority: authority.id, ...fields };
  const bytes = sealEnvelope(ENVELOPE_KINDS.certificate, certificate, authority);
  assert(readCertificate(bytes) !== undefined, `valid certificate fields for ${fields.name}`);
  return bytes;
}

/** What the certificate says, nothing of it proved; undefined if it is not one. */
export function readCertificate(bytes: Uint8Array): Certificate | undefined {
  if (bytes.length > CERTIFICATE_BYTES_MAX) return undefined;
  const envelope = openEnvelope(bytes);
  if (envelope === undefined || envelope.kind !== ENVELOPE_KINDS.certificate) return undefined;
  const { version, trustDomain, authority, peer, name, zone, region } = envelope.fields;
  const { services, notBefore, notAfter, serial } = envelope.fields;
  if (!isWhole(version, 255) || version < CERTIFICATE_VERSION) return undefined;
  if (!isTrustDomain(trustDomain) || !isNodeId(authority) || !isNodeId(peer)) return undefined;
  if (typeof name !== "string" || !isLabel(name)) return undefined;
  if (!isPlace(zone) || !isPlace(region)) return undefined;
  if (!isWhole(notBefore, UNIX_MS_MAX) || !isWhole(notAfter, UNIX_MS_MAX)) return undefined;
  if (!isText(serial, 64) || !SERIAL.test(serial)) return undefined;
  if (!Array.isArray(services) || services.length > CERTIFICATE_SERVICES_MAX) return undefined;
  if (!services.every(isServicePattern)) return undefined;
  return {
    version,
    trustDomain,
    authority,
    peer,
    name,
    zone,
    region,
    services,
    notBefore,
    notAfter,
    serial,
  };
}

/** Whether a certificate is good for this peer, here and now; if not, the first reason why. */
export function checkCertificate(
  bytes: Uint8Array,
  expect: CertificateExpectation,
): CertificateVerdict {
  const certificate = readCertificate(bytes);
  if (certificate === undefined) return refuse("malformed", "the bytes are not a node certificate");
  const { trustDomain, authority, peer, name, notBefore, notAfter } = certificate;
  if (trustDomain !== expect.trustDomain) {
    return refuse(
      "trust_domain",
      `the certificate of "${name}" belongs to trust domain "${trustDomain}", this node to ` +
        `"${expect.trustDomain}"`,
    );
  }
  if (!expect.roots.includes(authority)) {
    return refuse(
      "authority",
      `the certificate of "${name}" was issued by authority ${authority}, which is not among ` +
        `this node's roots`,
    );
  }
  if (!verifyEnvelope(bytes, authority, expect.verifier)) {
    return refuse(
      "signature",
      `the signature on the certificate of "${name}" is not its authority's`,
    );
  }
  if (peer !== expect.peer) {
    return refuse(
      "peer",
      `the certificate of "${name}" was issued to ${peer}, not to ${expect.peer}`,
    );
  }
  if (notBefore - CLOCK_TOLERANCE_MS > expect.wall) {
    return refuse(
      "not_yet_valid",
      `the certificate of "${name}" is not yet valid: it starts ${formatUtc(notBefore)}, the ` +
        `clock here says ${formatUtc(expect.wall)}`,
    );
  }
  if (notAfter <= expect.wall) {
    return refuse(
      "expired",
      `the certificate of "${name}" is expired since ${formatUtc(notAfter)}; issue a new one ` +
        `with "grapevine ca issue"`,
    );
  }
  return { ok: true, certificate };
}

/** Whether the certificate lets its node offer namespace/name. */
export function mayOffer(
  certificate: Pick<Certificate, "services">,
  namespace: string,
  name: string,
): boolean {
  return certificate.services.some((pattern) => {
    const slash = pattern.indexOf("/");
    return (
      matchesPattern(pattern.slice(0, slash), namespace) &&
      matchesPattern(pattern.slice(slash + 1), name)
    );
  });
}

/** "NS/NAME", each part of a-z, 0-9, "-" and "*". */
export function isServicePattern(value: unknown): value is string {
  if (typeof value !== "string") return false;
  const parts = value.split("/");
  return parts.length === 2 && parts.every((part) => PATTERN_PART.test(part));
}

/** "*" matches any run of characters; greedy from the left, which is exact for "*" alone. */
function matchesPattern(pattern: string, text: string): boolean {
  const [first = "", ...rest] = pattern.split("*");
  const last = rest.pop();
  if (last === undefined) return text === first;
  if (!text.startsWith(first)) return false;
  let at = first.length;
  for (const piece of rest) {
    const found = text.indexOf(piece, at);
    if (found < 0) return false;
    at = found + piece.length;
  }
  return text.length - last.length >= at && text.endsWith(last);
}

function refuse(code: CertificateRefusal, reason: string): CertificateVerdict {
  return { ok: false, code, reason };
}
