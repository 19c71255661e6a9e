/**
 * What is still to happen, earliest first. Events at one moment are ordered by a priority drawn
 * from the seed, so that different seeds explore different orders, and last by the sequence in
 * which they were planned. A cancelled event stays until its time and is then skipped.
 */
import type { Lane } from "./lane.ts";

/** What an event is, for the hash and for people. */
export const EVENT_KINDS = [
  "timer",
  "packet",
  "batch",
  "gossip",
  "dial",
  "connection",
  "drain",
  "application",
  "workload",
  "fault",
  "wake",
  "check",
] as const;
export type EventKind = (typeof EVENT_KINDS)[number];

export interface SimEvent {
  /** Microseconds since the world began. */
  readonly at: number;
  readonly priority: number;
  readonly order: number;
  readonly kind: EventKind;
  /** The process that it belongs to; undefined for the world itself. */
  readonly lane: Lane | undefined;
  /** A digest of what arrives, for the hash of the run. */
  readonly digest: number;
  /** Undefined once cancelled. */
  run: (() => void) | undefined;
}

export class Agenda {
  readonly #heap: SimEvent[] = [];

  get size(): number {
    return this.#heap.length;
  }

  peek(): SimEvent | undefined {
    return this.#heap[0];
  }

  add(event: SimEvent): void {
    const heap = this.#heap;
    let index = heap.length;
    heap.push(event);
    while (index > 0) {
      const parent = (index - 1) >> 1;
      const above = heap[parent] as SimEvent;
      if (!isBefore(event, above)) break;
      heap[index] = above;
      index = parent;
    }
    heap[index] = event;
  }

  take(): SimEvent | undefined {
    const heap = this.#heap;
    const top = heap[0];
    const last = heap.pop();
    if (top === undefined || last === undefined || heap.length === 0) return top;
    const size = heap.length;
    let index = 0;
    for (;;) {
      let child = index * 2 + 1;
      if (child >= size) break;
      let below = heap[child] as SimEvent;
      if (child + 1 < size) {
        const right = heap[child + 1] as SimEvent;
        if (isBefore(right, below)) {
          child += 1;
          below = right;
        }
      }
      if (!isBefore(below, last)) break;
      heap[index] = below;
      index = child;
    }
    heap[index] = last;
    return top;
  }
}

function isBefore(one: SimEvent, other: SimEvent): boolean {
  if (one.at !== other.at) return one.at < other.at;
  if (one.priority !== other.priority) return one.priority < other.priority;
  return one.order < other.order;
}
