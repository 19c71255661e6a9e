/**
 * The last decision records of this agent, newest over oldest. Adding is one store into an array,
 * because it happens for every request; looking one up scans, because that happens when a person
 * asks.
 */
import { assert } from "./assert.ts";
import { RECORDS_MAX } from "./limits.ts";
import type { DecisionRecord } from "./record.ts";

export class Records {
  readonly #capacity: number;
  readonly #rows: DecisionRecord[] = [];
  #next = 0;

  /** Keeps `capacity` records, RECORDS_MAX by default. */
  constructor(capacity: number = RECORDS_MAX) {
    assert(capacity >= 1, "records: the capacity is at least one");
    this.#capacity = capacity;
  }

  add(record: DecisionRecord): void {
    this.#rows[this.#next] = record;
    this.#next = (this.#next + 1) % this.#capacity;
  }

  get(id: string): DecisionRecord | undefined {
    return this.#rows.find((record) => record.id === id);
  }

  /** The last `count` records, newest first. */
  last(count: number): DecisionRecord[] {
    const found: DecisionRecord[] = [];
    const held = this.#rows.length;
    for (let back = 1; back <= Math.min(count, held); back += 1) {
      found.push(this.#rows[(this.#next - back + held) % held] as DecisionRecord);
    }
    return found;
  }
}
