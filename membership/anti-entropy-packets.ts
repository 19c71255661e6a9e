/**
 * The packets by which two nodes compare what they store and hand over the difference. Each is
 * complete in itself: no packet refers to an earlier one, so a lost or repeated packet costs time
 * and nothing else, and a session goes on wherever it broke off.
 *
 *   root    [1, fingerprint, count]               do we hold the same?
 *   nodes   [2, level, prefixes, blocks, count]   the children of these inner nodes
 *   items   [3, level, prefixes, items]           everything below these nodes, or, with no prefix,
 *                                                 some of what there is
 *   docs    [4, messages, items]                  statements, and others to be had for the asking
 *   want    [5, [owner, part]…]                   send me these
 *   push    [6, messages]                         fresh statements, unasked
 *
 * An item is [owner, part, epoch, seq, hash as 16 bytes].
 */
import { decode, encode } from "../core/codec.ts";
import { CONTROL_PACKET_BYTES_MAX, DOCUMENT_BYTES_MAX } from "../core/limits.ts";
import { isBytes, isNodeId, isWhole } from "../core/trust/fields.ts";
import { toHex } from "../core/trust/sha256.ts";
import type { NodeId } from "../core/types.ts";
import {
  BLOCK_BYTES,
  FANOUT,
  FINGERPRINT_BYTES,
  fromHex,
  LEAF_LEVEL,
  type TreeItem,
} from "./anti-entropy-tree.ts";
import { PART_MAX } from "./document-codec.ts";
import { EPOCH_MAX, SEQ_MAX } from "./document-fields.ts";

/** Inner nodes in one packet; all of level 2. */
export const NODES_PER_PACKET_MAX = 256;
/** Items in one packet: about 180 KB. */
export const ITEMS_PER_PACKET_MAX = 2_000;
/** Statements in one packet; each may cost two signature checks. */
export const MESSAGES_PER_PACKET_MAX = 128;
const COUNT_MAX = 2 ** 32;

export interface Place {
  readonly owner: NodeId;
  readonly part: number;
}

export type AntiEntropyPacket =
  | { readonly kind: "root"; readonly fingerprint: Uint8Array; readonly count: number }
  | {
      readonly kind: "nodes";
      readonly level: number;
      readonly prefixes: readonly number[];
      /** BLOCK_BYTES for each prefix. */
      readonly blocks: Uint8Array;
      readonly count: number;
    }
  | {
      readonly kind: "items";
      readonly level: number;
      readonly prefixes: readonly number[];
      readonly items: readonly TreeItem[];
    }
  | {
      readonly kind: "docs";
      readonly messages: readonly Uint8Array[];
      readonly offers: readonly TreeItem[];
    }
  | { readonly kind: "want"; readonly places: readonly Place[] }
  | { readonly kind: "push"; readonly messages: readonly Uint8Array[] }
  /** Of a later version: nothing to blame anybody for. */
  | { readonly kind: "unknown" };

type KnownPacket = Exclude<AntiEntropyPacket, { kind: "unknown" }>;

const ROOT = 1;
const NODES = 2;
const ITEMS = 3;
const DOCS = 4;
const WANT = 5;
const PUSH = 6;
const KIND_MAX = 255;

export function encodePacket(packet: KnownPacket): Uint8Array {
  return new Uint8Array(encode(packetFields(packet)));
}

function packetFields(packet: KnownPacket): unknown[] {
  switch (packet.kind) {
    case "root":
      return [ROOT, packet.fingerprint, packet.count];
    case "nodes":
      return [NODES, packet.level, packet.prefixes, packet.blocks, packet.count];
    case "items":
      return [ITEMS, packet.level, packet.prefixes, packet.items.map(itemFields)];
    case "docs":
      return [DOCS, packet.messages, packet.offers.map(itemFields)];
    case "want":
      return [WANT, packet.places.map((place) => [place.owner, place.part])];
    case "push":
      return [PUSH, packet.messages];
  }
}

