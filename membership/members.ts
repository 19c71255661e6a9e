/**
 * The member table: for each member the newest statement it made and the gravest accusation that
 * stands against it. Both are maxima of a total order, so tables that heard the same records are
 * equal, in whatever order they heard them. From the two follows the rank: the accusation counts
 * while the statement is not from a later life. On top lies what only this node believes for now
 * (a doubt, or a verdict passed while it heard nobody); that is shown, but never told.
 *
 * Rows are typed arrays indexed by registry slots: 13 bytes a member, and a map entry for the few
 * that are accused.
 */
import { MEMBERS_MAX } from "../core/limits.ts";
import type { Random } from "../core/seams.ts";
import type { MemberState, Millis, NodeId } from "../core/types.ts";
import { BUCKETS } from "./packets.ts";
import {
  type Accusation,
  compareAccusations,
  compareLives,
  compareStatements,
  type Life,
  type SignedRecord,
  type Statement,
} from "./records.ts";
import type { Registry } from "./registry.ts";

export const ABSENT = 0;
export const ALIVE = 1;
export const SUSPECT = 2;
export const DEAD = 3;
export const LEFT = 4;
export const FORGOTTEN = 5;
export type Rank = 0 | 1 | 2 | 3 | 4 | 5;

const STATES: readonly (MemberState | undefined)[] = [
  undefined,
  "alive",
  "suspect",
  "dead",
  "left",
  undefined,
];
/** In #told beside the rank: the row counts in its bucket's digest. */
const COUNTED = 8;
const RANK_MASK = 7;
const VERDICT_RANKS = { suspect: SUSPECT, dead: DEAD, forgotten: FORGOTTEN } as const;

/** `since` is kept in tenths of a second, so that 32 bits last for 13 years. */
const SINCE_UNIT_MS = 100;
/** Rows of members that left or were forgotten are told to others for an hour and kept for a day. */
const TOLD_MS = 3_600_000;
const KEPT_MS = 24 * TOLD_MS;
/** Random draws before a rare kind of member counts as not found. */
const DRAWS_MAX = 24;

export interface Change {
  readonly slot: number;
  readonly before: Rank;
  readonly after: Rank;
  readonly record: SignedRecord;
  /** The statement that `record` replaced. */
  readonly replaced: Statement | undefined;
}

interface Departure {
  readonly slot: number;
  readonly at: Millis;
}

export class Members {
  readonly registry: Registry;
  readonly buckets = new Uint32Array(BUCKETS);
  readonly #startedAt: Millis;
  readonly #counts = new Uint32Array(6);
  /** What is shown, and what the records alone say. */
  #shown = new Uint8Array(64);
  #told = new Uint8Array(64);
  #since = new Uint32Array(64);
  readonly #statements: (Statement | undefined)[] = [];
  readonly #accusations = new Map<number, Accusation>();
  readonly #leaving: Departure[] = [];
  readonly #faded: Departure[] = [];
  readonly #dead: number[] = [];
  #rows = 0;
  #dropped = 0;
  #version = 0;

  constructor(registry: Registry, startedAt: Millis) {
    this.registry = registry;
    this.#startedAt = startedAt;
  }

  /** Grows with each change of what is shown. */
  get version(): number {
    return this.#version;
  }

  /** Rows given up so far, long after their members left or to make room. */
  get dropped(): number {
    return this.#dropped;
  }

  count(rank: Rank): number {
    return this.#counts[rank] as number;
  }

  /** Members that take part: alive or suspect, this node among them. */
  get present(): number {
    return this.count(ALIVE) + this.count(SUSPECT);
  }

  slotOf(id: NodeId): number | undefined {
    const slot = this.registry.slotOf(id);
    return slot !== undefined && this.rank(slot) !== ABSENT ? slot : undefined;
  }

