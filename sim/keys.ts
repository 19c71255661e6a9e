/**
 * Signatures in a simulation: real keys behind the seams, made from the seed, but each signature is
 * judged once. What a process of this run signed is known to be genuine without being verified
 * again by every one of a thousand receivers; anything else goes to the real verifier.
 */
import type { Signer, Verifier } from "../core/seams.ts";
import type { NodeId } from "../core/types.ts";

/** Real cryptography, from outside: the simulator itself does no such thing. */
export interface KeyRing {
  /** The signer whose key follows from the label alone. */
  signer(label: string): Signer;
  readonly verifier: Verifier;
}

/** Signatures remembered: those of the last minutes of a large run. */
const REMEMBERED_MAX = 200_000;

interface Signed {
  readonly id: NodeId;
  readonly bytes: Uint8Array;
  readonly signature: Uint8Array;
}

export class Signatures implements Verifier {
  readonly #ring: KeyRing;
  readonly #genuine = new Map<number, Signed>();
  /** Signatures that were not found here and had to be verified. */
  verified = 0;

  constructor(ring: KeyRing) {
    this.#ring = ring;
  }

  /** `onSign` sees what is signed. */
  signer(label: string, onSign: (bytes: Uint8Array) => void): Signer {
    const signer = this.#ring.signer(label);
    return {
      id: signer.id,
      sign: (bytes) => {
        const copy = new Uint8Array(bytes);
        const signature = signer.sign(copy);
        this.#remember({ id: signer.id, bytes: copy, signature });
        onSign(copy);
        return signature;
      },
    };
  }

  verify(id: NodeId, bytes: Uint8Array, signature: Uint8Array): boolean {
    const known = this.#genuine.get(keyOf(signature));
    if (known !== undefined && known.id === id && isEqual(known.signature, signature)) {
      return isEqual(known.bytes, bytes);
    }
    this.verified += 1;
    return this.#ring.verifier.verify(id, bytes, signature);
  }

  #remember(signed: Signed): void {
    if (this.#genuine.size >= REMEMBERED_MAX) {
      const oldest = this.#genuine.keys().next().value;
      if (oldest !== undefined) this.#genuine.delete(oldest);
    }
    this.#genuine.set(keyOf(signed.signature), signed);
  }
}

/** 48 bits of the signature: as good as random. */
function keyOf(signature: Uint8Array): number {
  let key = 0;
  for (let at = 0; at < 6; at += 1) key = key * 256 + (signature[at] ?? 0);
  return key;
}

function isEqual(one: Uint8Array, other: Uint8Array): boolean {
  if (one.length !== other.length) return false;
  for (let at = 0; at < one.length; at += 1) if (one[at] !== other[at]) return false;
  return true;
}
