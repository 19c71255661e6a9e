/**
 * The one encoding of structured data on the wire and on disk: MessagePack without shared
 * structures and without extensions of our own, so that any language can read it and no state
 * outlives a message. Bytes from a peer are decoded here and nowhere else: what is not valid comes
 * back as undefined. The library also understands extensions that build regular expressions,
 * errors, sets, references and record types with generated code; a look at the bytes refuses these
 * before it sees them, and whatever is nested deeper than anybody writes.
 */
import { Packr } from "msgpackr";

/** The library would write a function as undefined, and nobody would notice. */
class PlainPackr extends Packr {
  writeFunction(): never {
    throw new TypeError("a function cannot be encoded");
  }
}

const packr = new PlainPackr({
  useRecords: false,
  mapsAsObjects: true,
  int64AsType: "number",
  moreTypes: false,
});

/** Lists and maps inside each other; the deepest of Grapevine's own statements has five. */
const DEPTH_MAX = 64;

/** Throws for functions, symbols and integers beyond 64 bits. */
export function encode(value: unknown): Uint8Array {
  return packr.pack(value);
}

/** Undefined for anything that is not exactly one valid value. */
export function decode(bytes: Uint8Array): unknown {
  if (!isPlain(bytes)) return undefined;
  try {
    return packr.unpack(bytes);
  } catch {
    return undefined;
  }
}

/** How many values follow the first in each list and map that is open, innermost last. */
const open = new Float64Array(DEPTH_MAX + 1);

/**
 * True if the bytes are one MessagePack value made of nothing but nil, booleans, numbers, texts,
 * bytes, lists, maps, the standard timestamp and the one extension that stands for undefined.
 */
function isPlain(bytes: Uint8Array): boolean {
  const end = bytes.length;
  let depth = 0;
  open[0] = 1;
  for (let at = 0; ; ) {
    while (open[depth] === 0) {
      if (depth === 0) return at === end;
      depth -= 1;
    }
    if (at >= end) return false;
    (open[depth] as number) -= 1;
    const token = bytes[at] as number;
    const values = valuesInside(bytes, at, token);
    at += sizeOf(bytes, at, token);
    // Each value inside takes a byte at least; a size beyond the end is NaN or too large.
    if (!(at <= end) || values > end - at) return false;
    if (values > 0) {
      depth += 1;
      if (depth > DEPTH_MAX) return false;
      open[depth] = values;
    }
  }
}

/** The values that follow a list's or map's head; 0 for everything else. */
function valuesInside(bytes: Uint8Array, at: number, token: number): number {
  if (token < 0x80 || token >= 0xe0) return 0;
  if (token < 0x90) return 2 * (token & 0x0f);
  if (token < 0xa0) return token & 0x0f;
  switch (token) {
    case 0xdc:
      return number(bytes, at + 1, 2);
    case 0xdd:
      return number(bytes, at + 1, 4);
    case 0xde:
      return 2 * number(bytes, at + 1, 2);
    case 0xdf:
      return 2 * number(bytes, at + 1, 4);
    default:
      return 0;
  }
}

/** Bytes of what has one size from 0xc0 to 0xdf, heads of lists and maps included; else 0. */
const SIZES = Uint8Array.of(
  ...[1, 0, 1, 1, 0, 0, 0, 0, 0, 0, 5, 9, 2, 3, 5, 9],
  ...[2, 3, 5, 9, 0, 0, 0, 0, 0, 0, 0, 0, 3, 5, 3, 5],
);

/** Bytes of the value or of its head; NaN for what is not allowed. */
function sizeOf(bytes: Uint8Array, at: number, token: number): number {
  if (token < 0xa0 || token >= 0xe0) return 1;
  if (token < 0xc0) return 1 + (token & 0x1f);
  switch (token) {
    case 0xc4:
    case 0xd9:
      return 2 + number(bytes, at + 1, 1);
    case 0xc5:
    case 0xda:
      return 3 + number(bytes, at + 1, 2);
    case 0xc6:
    case 0xdb:
      return 5 + number(bytes, at + 1, 4);
    case 0xd4:
      return bytes[at + 1] === 0 ? 3 : Number.NaN;
    case 0xd6:
      return bytes[at + 1] === 0xff ? 6 : Number.NaN;
    case 0xd7:
      return bytes[at + 1] === 0xff ? 10 : Number.NaN;
    case 0xc7:
      return bytes[at + 1] === 12 && bytes[at + 2] === 0xff ? 15 : Number.NaN;
    default:
      return SIZES[token - 0xc0] || Number.NaN;
  }
}

/** Big-endian; NaN beyond the end. */
function number(bytes: Uint8Array, at: number, length: number): number {
  let value = 0;
  for (let next = at; next < at + length; next += 1) {
    value = value * 256 + (bytes[next] ?? Number.NaN);
  }
  return value;
}
