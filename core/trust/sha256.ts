/**
 * SHA-256 for the pure folders, where the platform's is out of reach: it orders and fingerprints
 * documents, so a peer must not be able to find two that collide. The implementation is
 * @noble/hashes', audited and free of I/O.
 */
import { sha256 as noble } from "@noble/hashes/sha2.js";

/** 32 bytes. */
export function sha256(bytes: Uint8Array): Uint8Array {
  return noble(bytes);
}

export function toHex(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += (byte < 16 ? "0" : "") + byte.toString(16);
  return text;
}
