/**
 * The frames inside a batch. Each begins with eight bytes, big-endian, so that a reader skips what
 * it does not know without parsing it:
 *
 *     u8 type | u24 length of the body | u32 id of the stream or call, or a ping's token
 *
 * Bit 0x80 of the type marks a frame that an older reader may skip; any other unknown type closes
 * the link. Known bodies may grow at their end: readers ignore what follows the fields they know.
 */
export const FRAME_HEADER_BYTES = 8;
export const OPTIONAL_FRAME = 0x80;

/** Control frames have the first lane, all others but bulk DATA the second. */
export const FRAME = {
  /** First frame of each side: see Hello. */
  hello: 1,
  /** id: token, which the pong repeats. */
  ping: 2,
  pong: 3,
  /** No new streams please: u8 why (0 retire, 1 drain) | u32 last stream | u32 last call served. */
  goAway: 4,
  /** No new streams will come. Travels behind every OPEN and CALL sent before. */
  goAwayAck: 5,
  /** The end: u32 last stream | u32 last call served | UTF-8 reason. */
  close: 6,
  /** id: call. u32 milliseconds left | payload. */
  call: 8,
  reply: 9,
  callError: 10,
  /** id: stream. Attempt context and request head. */
  open: 16,
  head: 17,
  informational: 18,
  data: 19,
  /** Empty, or trailers. */
  end: 20,
  reset: 21,
  /** u32 bytes of new credit. */
  window: 22,
} as const;

export const GO_AWAY_RETIRE = 0;
export const GO_AWAY_DRAIN = 1;

export interface Hello {
  readonly version: number;
  readonly versionOldest: number;
  /** Bits for extensions: what both ends set may be used. */
  readonly features: number;
  readonly streamWindowBytes: number;
  readonly streamsMax: number;
  readonly callsMax: number;
}

const HELLO_BYTES = 20;

export function writeHeader(
  buffer: Uint8Array,
  at: number,
  type: number,
  length: number,
  id: number,
): void {
  buffer[at] = type;
  buffer[at + 1] = length >>> 16;
  buffer[at + 2] = length >>> 8;
  buffer[at + 3] = length;
  writeU32(buffer, at + 4, id);
}

export function readU24(buffer: Uint8Array, at: number): number {
  return (
    ((buffer[at] as number) << 16) | ((buffer[at + 1] as number) << 8) | (buffer[at + 2] as number)
  );
}

export function writeU32(buffer: Uint8Array, at: number, value: number): void {
  buffer[at] = value >>> 24;
  buffer[at + 1] = value >>> 16;
  buffer[at + 2] = value >>> 8;
  buffer[at + 3] = value;
}

/** The caller has checked that four bytes are there. */
export function readU32(buffer: Uint8Array, at: number): number {
  return (((buffer[at] as number) << 24) | readU24(buffer, at + 1)) >>> 0;
}

export function encodeHello(hello: Hello): Uint8Array {
  const bytes = new Uint8Array(HELLO_BYTES);
  writeU32(bytes, 0, ((hello.version << 16) | hello.versionOldest) >>> 0);
  writeU32(bytes, 4, hello.features);
  writeU32(bytes, 8, hello.streamWindowBytes);
  writeU32(bytes, 12, hello.streamsMax);
  writeU32(bytes, 16, hello.callsMax);
  return bytes;
}

export function decodeHello(body: Uint8Array): Hello | undefined {
  if (body.length < HELLO_BYTES) return undefined;
  const versions = readU32(body, 0);
  return {
    version: versions >>> 16,
    versionOldest: versions & 0xffff,
    features: readU32(body, 4),
    streamWindowBytes: readU32(body, 8),
    streamsMax: readU32(body, 12),
    callsMax: readU32(body, 16),
  };
}

/** Why the two ends cannot talk; undefined if they can: each must know the other's version. */
export function versionConflict(
  theirs: Pick<Hello, "version" | "versionOldest">,
  ours: Pick<Hello, "version" | "versionOldest">,
): string | undefined {
  if (theirs.versionOldest > ours.version) {
    return `the peer needs link protocol ${theirs.versionOldest}, this agent speaks ${ours.version}: upgrade this agent`;
  }
  if (theirs.version < ours.versionOldest) {
    return `the peer speaks link protocol ${theirs.version}, this agent needs ${ours.versionOldest}: upgrade the peer`;
  }
  return undefined;
}

/** The newest version and the features that both ends have. */
export interface Agreed {
  readonly version: number;
  readonly features: number;
}

export function agreedBy(one: Agreed, other: Agreed): Agreed {
  return {
    version: Math.min(one.version, other.version),
    features: (one.features & other.features) >>> 0,
  };
}
