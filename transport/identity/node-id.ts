/**
 * NodeId ↔ Ed25519 public key. A PeerId of this kind is an identity multihash around the key's
 * protobuf form: six constant bytes, then the 32 bytes of the key, written in base58 (Bitcoin's
 * alphabet). Done here, without libp2p, so that `ca` commands start fast.
 */
import type { NodeId } from "../../core/types.ts";

export const PUBLIC_KEY_BYTES = 32;

const ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
const VALUES = new Map([...ALPHABET].map((letter, value) => [letter, value]));
/** Letters at a time: 58^8 is a whole number that a double holds. */
const STEP = 8;
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
  for (let start = 0; start < id.length; start += STEP) {
    const letters = id.slice(start, start + STEP);
    let digits = 0;
    for (const letter of letters) {
      const digit = VALUES.get(letter);
      if (digit === undefined) return undefined;
      digits = digits * 58 + digit;
    }
    value = value * BigInt(58 ** letters.length) + BigInt(digits);
  }
  const hex = value.toString(16).padStart(PREFIX.length + PUBLIC_KEY_BYTES * 2, "0");
  if (hex.length !== PREFIX.length + PUBLIC_KEY_BYTES * 2 || !hex.startsWith(PREFIX))
    return undefined;
  return new Uint8Array(Buffer.from(hex.slice(PREFIX.length), "hex"));
}
