import { defaultCrypto, pureJsCrypto } from "@libp2p/noise/crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  AEAD_TAG_BYTES,
  bestAead,
  portableAead,
  sodiumAead,
} from "../../../transport/crypto/aead.ts";
import { noiseCrypto } from "../../../transport/crypto/noise-crypto.ts";
import { loadSodium } from "../../../transport/crypto/sodium.ts";

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const fast = noiseCrypto();
const portable = noiseCrypto(portableAead());

describe("the cryptography under Noise", () => {
  it("loads libsodium where the package is installed", () => {
    expect(loadSodium().failure).toBe("");
    expect(bestAead().kind).toBe("sodium");
  });

  it("seals the same bytes as Noise's own cipher, whatever the length and maker", () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.uint8Array({ maxLength: 300 }), bytes(1200), bytes(9000)),
        bytes(12),
        bytes(32),
        bytes(32),
        (plain, nonce, key, associated) => {
          const expected = defaultCrypto
            .chaCha20Poly1305Encrypt(plain, nonce, associated, key)
            .subarray();
          for (const crypto of [fast, portable]) {
            const sealed = crypto.chaCha20Poly1305Encrypt(plain, nonce, associated, key);
            expect(Buffer.compare(sealed.subarray(), expected)).toBe(0);
            const opened = crypto.chaCha20Poly1305Decrypt(sealed, nonce, associated, key);
            expect(Buffer.compare(opened.subarray(), plain)).toBe(0);
          }
        },
      ),
      { numRuns: 40 },
    );
  });

  it("refuses a text of which one bit was changed", () => {
    for (const crypto of [fast, portable]) {
      const key = Buffer.alloc(32, 1);
      const nonce = Buffer.alloc(12, 2);
      const sealed = Buffer.from(
        crypto.chaCha20Poly1305Encrypt(Buffer.from("text"), nonce, Buffer.alloc(0), key).subarray(),
      );
      sealed[0] = (sealed[0] as number) ^ 1;
      expect(() => crypto.chaCha20Poly1305Decrypt(sealed, nonce, Buffer.alloc(0), key)).toThrow();
    }
  });

  it("seals and opens in place", () => {
    const { sodium } = loadSodium();
    for (const aead of [sodium === undefined ? portableAead() : sodiumAead(sodium), portableAead()])
      for (const length of [0, 5, 64, 1000, 65_000]) {
        const key = Buffer.alloc(32, 3);
        const nonce = Buffer.alloc(12, 4);
        const text = Buffer.alloc(length, 7);
        const memory = Buffer.alloc(length + AEAD_TAG_BYTES);
        text.copy(memory);
        aead.seal(memory, memory.subarray(0, length), nonce, key);
        expect(aead.open(memory.subarray(0, length), memory, nonce, key)).toBe(true);
        expect(Buffer.compare(memory.subarray(0, length), text)).toBe(0);
      }
  });

  it("derives the same keys as Noise's own HKDF, from empty input too", () => {
    fc.assert(
      fc.property(bytes(32), fc.oneof(bytes(0), bytes(32)), (chainingKey, material) => {
        const ours = fast.getHKDF(chainingKey, material).map((part) => Buffer.from(part));
        const theirs = pureJsCrypto.getHKDF(chainingKey, material).map((part) => Buffer.from(part));
        expect(ours).toEqual(theirs);
      }),
      { numRuns: 20 },
    );
  });

  it("agrees on X25519 secrets with Noise's own implementation", () => {
    const ours = fast.generateX25519KeyPair();
    const theirs = pureJsCrypto.generateX25519KeyPair();
    const here = fast.generateX25519SharedKey(ours.privateKey, theirs.publicKey);
    const there = pureJsCrypto.generateX25519SharedKey(theirs.privateKey, ours.publicKey);
    expect(Buffer.compare(here, there)).toBe(0);
    const seeded = fast.generateX25519KeyPairFromSeed(theirs.privateKey);
    expect(Buffer.compare(seeded.publicKey, theirs.publicKey)).toBe(0);
  });
});
