/**
 * Everything that a node's directory stores, as a tree of fingerprints, so that two nodes find out
 * with 16 bytes that they hold the same, and with a few kilobytes where they do not. Owners fall
 * into 4,096 leaves by hash; each inner node has 16 children. A fingerprint is the truncated
 * SHA-256 of what lies below in fixed order, never a sum, so that nobody can craft documents that
 * cancel out; it is worked out when somebody asks.
 *
 * Nodes are never written to: a change makes new ones along its path and shares the rest. Each
 * remembers the last change made to it, so that trees which are one and then take in the same
 * statements stay one, as those of ten thousand simulated nodes do.
 */
import { hash32 } from "../core/hash.ts";
import { sha256 } from "../core/trust/sha256.ts";
import type { NodeId } from "../core/types.ts";
import { OwnerRecord } from "./directory-owner.ts";
import type { Statement, StatementOrder } from "./document-codec.ts";

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

/** Puts a statement in the place of what stood there, or takes away what stands there. */
interface Change {
  readonly statement: Statement;
  readonly isRemoval: boolean;
}

interface TreeNode {
  readonly owners: number;
  readonly statements: number;
  readonly bytes: number;
  fingerprint(): Uint8Array;
  with(change: Change, leaf: number): TreeNode;
  find(owner: NodeId, leaf: number): OwnerRecord | undefined;
  /** Adds the records below, in order. */
  collect(into: OwnerRecord[]): void;
}

const EMPTY = new Uint8Array(FINGERPRINT_BYTES);
const EMPTY_BLOCK = new Uint8Array(BLOCK_BYTES);

class Leaf implements TreeNode {
  /** In the order of their owners. */
  readonly #records: readonly OwnerRecord[];
  readonly statements: number;
  readonly bytes: number;
  #fingerprint: Uint8Array | undefined;
  #last: { readonly change: Change; readonly result: Leaf } | undefined;

  constructor(records: readonly OwnerRecord[]) {
    this.#records = records;
    let [statements, bytes] = [0, 0];
    for (const record of records) {
      statements += record.parts.length;
      for (const { message } of record.parts) bytes += message.length;
    }
    this.statements = statements;
    this.bytes = bytes;
  }

  get owners(): number {
    return this.#records.length;
  }

  fingerprint(): Uint8Array {
    this.#fingerprint ??= this.#records.length === 0 ? EMPTY : leafFingerprint(this);
    return this.#fingerprint;
  }

  find(owner: NodeId): OwnerRecord | undefined {
    for (const record of this.#records) if (record.owner === owner) return record;
    return undefined;
  }

  collect(into: OwnerRecord[]): void {
    for (const record of this.#records) into.push(record);
  }

  with(change: Change): Leaf {
    const last = this.#last;
    if (last !== undefined && isSameChange(last.change, change)) return last.result;
    const result = this.#changed(change);
    this.#last = { change, result };
    return result;
  }

  #changed({ statement, isRemoval }: Change): Leaf {
    const { owner, part } = statement;
    const before = this.find(owner) ?? new OwnerRecord(owner, [], undefined);
    const after = isRemoval ? before.without(part) : before.with(statement);
    const others = this.#records.filter((record) => record !== before);
    if (after.parts.length === 0) return new Leaf(others);
    const at = others.findIndex((record) => record.owner > owner);
    return new Leaf(others.toSpliced(at < 0 ? others.length : at, 0, after));
  }
}

const EMPTY_LEAF = new Leaf([]);

class Inner implements TreeNode {
  readonly #level: number;
  readonly #children: readonly TreeNode[];
  readonly owners: number;
  readonly statements: number;
  readonly bytes: number;
  #block: Uint8Array | undefined;
  #fingerprint: Uint8Array | undefined;
  #last: { readonly child: TreeNode; readonly index: number; readonly result: Inner } | undefined;

  constructor(level: number, children: readonly TreeNode[]) {
    this.#level = level;
    this.#children = children;
    let [owners, statements, bytes] = [0, 0, 0];
    for (const child of children) {
      owners += child.owners;
      statements += child.statements;
      bytes += child.bytes;
    }
    this.owners = owners;
    this.statements = statements;
    this.bytes = bytes;
  }

  /** The children's fingerprints, one after the other. */
  block(): Uint8Array {
    if (this.statements === 0) return EMPTY_BLOCK;
    if (this.#block === undefined) {
      this.#block = new Uint8Array(BLOCK_BYTES);
      for (const [index, child] of this.#children.entries()) {
        this.#block.set(child.fingerprint(), index * FINGERPRINT_BYTES);
      }
    }
    return this.#block;
  }

  fingerprint(): Uint8Array {
    this.#fingerprint ??= this.statements === 0 ? EMPTY : fingerprintOf(this.block());
    return this.#fingerprint;
  }