/** Undefined for anything that no honest node sends. */
export function decodePacket(bytes: Uint8Array): AntiEntropyPacket | undefined {
  if (bytes.length > CONTROL_PACKET_BYTES_MAX) return undefined;
  const fields = decode(bytes);
  if (!Array.isArray(fields)) return undefined;
  const [kind, ...rest] = fields as unknown[];
  switch (kind) {
    case ROOT:
      return readRoot(rest);
    case NODES:
      return readNodes(rest);
    case ITEMS:
      return readItems(rest);
    case DOCS:
      return readDocs(rest);
    case WANT:
      return readWant(rest);
    case PUSH:
      return isMessages(rest[0]) ? { kind: "push", messages: rest[0] } : undefined;
    default:
      return isWhole(kind, KIND_MAX) ? { kind: "unknown" } : undefined;
  }
}

function readRoot([fingerprint, count]: unknown[]): AntiEntropyPacket | undefined {
  if (!isFingerprint(fingerprint) || !isWhole(count, COUNT_MAX)) return undefined;
  return { kind: "root", fingerprint, count };
}

function readNodes([level, prefixes, blocks, count]: unknown[]): AntiEntropyPacket | undefined {
  if (!isWhole(level, LEAF_LEVEL - 1) || !isPrefixes(prefixes, level)) return undefined;
  if (!isBytes(blocks, NODES_PER_PACKET_MAX * BLOCK_BYTES)) return undefined;
  if (blocks.length !== prefixes.length * BLOCK_BYTES || !isWhole(count, COUNT_MAX)) {
    return undefined;
  }
  return { kind: "nodes", level, prefixes, blocks, count };
}

function readItems([level, prefixes, list]: unknown[]): AntiEntropyPacket | undefined {
  if (!isWhole(level, LEAF_LEVEL) || !isPrefixes(prefixes, level)) return undefined;
  const items = readItemList(list);
  return items === undefined ? undefined : { kind: "items", level, prefixes, items };
}

function readDocs([messages, list]: unknown[]): AntiEntropyPacket | undefined {
  const offers = readItemList(list);
  if (offers === undefined || !isMessages(messages)) return undefined;
  return { kind: "docs", messages, offers };
}

function readWant([list]: unknown[]): AntiEntropyPacket | undefined {
  if (!Array.isArray(list) || list.length > ITEMS_PER_PACKET_MAX) return undefined;
  const places: Place[] = [];
  for (const entry of list as unknown[]) {
    if (!Array.isArray(entry)) return undefined;
    const [owner, part] = entry as unknown[];
    if (!isNodeId(owner) || !isWhole(part, PART_MAX)) return undefined;
    places.push({ owner, part });
  }
  return { kind: "want", places };
}

function readItemList(list: unknown): TreeItem[] | undefined {
  if (!Array.isArray(list) || list.length > ITEMS_PER_PACKET_MAX) return undefined;
  const items: TreeItem[] = [];
  for (const entry of list as unknown[]) {
    if (!Array.isArray(entry)) return undefined;
    const [owner, part, epoch, seq, hash] = entry as unknown[];
    if (!isNodeId(owner) || !isWhole(part, PART_MAX)) return undefined;
    if (!isWhole(epoch, EPOCH_MAX) || !isWhole(seq, SEQ_MAX) || !isFingerprint(hash)) {
      return undefined;
    }
    items.push({ owner, part, epoch, seq, hash: toHex(hash) });
  }
  return items;
}

function itemFields(item: TreeItem): unknown[] {
  return [item.owner, item.part, item.epoch, item.seq, fromHex(item.hash)];
}

function isFingerprint(value: unknown): value is Uint8Array {
  return isBytes(value, FINGERPRINT_BYTES) && value.length === FINGERPRINT_BYTES;
}

function isMessages(value: unknown): value is Uint8Array[] {
  return (
    Array.isArray(value) &&
    value.length <= MESSAGES_PER_PACKET_MAX &&
    value.every((message) => isBytes(message, DOCUMENT_BYTES_MAX))
  );
}

function isPrefixes(value: unknown, level: number): value is number[] {
  return (
    Array.isArray(value) &&
    value.length <= NODES_PER_PACKET_MAX &&
    value.every((prefix) => isWhole(prefix, FANOUT ** level - 1)) &&
    new Set(value).size === value.length
  );
}
