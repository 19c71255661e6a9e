/**
 * ChaCha20-Poly1305 (RFC 8439, 12-byte nonce) behind one small interface with two makers:
 * libsodium through `sodium-native`, which seals 128 bytes in 1.3 µs, and the ciphers that libp2p's
 * Noise brings (WebAssembly for short texts, node:crypto for long ones) where sodium cannot load.
 * node:crypto alone is no choice: setting up a cipher costs it tens of microseconds whatever the
 * size.
 */
import { asCrypto, nodeCrypto } from "@libp2p/noise/crypto";
import { loadSodium, type Sodium } from "./sodium.ts";

export const AEAD_KEY_BYTES = 32;
export const AEAD_NONCE_BYTES = 12;
export const AEAD_TAG_BYTES = 16;

/** From here on node:crypto's faster stream outweighs the cost of its set-up. */
const NODE_CRYPTO_BYTES_MIN = 8 * 1024;
const NO_DATA = new Uint8Array(0);

export type AeadKind = "sodium" | "portable";

export interface Aead {
  readonly kind: AeadKind;
  /**
   * Writes ciphertext and tag of `plain` to `sealed`, which is AEAD_TAG_BYTES longer. Both may
   * begin at the same byte of memory.
   */
  seal(
    sealed: Uint8Array,
    plain: Uint8Array,
    nonce: Uint8Array,
    key: Uint8Array,
    associated?: Uint8Array,
  ): void;
  /**
   * Writes the text of `sealed` to `plain`, which is AEAD_TAG_BYTES shorter, and says whether the
   * tag was right; `plain` is meaningless if not. Both may begin at the same byte of memory.
   */
  open(
    plain: Uint8Array,
    sealed: Uint8Array,
    nonce: Uint8Array,
    key: Uint8Array,
    associated?: Uint8Array,
  ): boolean;
}

/** The fast cipher if it loads here, else the portable one. */
export function bestAead(): Aead {
  const { sodium } = loadSodium();
  return sodium === undefined ? portableAead() : sodiumAead(sodium);
}

export function sodiumAead(sodium: Sodium): Aead {
  return {
    kind: "sodium",
    seal(sealed, plain, nonce, key, associated) {
      sodium.crypto_aead_chacha20poly1305_ietf_encrypt(
        sealed,
        plain,
        associated ?? null,
        null,
        nonce,
        key,
      );
    },
    open(plain, sealed, nonce, key, associated) {
      try {
        sodium.crypto_aead_chacha20poly1305_ietf_decrypt(
          plain,
          null,
          sealed,
          associated ?? null,
          nonce,
          key,
        );
        return true;
      } catch {
        return false;
      }
    },
  };
}

export function portableAead(): Aead {
  return {
    kind: "portable",
    seal(sealed, plain, nonce, key, associated = NO_DATA) {
      const cipher = plain.length < NODE_CRYPTO_BYTES_MIN ? asCrypto : nodeCrypto;
      sealed.set(cipher.chaCha20Poly1305Encrypt(plain, nonce, associated, key).subarray());
    },
    open(plain, sealed, nonce, key, associated = NO_DATA) {
      const cipher = sealed.length < NODE_CRYPTO_BYTES_MIN ? asCrypto : nodeCrypto;
      try {
        plain.set(cipher.chaCha20Poly1305Decrypt(sealed, nonce, associated, key).subarray());
        return true;
      } catch {
        return false;
      }
    },
  };
}
