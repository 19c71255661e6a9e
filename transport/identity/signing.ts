/**
 * Ed25519 behind the Signer and Verifier seams. Signatures are made by node:crypto, and judged by
 * libsodium where it loads: a node that joins a large mesh judges tens of thousands, and libsodium
 * takes a third of the time and no key object. Elsewhere node:crypto judges. Both refuse points of
 * small order, on which libraries are known to differ: two nodes that judged one statement
 * differently would never have equal directories.
 */
import {
  createPrivateKey,
  createPublicKey,
  type KeyObject,
  randomBytes,
  sign,
  verify,
} from "node:crypto";
import { assert } from "../../core/assert.ts";
import type { Signer, Verifier } from "../../core/seams.ts";
import type { NodeId } from "../../core/types.ts";
import { loadSodium, type Sodium } from "../crypto/sodium.ts";
import { nodeIdOf, PUBLIC_KEY_BYTES, publicKeyOf } from "./node-id.ts";

export const SEED_BYTES = 32;
const SIGNATURE_BYTES = 64;
/** Public keys kept ready: more than the peers that one node hears often. */
const PUBLIC_KEYS_MAX = 4_096;
/** DER around the 32 key bytes: PKCS #8 with RFC 8410's private key, and SubjectPublicKeyInfo. */
const PKCS8_PREFIX = Buffer.from("302e020100300506032b657004220420", "hex");
const SPKI_PREFIX = Buffer.from("302a300506032b6570032100", "hex");

/** A new private key's 32-byte seed (RFC 8032). */
export function newSeed(): Uint8Array {
  return new Uint8Array(randomBytes(SEED_BYTES));
}

export class KeySigner implements Signer {
  readonly id: NodeId;
  readonly publicKey: Uint8Array;
  readonly #key: KeyObject;

  constructor(seed: Uint8Array) {
    assert(seed.length === SEED_BYTES, "an Ed25519 seed has 32 bytes");
    this.#key = createPrivateKey({
      key: Buffer.concat([PKCS8_PREFIX, seed]),
      format: "der",
      type: "pkcs8",
    });
    const spki = createPublicKey(this.#key).export({ format: "der", type: "spki" });
    this.publicKey = new Uint8Array(spki.subarray(SPKI_PREFIX.length));
    this.id = nodeIdOf(this.publicKey);
  }

  sign(bytes: Uint8Array): Uint8Array {
    return new Uint8Array(sign(null, bytes, this.#key));
  }
}

/** A public key as one of the two libraries takes it. */
type Key = Uint8Array | KeyObject;

export class KeyVerifier implements Verifier {
  readonly #keysMax: number;
  readonly #sodium: Sodium | undefined;
  /** Least recently used first. */
  readonly #keys = new Map<NodeId, Key>();

  constructor(keysMax: number = PUBLIC_KEYS_MAX, library: "best" | "node" = "best") {
    this.#keysMax = keysMax;
    this.#sodium = library === "best" ? loadSodium().sodium : undefined;
  }

  verify(id: NodeId, bytes: Uint8Array, signature: Uint8Array): boolean {
    if (signature.length !== SIGNATURE_BYTES) return false;
    const key = this.#keyOf(id);
    if (key === undefined) return false;
    try {
      return key instanceof Uint8Array
        ? this.#sodium?.crypto_sign_verify_detached(signature, bytes, key) === true
        : verify(null, bytes, key, signature);
    } catch {
      return false;
    }
  }

  #keyOf(id: NodeId): Key | undefined {
    const known = this.#keys.get(id);
    if (known !== undefined) {
      this.#keys.delete(id);
      this.#keys.set(id, known);
      return known;
    }
    const raw = publicKeyOf(id);
    if (raw?.length !== PUBLIC_KEY_BYTES) return undefined;
    const key = this.#sodium === undefined ? keyObjectOf(raw) : raw;
    this.#keys.set(id, key);
    if (this.#keys.size > this.#keysMax) {
      const oldest = this.#keys.keys().next().value;
      if (oldest !== undefined) this.#keys.delete(oldest);
    }
    return key;
  }
}

function keyObjectOf(raw: Uint8Array): KeyObject {
  return createPublicKey({
    key: Buffer.concat([SPKI_PREFIX, raw]),
    format: "der",
    type: "spki",
  });
}
