/**
 * An authority's private key as it lies on disk. With a passphrase it is sealed by AES-256-GCM
 * under a key that scrypt derives (RFC 7914; 128 MiB and about half a second a try, against
 * guessing); without one it lies there as it is, and only the file's mode protects it.
 */
import { createCipheriv, createDecipheriv, randomBytes, scryptSync } from "node:crypto";
import { isRecord } from "../../core/trust/fields.ts";
import { base64Field, toBase64 } from "./files.ts";

const SCRYPT = { N: 2 ** 17, r: 8, p: 1 } as const;
/** What a file may ask for: a hostile one must not exhaust memory. */
const SCRYPT_N_MAX = 2 ** 20;
const NONCE_BYTES = 12;
const KEY_BYTES = 32;

export type OpenedKey =
  | { readonly ok: true; readonly seed: Uint8Array }
  | { readonly ok: false; readonly why: "passphrase_needed" | "passphrase_wrong" | "malformed" };

/** A JSON value that holds the seed, sealed if there is a passphrase. */
export function sealKey(seed: Uint8Array, passphrase: string | undefined): unknown {
  if (passphrase === undefined) return { seed: toBase64(seed) };
  const salt = randomBytes(16);
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv("aes-256-gcm", derive(passphrase, salt, SCRYPT.N), nonce);
  const sealed = Buffer.concat([cipher.update(seed), cipher.final(), cipher.getAuthTag()]);
  return {
    kdf: "scrypt",
    ...SCRYPT,
    salt: toBase64(salt),
    cipher: "aes-256-gcm",
    nonce: toBase64(nonce),
    sealed: toBase64(sealed),
  };
}

export function isSealed(value: unknown): boolean {
  return isRecord(value) && "sealed" in value;
}

export function openKey(value: unknown, passphrase: string | undefined): OpenedKey {
  if (!isRecord(value)) return { ok: false, why: "malformed" };
  if (!isSealed(value)) {
    const seed = base64Field(value["seed"]);
    return seed?.length === KEY_BYTES ? { ok: true, seed } : { ok: false, why: "malformed" };
  }
  const salt = base64Field(value["salt"]);
  const nonce = base64Field(value["nonce"]);
  const sealed = base64Field(value["sealed"]);
  const cost = value["N"];
  if (value["kdf"] !== "scrypt" || value["cipher"] !== "aes-256-gcm" || !isCost(cost)) {
    return { ok: false, why: "malformed" };
  }
  if (value["r"] !== SCRYPT.r || value["p"] !== SCRYPT.p || salt === undefined) {
    return { ok: false, why: "malformed" };
  }
  if (nonce?.length !== NONCE_BYTES || sealed?.length !== KEY_BYTES + 16) {
    return { ok: false, why: "malformed" };
  }
  if (passphrase === undefined || passphrase === "") return { ok: false, why: "passphrase_needed" };
  try {
    const decipher = createDecipheriv("aes-256-gcm", derive(passphrase, salt, cost), nonce);
    decipher.setAuthTag(sealed.subarray(KEY_BYTES));
    const seed = Buffer.concat([decipher.update(sealed.subarray(0, KEY_BYTES)), decipher.final()]);
    return { ok: true, seed: new Uint8Array(seed) };
  } catch {
    return { ok: false, why: "passphrase_wrong" };
  }
}

function isCost(value: unknown): value is number {
  return (
    typeof value === "number" && value >= 2 && value <= SCRYPT_N_MAX && (value & (value - 1)) === 0
  );
}

function derive(passphrase: string, salt: Uint8Array, cost: number): Buffer {
  const maxmem = 256 * cost * SCRYPT.r;
  // Composed characters, so that two keyboards that write "é" differently agree.
  return scryptSync(passphrase.normalize("NFC"), salt, KEY_BYTES, { ...SCRYPT, N: cost, maxmem });
}
