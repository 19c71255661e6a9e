/**
 * The one encoding of structured data on the wire and on disk: MessagePack without extensions or
 * shared structures, so that any language can read it and no state outlives a message. Bytes from
 * a peer are decoded here and nowhere else: what is not valid comes back as undefined.
 */
import { Packr } from "msgpackr";

const packr = new Packr({
  useRecords: false,
  mapsAsObjects: true,
  int64AsType: "number",
  moreTypes: false,
});

export function encode(value: unknown): Uint8Array {
  return packr.pack(value);
}

/** Undefined for anything that is not exactly one valid value. */
export function decode(bytes: Uint8Array): unknown {
  try {
    return packr.unpack(bytes);
  } catch {
    return undefined;
  }
}
