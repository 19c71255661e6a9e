/**
 * Checks of single fields in signed statements (certificates, documents). What comes from a peer
 * is `unknown` until one of these has looked at it; all of them are total and never throw.
 */
import type { NodeId } from "../types.ts";

/** An Ed25519 PeerId is an identity multihash of fixed length: its base58 form has one shape. */
const NODE_ID = /^12D3KooW[1-9A-HJ-NP-Za-km-z]{44}$/;
const PLACE = /^[\w.-]{0,63}$/;
const TRUST_DOMAIN = /^[a-z0-9](?:[a-z0-9._-]{0,253}[a-z0-9])?$/;

export function isNodeId(value: unknown): value is NodeId {
  return typeof value === "string" && NODE_ID.test(value);
}

/** A zone or region: "" (none) or up to 63 letters, digits, ".", "_" and "-". */
export function isPlace(value: unknown): value is string {
  return typeof value === "string" && PLACE.test(value);
}

/** A SPIFFE trust domain name: lower-case letters, digits, ".", "_" and "-", at most 255. */
export function isTrustDomain(value: unknown): value is string {
  return typeof value === "string" && TRUST_DOMAIN.test(value);
}

export function isWhole(value: unknown, max: number): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0 && value <= max;
}

/** A text without control characters, of at most `lengthMax` UTF-16 units. */
export function isText(value: unknown, lengthMax: number): value is string {
  if (typeof value !== "string" || value.length > lengthMax) return false;
  for (let at = 0; at < value.length; at += 1) {
    const unit = value.charCodeAt(at);
    if (unit < 0x20 || unit === 0x7f) return false;
  }
  return true;
}

export function isBytes(value: unknown, lengthMax: number): value is Uint8Array {
  return value instanceof Uint8Array && value.length <= lengthMax;
}

/** A decoded map, as opposed to a list, a date, bytes or nothing. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return (
    typeof value === "object" &&
    value !== null &&
    (Object.getPrototypeOf(value) === Object.prototype || Object.getPrototypeOf(value) === null)
  );
}
