/**
 * Deadlines of many short-lived things for the price of one timer: a hashed timing wheel (Varghese
 * and Lauck 1987). Almost every entry is taken out long before it is due, so adding and removing are
 * a few assignments in lists that run through the entries themselves; what is due is found up to one
 * tick late.
 */
import type { Clock, Timer } from "../seams.ts";
import type { Millis } from "../types.ts";

export interface WheelEntry {
  dueAt: number;
  /** -1 while it is in no wheel. The wheel owns these three fields. */
  wheelSlot: number;
  wheelPrevious: WheelEntry | undefined;
  wheelNext: WheelEntry | undefined;
}

const TICK_MS = 20;
/** A power of two: 10 s in one turn, so that a usual deadline is looked at once. */
const SLOTS = 512;

export class TimingWheel<Entry extends WheelEntry> {
  readonly #clock: Clock;
  readonly #onDue: (entry: Entry) => void;
  readonly #heads: (WheelEntry | undefined)[] = new Array(SLOTS).fill(undefined);
  #size = 0;
  /** The last tick that was swept; its slot may hold more that is due later within it. */
  #tick = 0;
  #timer: Timer | undefined;
  #timerTick = Number.POSITIVE_INFINITY;

  constructor(clock: Clock, onDue: (entry: Entry) => void) {
    this.#clock = clock;
    this.#onDue = onDue;
  }

  get size(): number {
    return this.#size;
  }

  /** Calls back for `entry` at or soon after its `dueAt`, unless it is removed before. */
  add(entry: Entry, now: number): void {
    if (this.#size === 0) this.#tick = Math.max(this.#tick, Math.floor(now / TICK_MS));
    const tick = Math.max(this.#tick, Math.floor(entry.dueAt / TICK_MS));
    const slot = tick % SLOTS;
    const head = this.#heads[slot];
    entry.wheelSlot = slot;
    entry.wheelPrevious = undefined;
    entry.wheelNext = head;
    if (head !== undefined) head.wheelPrevious = entry;
    this.#heads[slot] = entry;
    this.#size += 1;
    if (tick + 1 < this.#timerTick) this.#arm(tick + 1);
  }

  remove(entry: Entry): void {
    const { wheelSlot: slot, wheelPrevious: previous, wheelNext: next } = entry;
    if (slot < 0) return;
    if (previous === undefined) this.#heads[slot] = next;
    else previous.wheelNext = next;
    if (next !== undefined) next.wheelPrevious = previous;
    entry.wheelSlot = -1;
    entry.wheelPrevious = undefined;
    entry.wheelNext = undefined;
    this.#size -= 1;
  }

  /** Forgets the timer; entries stay where they are and are never called back. */
  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #arm(tick: number): void {
    this.#timer?.cancel();
    this.#timerTick = tick;
    this.#timer = this.#clock.at((tick * TICK_MS) as Millis, () => this.#sweep());
  }

  #sweep(): void {
    const now = this.#clock.now();
    const tick = Math.floor(now / TICK_MS);
    const due: Entry[] = [];
    for (let at = Math.max(this.#tick, tick - SLOTS + 1); at <= tick; at += 1) {
      let entry = this.#heads[at % SLOTS];
      while (entry !== undefined) {
        const next = entry.wheelNext;
        if (entry.dueAt <= now) due.push(entry as Entry);
        entry = next;
      }
    }
    for (const entry of due) this.remove(entry);
    this.#tick = tick;
    this.#timer = undefined;
    this.#timerTick = Number.POSITIVE_INFINITY;
    if (this.#size > 0) this.#arm(this.#nextTick());
    due.sort((one, other) => one.dueAt - other.dueAt);
    for (const entry of due) this.#onDue(entry);
  }

  #nextTick(): number {
    for (let ahead = 0; ahead < SLOTS; ahead += 1) {
      if (this.#heads[(this.#tick + ahead) % SLOTS] !== undefined) return this.#tick + ahead + 1;
    }
    return this.#tick + SLOTS;
  }
}
