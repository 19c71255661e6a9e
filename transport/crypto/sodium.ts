/**
 * libsodium, from the prebuilt binaries of `sodium-native`, where they load. Apart from the ciphers,
 * so that what only judges signatures does not load libp2p with them.
 */
import { createRequire } from "node:module";

/** The part of sodium-native that is used here; the package has no types of its own. */
export interface Sodium {
  crypto_aead_chacha20poly1305_ietf_encrypt(
    sealed: Uint8Array,
    plain: Uint8Array,
    associated: Uint8Array | null,
    secretNonce: null,
    nonce: Uint8Array,
    key: Uint8Array,
  ): number;
  crypto_aead_chacha20poly1305_ietf_decrypt(
    plain: Uint8Array,
    secretNonce: null,
    sealed: Uint8Array,
    associated: Uint8Array | null,
    nonce: Uint8Array,
    key: Uint8Array,
  ): number;
  crypto_sign_verify_detached(
    signature: Uint8Array,
    message: Uint8Array,
    publicKey: Uint8Array,
  ): boolean;
  crypto_scalarmult(shared: Uint8Array, secret: Uint8Array, other: Uint8Array): void;
  crypto_scalarmult_base(publicKey: Uint8Array, secret: Uint8Array): void;
}

let loaded: { readonly sodium: Sodium | undefined; readonly failure: string } | undefined;

/** sodium-native, or why it cannot be had here. Tried once in a process. */
export function loadSodium(): { readonly sodium: Sodium | undefined; readonly failure: string } {
  if (loaded !== undefined) return loaded;
  try {
    const sodium = createRequire(import.meta.url)("sodium-native") as Sodium;
    loaded = { sodium, failure: "" };
  } catch (cause) {
    loaded = { sodium: undefined, failure: cause instanceof Error ? cause.message : String(cause) };
  }
  return loaded;
}
