/**
 * The packets of the failure detector, one MessagePack array each; the first element says which.
 * Records travel as the bytes their author signed. Anything that is not exactly one well-formed
 * packet decodes to undefined; elements beyond those listed belong to later versions and are
 * ignored, and so is a packet of an unknown kind.
 *
 *   [1, seq, records]                    ping
 *   [2, seq, records]                    ack
 *   [3, seq, target, records]            ping-req: probe `target` for me
 *   [4, seq, answered, records]          the helper's answer: ack (true) or nack (false)
 *   [5, rumours, doubts]                 push
 *   [6, buckets, records]                sync: 256 little-endian u32, one per bucket of members
 *   [7, covered, remaining, records]     page: all records of the covered buckets; bytes are buckets
 *   [8, wanted]                          pull: send pages of these buckets
 */
import { decode, encode } from "../core/codec.ts";
import { CONTROL_PACKET_BYTES_MAX } from "../core/limits.ts";
import type { NodeId } from "../core/types.ts";
import { RECORD_BYTES_MAX } from "./records.ts";

export const BUCKETS = 256;
/** Records in one packet: a page of 48 KB holds fewer than this. */
export const RECORDS_PER_PACKET_MAX = 1_024;

export type Records = readonly Uint8Array[];

export type MemberPacket =
  | { readonly kind: "ping"; readonly seq: number; readonly records: Records }
  | { readonly kind: "ack"; readonly seq: number; readonly records: Records }
  | {
      readonly kind: "ping_req";
      readonly seq: number;
      readonly target: NodeId;
      readonly records: Records;
    }
  | {
      readonly kind: "answer";
      readonly seq: number;
      readonly answered: boolean;
      readonly records: Records;
    }
  | {
      readonly kind: "push";
      readonly records: Records;
      /** Old news of deaths met in a sync: told, so that the subject can refute; not believed yet. */
      readonly doubts: Records;
    }
  | { readonly kind: "sync"; readonly buckets: Uint32Array; readonly records: Records }
  | {
      readonly kind: "page";
      readonly covered: Uint8Array;
      readonly remaining: Uint8Array;
      readonly records: Records;
    }
  | { readonly kind: "pull"; readonly wanted: Uint8Array }
  | { readonly kind: "unknown" };

export type PlainPacket = Extract<MemberPacket, { kind: "ping" | "ack" }>;

export function encodePacket(packet: Exclude<MemberPacket, { kind: "unknown" }>): Uint8Array {
  switch (packet.kind) {
    case "ping":
      return encodePlain(1, packet.seq, packet.records);
    case "ack":
      return encodePlain(2, packet.seq, packet.records);
    case "ping_req":
      return encode([3, packet.seq, packet.target, packet.records]);
    case "answer":
      return encode([4, packet.seq, packet.answered, packet.records]);
    case "push":
      return encode([5, packet.records, packet.doubts]);
    case "sync":
      return encode([6, bucketBytes(packet.buckets), packet.records]);
    case "page":
      return encode([7, packet.covered, packet.remaining, packet.records]);
    case "pull":
      return encode([8, packet.wanted]);
  }
}

export function decodePacket(bytes: Uint8Array): MemberPacket | undefined {
  if (bytes.length > CONTROL_PACKET_BYTES_MAX) return undefined;
  const plain = decodePlain(bytes, 0);
  if (plain !== undefined) return plain;
  const fields = decode(bytes);
  if (!Array.isArray(fields)) return undefined;
  const [kind, first, second, third] = fields as unknown[];
  switch (kind) {
    case 1:
    case 2:
      if (!isSeq(first) || !isRecords(second)) return undefined;
      return { kind: kind === 1 ? "ping" : "ack", seq: first, records: second };
    case 3:
      if (!isSeq(first) || !isNodeId(second) || !isRecords(third)) return undefined;
      return { kind: "ping_req", seq: first, target: second, records: third };
    case 4:
      if (!isSeq(first) || typeof second !== "boolean" || !isRecords(third)) return undefined;
      return { kind: "answer", seq: first, answered: second, records: third };
    case 5:
      if (!isRecords(first) || !isRecords(second)) return undefined;
      return { kind: "push", records: first, doubts: second };
    case 6: {
      const buckets = isBytes(first) ? readBuckets(first) : undefined;
      if (buckets === undefined || !isRecords(second)) return undefined;
      return { kind: "sync", buckets, records: second };
    }
    case 7:
      if (!isBucketList(first) || !isBucketList(second) || !isRecords(third)) return undefined;
      return { kind: "page", covered: first, remaining: second, records: third };
    case 8:
      return isBucketList(first) ? { kind: "pull", wanted: first } : undefined;
    default:
      return isSeq(kind) ? { kind: "unknown" } : undefined;
  }
}

