/** Real Ed25519 keys for a simulation, each made from its label alone. */
import { createHash } from "node:crypto";
import type { Signer, Verifier } from "../../core/seams.ts";
import type { KeyRing } from "../../sim/keys.ts";
import { KeySigner, KeyVerifier } from "../../transport/identity/signing.ts";

/** Keys kept ready: more than the nodes of the largest run. */
const KEYS_MAX = 20_000;

export function createKeyRing(): KeyRing {
  const signers = new Map<string, Signer>();
  const verifier: Verifier = new KeyVerifier(KEYS_MAX);
  return {
    verifier,
    signer: (label) => {
      const known = signers.get(label);
      if (known !== undefined) return known;
      const seed = createHash("sha256").update(`grapevine simulation key ${label}`).digest();
      const signer = new KeySigner(new Uint8Array(seed));
      if (signers.size < KEYS_MAX) signers.set(label, signer);
      return signer;
    },
  };
}
