/**
 * NodeId ↔ Ed25519 public key. A PeerId of this kind is an identity multihash around the key's
 * protobuf form: six constant bytes, then the 32 bytes of the key, written in base58 (Bitcoin's
 * alphabet). Done here, without libp2p, so that `ca` commands start fast.
 */
import type { NodeId } from "../../core/types.ts";

export const PUBLIC_KEY_BYTES = 32;

const ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
const VALUES = new Map([...ALPHABET].map((letter, value) => [letter, BigInt(value)]));
/** Multihash "identity" of 36 bytes; protobuf fields Type = Ed25519 and Data of 32 bytes. */
const PREFIX = "002408011220";
const NODE_ID_LENGTH = 52;

export function nodeIdOf(publicKey: Uint8Array): NodeId {
  let rest = BigInt(`0x${PREFIX}${Buffer.from(publicKey).toString("hex")}`);
  let text = "";
  while (rest > 0n) {
    text = (ALPHABET[Number(rest % 58n)] as string) + text;
    rest /= 58n;
  }
  // The one leading zero byte is written as the alphabet's zero.
  return `1${text}` as NodeId;
}

/** The 32 bytes of the key; undefined for anything that is not an Ed25519 PeerId. */
export function publicKeyOf(id: string): Uint8Array | undefined {
  if (id.length !== NODE_ID_LENGTH || !id.startsWith("1")) return undefined;
  let value = 0n;
  for (const letter of id) {
    const digit = VALUES.get(letter);
    if (digit === undefined) return undefined;
    value = value * 58n + digit;
  }
  const hex = value.toString(16).padStart(PREFIX.length + PUBLIC_KEY_BYTES * 2, "0");
  if (hex.length !== PREFIX.length + PUBLIC_KEY_BYTES * 2 || !hex.startsWith(PREFIX))
    return undefined;
  return new Uint8Array(Buffer.from(hex.slice(PREFIX.length), "hex"));
}
