/**
 * A tree of fingerprints over everything a node stores, so that two nodes find out with 16 bytes
 * that they hold the same, and with a few kilobytes where they do not. Owners fall into 4,096
 * leaves by hash; each inner node has 16 children. A fingerprint is the truncated SHA-256 of what
 * lies below in fixed order, never a sum, so that nobody can craft documents that cancel out.
 * A change costs its leaf and three nodes above it, worked out when somebody asks.
 */
import { hash32 } from "../core/hash.ts";
import { sha256 } from "../core/trust/sha256.ts";
import type { NodeId } from "../core/types.ts";
import type { StatementOrder } from "./document-codec.ts";

export const FINGERPRINT_BYTES = 16;
export const FANOUT = 16;
/** Levels of inner nodes: 0 is the root's; leaves are at this level. */
export const LEAF_LEVEL = 3;
/** The fingerprints of all children of one inner node. */
export const BLOCK_BYTES = FANOUT * FINGERPRINT_BYTES;

export interface TreeItem extends StatementOrder {
  readonly owner: NodeId;
  readonly part: number;
}

const EMPTY = new Uint8Array(FINGERPRINT_BYTES);
const EMPTY_BLOCK = new Uint8Array(BLOCK_BYTES);

/** The leaf of an owner: 0 to 4,095, the same on every node. */
function leafOf(owner: NodeId): number {
  return hash32(owner) >>> (32 - 4 * LEAF_LEVEL);
}

export class FingerprintTree<Item extends TreeItem> {
  /** Items of each leaf in use, by owner, then part. */
  readonly #leaves = new Map<number, Item[]>();
  /** For each level, the blocks of the inner nodes that have anything below them. */
  readonly #blocks: Map<number, Uint8Array>[] = Array.from({ length: LEAF_LEVEL }, () => new Map());
  readonly #stale = new Set<number>();
  #root: Uint8Array = EMPTY;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** Puts the item in the place of what stood at its owner and part. */
  put(item: Item): void {
    const leaf = leafOf(item.owner);
    const items = this.#leaves.get(leaf) ?? [];
    const at = items.findIndex((other) => comparePlace(other, item) >= 0);
    const found = at < 0 ? undefined : items[at];
    if (found !== undefined && comparePlace(found, item) === 0) items[at] = item;
    else {
      items.splice(at < 0 ? items.length : at, 0, item);
      this.#size += 1;
    }
    this.#leaves.set(leaf, items);
    this.#stale.add(leaf);
  }

  remove(item: TreeItem): void {
    const leaf = leafOf(item.owner);
    const items = this.#leaves.get(leaf);
    const at = items?.findIndex((other) => comparePlace(other, item) === 0) ?? -1;
    if (items === undefined || at < 0) return;
    items.splice(at, 1);
    if (items.length === 0) this.#leaves.delete(leaf);
    this.#size -= 1;
    this.#stale.add(leaf);
  }

  root(): Uint8Array {
    this.#refresh();
    return this.#root;
  }

  /** The children's fingerprints of inner node `prefix` at `level` (0 to 2). Not to be written to. */
  block(level: number, prefix: number): Uint8Array {
    this.#refresh();
    return this.#blocks[level]?.get(prefix) ?? EMPTY_BLOCK;
  }

  /** Everything below node `prefix` at `level` (3: one leaf), in fixed order. */
  *itemsUnder(level: number, prefix: number): IterableIterator<Item> {
    const span = FANOUT ** (LEAF_LEVEL - level);
    const first = prefix * span;
    for (let leaf = first; leaf < first + span; leaf += 1) {
      const items = this.#leaves.get(leaf);
      if (items !== undefined) yield* items;
    }
  }

  /** True if more than `limit` items lie below. */
  hasMoreThan(level: number, prefix: number, limit: number): boolean {
    if (this.#size <= limit) return false;
    const span = FANOUT ** (LEAF_LEVEL - level);
    let count = 0;
    for (let leaf = prefix * span; leaf < (prefix + 1) * span; leaf += 1) {
      count += this.#leaves.get(leaf)?.length ?? 0;
      if (count > limit) return true;
    }
    return false;
  }

  #refresh(): void {
    if (this.#stale.size === 0) return;
    let changed = new Map<number, Uint8Array>();
    for (const leaf of this.#stale) changed.set(leaf, leafFingerprint(this.#leaves.get(leaf)));
    this.#stale.clear();
    for (let level = LEAF_LEVEL - 1; level >= 0; level -= 1) {
      changed = this.#refreshLevel(level, changed);
    }
    this.#root = changed.get(0) ?? this.#root;
  }

  /** Writes children's fingerprints into the blocks of one level; gives these blocks' own. */
  #refreshLevel(level: number, children: Map<number, Uint8Array>): Map<number, Uint8Array> {
    const blocks = this.#blocks[level] as Map<number, Uint8Array>;
    const touched = new Set<number>();
    for (const [child, fingerprint] of children) {
      const prefix = Math.floor(child / FANOUT);
      const block = blocks.get(prefix) ?? new Uint8Array(BLOCK_BYTES);
      block.set(fingerprint, (child % FANOUT) * FINGERPRINT_BYTES);
      blocks.set(prefix, block);
      touched.add(prefix);
    }
    const own = new Map<number, Uint8Array>();
    for (const prefix of touched) {
      const block = blocks.get(prefix) as Uint8Array;
      const isEmpty = block.every((byte) => byte === 0);
      if (isEmpty) blocks.delete(prefix);
      own.set(prefix, isEmpty ? EMPTY : fingerprintOf(block));
    }
    return own;
  }
}

function comparePlace(one: TreeItem, other: TreeItem): number {
  if (one.owner !== other.owner) return one.owner < other.owner ? -1 : 1;
  return one.part - other.part;
}

/** The hash of a message covers its owner, part, epoch and seq, so the hashes say it all. */
function leafFingerprint(items: readonly TreeItem[] | undefined): Uint8Array {
  if (items === undefined) return EMPTY;
  const bytes = new Uint8Array(items.length * FINGERPRINT_BYTES);
  for (const [at, item] of items.entries()) bytes.set(fromHex(item.hash), at * FINGERPRINT_BYTES);
  return fingerprintOf(bytes);
}

function fingerprintOf(bytes: Uint8Array): Uint8Array {
  return sha256(bytes).subarray(0, FINGERPRINT_BYTES);
}

export function fromHex(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length / 2);
  for (let at = 0; at < bytes.length; at += 1) {
    bytes[at] = Number.parseInt(text.slice(2 * at, 2 * at + 2), 16);
  }
  return bytes;
}
