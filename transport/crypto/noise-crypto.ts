/**
 * The cryptography that libp2p's Noise runs on, for both planes: libsodium for the cipher and for
 * X25519, node:crypto for SHA-256 and HKDF. Where sodium-native cannot load, Noise's own defaults
 * take its place part by part. A drop-in: the bytes on the wire are the same.
 */
import { createHash, hkdfSync, randomBytes } from "node:crypto";
import type { ICryptoInterface, KeyPair } from "@libp2p/noise";
import { defaultCrypto } from "@libp2p/noise/crypto";
import { AEAD_TAG_BYTES, type Aead, bestAead } from "./aead.ts";
import { loadSodium, type Sodium } from "./sodium.ts";

/** A chunk as Noise hands it over: one run of bytes, or a list of runs with the same methods. */
type Bytes = Parameters<ICryptoInterface["hashSHA256"]>[0];

const X25519_KEY_BYTES = 32;
const HASH_BYTES = 32;
const NO_INFO = new Uint8Array(0);

/**
 * Makes Noise's `crypto`. `aead` and `sodium` are for tests; by default the best that loads.
 * Its decrypt throws on a wrong tag, as Noise expects.
 */
export function noiseCrypto(
  aead: Aead = bestAead(),
  sodium: Sodium | undefined = aead.kind === "sodium" ? loadSodium().sodium : undefined,
): ICryptoInterface {
  return {
    ...(sodium === undefined ? defaultCrypto : { ...defaultCrypto, ...x25519(sodium) }),
    hashSHA256,
    getHKDF,
    chaCha20Poly1305Encrypt(plaintext, nonce, associated, key) {
      const plain = plaintext.subarray();
      const sealed = Buffer.allocUnsafe(plain.length + AEAD_TAG_BYTES);
      aead.seal(sealed, plain, nonce, key, associated);
      return sealed;
    },
    chaCha20Poly1305Decrypt(ciphertext, nonce, associated, key, target) {
      const sealed = ciphertext.subarray();
      const length = sealed.length - AEAD_TAG_BYTES;
      if (length < 0) throw new Error("a sealed message is shorter than its tag");
      const plain = target?.length === length ? target : Buffer.allocUnsafe(length);
      if (!aead.open(plain, sealed, nonce, key, associated)) {
        throw new Error("Invalid chacha20poly1305 decryption");
      }
      return plain;
    },
  };
}

function hashSHA256(data: Bytes): Uint8Array {
  const hash = createHash("sha256");
  if (data instanceof Uint8Array) return hash.update(data).digest();
  for (const part of data) hash.update(part);
  return hash.digest();
}

/** HKDF-SHA256 (RFC 5869) with three outputs, as the Noise specification, §4.3, defines it. */
function getHKDF(
  chainingKey: Uint8Array,
  material: Uint8Array,
): [Uint8Array, Uint8Array, Uint8Array] {
  const okm = new Uint8Array(hkdfSync("sha256", material, chainingKey, NO_INFO, 3 * HASH_BYTES));
  return [
    okm.subarray(0, HASH_BYTES),
    okm.subarray(HASH_BYTES, 2 * HASH_BYTES),
    okm.subarray(2 * HASH_BYTES),
  ];
}

function x25519(sodium: Sodium) {
  const fromSecret = (privateKey: Uint8Array): KeyPair => {
    const publicKey = Buffer.alloc(X25519_KEY_BYTES);
    sodium.crypto_scalarmult_base(publicKey, privateKey);
    return { publicKey, privateKey };
  };
  return {
    generateX25519KeyPair: () => fromSecret(randomBytes(X25519_KEY_BYTES)),
    generateX25519KeyPairFromSeed: fromSecret,
    generateX25519SharedKey(privateKey: Bytes, publicKey: Bytes): Uint8Array {
      const shared = Buffer.alloc(X25519_KEY_BYTES);
      sodium.crypto_scalarmult(shared, privateKey.subarray(), publicKey.subarray());
      return shared;
    },
  };
}