  rank(slot: number): Rank {
    return (this.#shown[slot] ?? ABSENT) as Rank;
  }

  isPresent(slot: number): boolean {
    const rank = this.rank(slot);
    return rank === ALIVE || rank === SUSPECT;
  }

  state(slot: number): MemberState | undefined {
    return STATES[this.rank(slot)];
  }

  since(slot: number): Millis {
    return (this.#startedAt + (this.#since[slot] ?? 0) * SINCE_UNIT_MS) as Millis;
  }

  statement(slot: number): Statement | undefined {
    return this.#statements[slot];
  }

  /** False in calm times: nobody is suspect, dead or forgotten by anybody's word. */
  get hasAccused(): boolean {
    return this.#accusations.size > 0;
  }

  /** The accusation that counts, if any. */
  accusation(slot: number): Accusation | undefined {
    return this.#accusations.get(slot);
  }

  /** The few rows against which something is said. */
  accused(): Iterable<readonly [number, Accusation]> {
    return this.#accusations;
  }

  life(slot: number): Life | undefined {
    return this.#accusations.get(slot) ?? this.#statements[slot];
  }

  /** True if both show the same of all members by the same statements; they share the registry. */
  isSameAs(other: Members): boolean {
    const { size } = this.registry;
    for (let slot = 0; slot < size; slot += 1) {
      if ((this.#shown[slot] ?? ABSENT) !== (other.#shown[slot] ?? ABSENT)) return false;
      if (this.#statements[slot] !== other.#statements[slot]) return false;
    }
    return true;
  }

  /** Takes over all rows of another table that shares the registry; this one must be new. */
  takeOver(other: Members, now: Millis): void {
    for (const slot of other.slots()) if (this.rank(slot) === ABSENT) this.registry.holdAgain(slot);
    this.#shown = other.#shown.slice();
    this.#told = other.#told.slice();
    this.#since = new Uint32Array(this.#shown.length).fill(this.#sinceUnits(now));
    this.#statements.splice(0, this.#statements.length, ...other.#statements);
    for (const [slot, accusation] of other.#accusations) this.#accusations.set(slot, accusation);
    this.#counts.set(other.#counts);
    this.buckets.set(other.buckets);
    this.#rows = other.#rows;
    this.#dead.push(...other.#dead);
    this.#version += 1;
  }

  /** True if the record would add to what is known; asked before its signature is judged. */
  isNews(record: SignedRecord): boolean {
    const slot = this.slotOf(record.subject);
    if (slot === undefined) return true;
    const statement = this.#statements[slot];
    if (record === statement) return false;
    if (record.kind === "statement") {
      return statement === undefined || compareStatements(record, statement) > 0;
    }
    const accusation = this.#accusations.get(slot);
    if (accusation !== undefined && compareAccusations(record, accusation) <= 0) return false;
    if (statement === undefined) return true;
    const order = compareLives(record, statement);
    if (order !== 0) return order > 0;
    return !statement.left || record.verdict === "forgotten";
  }

  /** Takes in an authentic record that is news; undefined if the table is full. */
  apply(record: SignedRecord, now: Millis): Change | undefined {
    let slot = this.slotOf(record.subject);
    if (slot === undefined) {
      if (this.#rows >= MEMBERS_MAX && !this.#evict()) return undefined;
      slot = this.#add(record.subject);
    }
    const before = this.rank(slot);
    const replaced = this.#statements[slot];
    this.#uncount(slot);
    if (record.kind === "statement") this.#statements[slot] = record;
    else this.#accusations.set(slot, record);
    const statement = this.#statements[slot];
    const accusation = this.#accusations.get(slot);
    if (statement !== undefined && accusation !== undefined) {
      if (isOverruled(accusation, statement)) this.#accusations.delete(slot);
    }
    const told = this.#rankTold(slot);
    this.#told[slot] = told;
    this.#count(slot);
    this.#show(slot, told, now);
    if (told >= LEFT && before < LEFT) this.#leaving.push({ slot, at: now });
    this.#version += 1;
    return { slot, before, after: told, record, replaced };
  }

  /** Shows a graver rank than the records say, or (undefined) what they say again. */
  showAs(slot: number, rank: Rank | undefined, now: Millis): void {
    const told = this.#toldRank(slot);
    this.#show(slot, rank === undefined || rank < told ? told : rank, now);
    this.#version += 1;
  }

  /**
   * The records of one member that others may be told. The accusation comes first, so that whoever
   * hears of the member for the first time never holds it alive in between.
   */
  recordsOf(slot: number): readonly SignedRecord[] {
    const records: SignedRecord[] = [];
    const statement = this.#statements[slot];
    const accusation = this.#accusations.get(slot);
    if (accusation !== undefined && accusation.verdict !== "suspect") records.push(accusation);
    if (statement !== undefined) records.push(statement);
    return records;
  }

  /** Slots whose digest counts, bucket by bucket as asked; walks the table, so only for a sync. */
  slotsIn(wanted: Uint8Array): number[] {
    const isWanted = new Uint8Array(BUCKETS);
    for (const bucket of wanted) isWanted[bucket] = 1;
    const slots: number[] = [];
    const size = Math.min(this.registry.size, this.#shown.length);
    for (let slot = 0; slot < size; slot += 1) {
      if (this.#isCounted(slot) && isWanted[this.bucketOf(slot)] === 1) slots.push(slot);
    }
    return slots.sort((left, right) => this.bucketOf(left) - this.bucketOf(right) || left - right);
  }

  bucketOf(slot: number): number {
    return this.registry.hashOf(slot) & (BUCKETS - 1);
  }

  /** All rows in slot order. For snapshots and for the overlay's rare full scan. */
  *slots(): Generator<number> {
    for (let slot = 0; slot < this.registry.size; slot += 1) {
      if (this.rank(slot) !== ABSENT) yield slot;
    }
  }

  /** A random member for which `fits` holds; undefined if a few draws find none. */
  draw(random: Random, fits: (slot: number) => boolean): number | undefined {
    for (let draws = 0; draws < DRAWS_MAX; draws += 1) {
      const slot = random.below(this.registry.size);
      if (this.rank(slot) !== ABSENT && fits(slot)) return slot;
    }
    return undefined;
  }

  /** A random dead member. */
  drawDead(random: Random): number | undefined {
    while (this.#dead.length > 0) {
      const at = random.below(this.#dead.length);
      const slot = this.#dead[at] as number;
      if (this.rank(slot) === DEAD) return slot;
      this.#dead[at] = this.#dead[this.#dead.length - 1] as number;
      this.#dead.pop();
    }
    return undefined;
  }

  /** Stops telling, then drops, rows of members that left long ago. Amortised O(1) per row. */
  expire(now: Millis): void {
    for (let head = this.#leaving[0]; head !== undefined; head = this.#leaving[0]) {
      if (now - head.at < TOLD_MS) break;
      this.#leaving.shift();
      if (!this.#isGoneFor(TOLD_MS, head.slot, now)) continue;
      this.#uncount(head.slot);
      this.#faded.push(head);
    }
    for (let head = this.#faded[0]; head !== undefined; head = this.#faded[0]) {
      if (now - head.at < KEPT_MS) break;
      this.#faded.shift();
      if (this.#isGoneFor(KEPT_MS, head.slot, now)) this.#remove(head.slot);
    }
  }

  #isGoneFor(ms: number, slot: number, now: Millis): boolean {
    return this.rank(slot) >= LEFT && now - this.since(slot) >= ms - SINCE_UNIT_MS;
  }

  #rankTold(slot: number): Rank {
    const accusation = this.#accusations.get(slot);
    if (accusation !== undefined) return VERDICT_RANKS[accusation.verdict];
    return this.#statements[slot]?.left === true ? LEFT : ALIVE;
  }

  #show(slot: number, rank: Rank, now: Millis): void {
    const before = this.rank(slot);
    if (before === rank) return;
    this.#counts[before] = (this.#counts[before] as number) - (before === ABSENT ? 0 : 1);
    this.#counts[rank] = (this.#counts[rank] as number) + 1;
    this.#shown[slot] = rank;
    this.#since[slot] = this.#sinceUnits(now);
    if (rank === DEAD && !this.#dead.includes(slot)) this.#dead.push(slot);
  }

  #sinceUnits(now: Millis): number {
    return Math.round((now - this.#startedAt) / SINCE_UNIT_MS);
  }

  #add(id: NodeId): number {
    const slot = this.registry.hold(id);
    if (slot >= this.#shown.length) {
      const size = Math.max(this.registry.size, this.#shown.length * 2);
      this.#shown = grown(this.#shown, new Uint8Array(size));
      this.#told = grown(this.#told, new Uint8Array(size));
      this.#since = grown(this.#since, new Uint32Array(size));
    }
    this.#statements[slot] = undefined;
    this.#rows += 1;
    return slot;
  }

  /** Makes room by dropping the row that has been dead or gone for longest. */
  #evict(): boolean {
    let oldest: number | undefined;
    for (const slot of this.slots()) {
      if (this.rank(slot) < DEAD) continue;
      if (oldest === undefined || this.since(slot) < this.since(oldest)) oldest = slot;
    }
    if (oldest === undefined) return false;
    this.#remove(oldest);
    return true;
  }

  #remove(slot: number): void {
    const rank = this.rank(slot);
    this.#uncount(slot);
    this.#counts[rank] = (this.#counts[rank] as number) - 1;
    this.#shown[slot] = ABSENT;
    this.#told[slot] = ABSENT;
    this.#statements[slot] = undefined;
    this.#accusations.delete(slot);
    this.registry.release(slot);
    this.#rows -= 1;
    this.#dropped += 1;
    this.#version += 1;
  }

  #toldRank(slot: number): Rank {
    return ((this.#told[slot] as number) & RANK_MASK) as Rank;
  }

  #isCounted(slot: number): boolean {
    return ((this.#told[slot] as number) & COUNTED) !== 0;
  }

  #count(slot: number): void {
    this.#addToBucket(slot, this.#digest(slot));
    this.#told[slot] = (this.#told[slot] as number) | COUNTED;
  }

  #uncount(slot: number): void {
    if (!this.#isCounted(slot)) return;
    this.#addToBucket(slot, -this.#digest(slot));
    this.#told[slot] = this.#toldRank(slot);
  }

  #addToBucket(slot: number, digest: number): void {
    const bucket = this.bucketOf(slot);
    this.buckets[bucket] = (this.buckets[bucket] as number) + digest;
  }

  /** Suspicions pass; they are left out of the digest, so that they cause no syncs. */
  #digest(slot: number): number {
    const life = this.life(slot) as Life;
    const told = this.#toldRank(slot);
    const rank = told === SUSPECT ? ALIVE : told;
    const nonce = this.#statements[slot]?.nonce ?? 0;
    let hash = this.registry.hashOf(slot);
    for (const part of [life.epoch, life.epoch / 0x1_0000_0000, life.incarnation, rank, nonce]) {
      hash = Math.imul(hash ^ Math.floor(part), 0x9e3779b1);
      hash ^= hash >>> 15;
      hash = Math.imul(hash, 0x85ebca6b);
      hash ^= hash >>> 13;
    }
    return hash;
  }
}

/** True if the statement is from a later life, or left in the same one. */
function isOverruled(accusation: Accusation, statement: Statement): boolean {
  const order = compareLives(accusation, statement);
  return order < 0 || (order === 0 && statement.left && accusation.verdict !== "forgotten");
}

function grown<Rows extends Uint8Array | Uint32Array>(from: Rows, to: Rows): Rows {
  to.set(from);
  return to;
}