  child(index: number): TreeNode {
    return this.#children[index] as TreeNode;
  }

  find(owner: NodeId, leaf: number): OwnerRecord | undefined {
    return this.child(this.#indexOf(leaf)).find(owner, leaf);
  }

  collect(into: OwnerRecord[]): void {
    for (const child of this.#children) if (child.statements > 0) child.collect(into);
  }

  with(change: Change, leaf: number): Inner {
    const index = this.#indexOf(leaf);
    const before = this.child(index);
    const child = before.with(change, leaf);
    if (child === before) return this;
    const last = this.#last;
    if (last !== undefined && last.child === child && last.index === index) return last.result;
    const result = new Inner(this.#level, this.#children.with(index, child));
    this.#last = { child, index, result };
    return result;
  }

  #indexOf(leaf: number): number {
    return (leaf >>> (4 * (LEAF_LEVEL - 1 - this.#level))) % FANOUT;
  }
}

const EMPTY_TREES: readonly TreeNode[] = emptyTrees();
const EMPTY_TREE = EMPTY_TREES[0] as Inner;

export class FingerprintTree {
  #root: Inner;

  constructor(root: Inner = EMPTY_TREE) {
    this.#root = root;
  }

  /** A tree of its own with the same content; the two share it. */
  fork(): FingerprintTree {
    return new FingerprintTree(this.#root);
  }

  /** Statements. */
  get size(): number {
    return this.#root.statements;
  }

  get owners(): number {
    return this.#root.owners;
  }

  /** Of all messages together. */
  get bytes(): number {
    return this.#root.bytes;
  }

  get(owner: NodeId): OwnerRecord | undefined {
    return this.#root.find(owner, leafOf(owner));
  }

  /** All owners' records as they are now, whatever changes meanwhile. */
  records(): readonly OwnerRecord[] {
    return recordsOf(this.#root);
  }

  /** Puts the statement in the place of what stood at its owner and part. */
  put(statement: Statement): void {
    this.#root = this.#root.with({ statement, isRemoval: false }, leafOf(statement.owner));
  }

  remove(statement: Statement): void {
    if (this.get(statement.owner)?.part(statement.part) === undefined) return;
    this.#root = this.#root.with({ statement, isRemoval: true }, leafOf(statement.owner));
  }

  root(): Uint8Array {
    return this.#root.fingerprint();
  }

  /** The children's fingerprints of inner node `prefix` at `level` (0 to 2). Not to be written to. */
  block(level: number, prefix: number): Uint8Array {
    return (this.#at(level, prefix) as Inner).block();
  }

  /** Everything below node `prefix` at `level` (3: one leaf), in fixed order. */
  itemsUnder(level: number, prefix: number): Statement[] {
    return recordsOf(this.#at(level, prefix)).flatMap(({ parts }) => parts);
  }

  /** True if more than `limit` items lie below. */
  hasMoreThan(level: number, prefix: number, limit: number): boolean {
    return this.#at(level, prefix).statements > limit;
  }

  #at(level: number, prefix: number): TreeNode {
    let node: TreeNode = this.#root;
    for (let above = level - 1; above >= 0; above -= 1) {
      node = (node as Inner).child((prefix >>> (4 * above)) % FANOUT);
    }
    return node;
  }
}

/** The leaf of an owner: 0 to 4,095, the same on every node. */
function leafOf(owner: NodeId): number {
  return hash32(owner) >>> (32 - 4 * LEAF_LEVEL);
}

/** One empty node for each level. */
function emptyTrees(): TreeNode[] {
  const nodes: TreeNode[] = [EMPTY_LEAF];
  for (let level = LEAF_LEVEL - 1; level >= 0; level -= 1) {
    const below = nodes[0] as TreeNode;
    nodes.unshift(
      new Inner(
        level,
        Array.from({ length: FANOUT }, () => below),
      ),
    );
  }
  return nodes;
}

function recordsOf(node: TreeNode): OwnerRecord[] {
  const records: OwnerRecord[] = [];
  node.collect(records);
  return records;
}

function isSameChange(one: Change, other: Change): boolean {
  return one.statement === other.statement && one.isRemoval === other.isRemoval;
}

/** The hash of a message covers its owner, part, epoch and seq, so the hashes say it all. */
function leafFingerprint(leaf: Leaf): Uint8Array {
  const bytes = new Uint8Array(leaf.statements * FINGERPRINT_BYTES);
  let at = 0;
  for (const { parts } of recordsOf(leaf)) {
    for (const { hash } of parts) {
      bytes.set(fromHex(hash), at);
      at += FINGERPRINT_BYTES;
    }
  }
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