const LIST_OF_3 = 0x93;
const EMPTY_LIST = 0x90;
const U32 = 0xce;
const PLAIN_BYTES = 8;
const NO_RECORDS: Records = [];

/**
 * Pings and acks without records are nearly all packets of a calm mesh, so these are written and
 * read by hand: [kind, seq as u32, []], in the same MessagePack.
 */
function encodePlain(kind: 1 | 2, seq: number, records: Records): Uint8Array {
  if (records.length > 0 || seq > 0xffff_ffff) return encode([kind, seq, records]);
  const bytes = new Uint8Array(PLAIN_BYTES);
  bytes[0] = LIST_OF_3;
  bytes[1] = kind;
  bytes[2] = U32;
  bytes[3] = seq >>> 24;
  bytes[4] = seq >>> 16;
  bytes[5] = seq >>> 8;
  bytes[6] = seq;
  bytes[7] = EMPTY_LIST;
  return bytes;
}

/** The ping or ack from `at` to the end; undefined if there is anything else. */
export function decodePlain(bytes: Uint8Array, at: number): PlainPacket | undefined {
  const kind = bytes[at + 1];
  const isPlain =
    bytes.length - at === PLAIN_BYTES &&
    bytes[at] === LIST_OF_3 &&
    (kind === 1 || kind === 2) &&
    bytes[at + 2] === U32 &&
    bytes[at + 7] === EMPTY_LIST;
  if (!isPlain) return undefined;
  const low =
    ((bytes[at + 4] as number) << 16) |
    ((bytes[at + 5] as number) << 8) |
    (bytes[at + 6] as number);
  const seq = (bytes[at + 3] as number) * 0x100_0000 + low;
  return { kind: kind === 1 ? "ping" : "ack", seq, records: NO_RECORDS };
}

function bucketBytes(buckets: Uint32Array): Uint8Array {
  const bytes = new Uint8Array(BUCKETS * 4);
  const view = new DataView(bytes.buffer);
  for (let at = 0; at < BUCKETS; at += 1) view.setUint32(at * 4, buckets[at] as number, true);
  return bytes;
}

function readBuckets(bytes: Uint8Array): Uint32Array | undefined {
  if (bytes.length !== BUCKETS * 4) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const buckets = new Uint32Array(BUCKETS);
  for (let at = 0; at < BUCKETS; at += 1) buckets[at] = view.getUint32(at * 4, true);
  return buckets;
}

function isSeq(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isNodeId(value: unknown): value is NodeId {
  return typeof value === "string" && value.length > 0 && value.length <= 128;
}

function isBytes(value: unknown): value is Uint8Array {
  return value instanceof Uint8Array;
}

/** At most one byte per bucket, ascending, so that no bucket is named twice. */
function isBucketList(value: unknown): value is Uint8Array {
  if (!isBytes(value) || value.length > BUCKETS) return false;
  for (let at = 1; at < value.length; at += 1) {
    if ((value[at] as number) <= (value[at - 1] as number)) return false;
  }
  return true;
}

function isRecords(value: unknown): value is Records {
  return (
    Array.isArray(value) &&
    value.length <= RECORDS_PER_PACKET_MAX &&
    value.every((item) => isBytes(item) && item.length <= RECORD_BYTES_MAX)
  );
}
