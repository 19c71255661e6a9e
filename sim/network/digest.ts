/** A digest of a message for the hash of a run: all of a short one, both ends of a long one. */
import { hashBytes32 } from "../../core/hash.ts";

const WHOLE_BYTES = 192;
const END_BYTES = 64;

export function digestOf(message: Uint8Array): number {
  const { length } = message;
  if (length <= WHOLE_BYTES) return hashBytes32(message, length);
  const first = hashBytes32(message.subarray(0, END_BYTES), length);
  return hashBytes32(message.subarray(length - END_BYTES), first);
}
