/**
 * Two counts over the last stretch of time, kept in buckets: adding is one increment, old buckets
 * are cleared when time has passed over them. What "the last stretch" means is exact to one bucket,
 * and the caller says how many buckets to sum.
 */
import type { Millis } from "../core/types.ts";

export class Window {
  readonly #bucketMs: number;
  readonly #first: Float64Array;
  readonly #second: Float64Array;
  #newest = Number.NEGATIVE_INFINITY;

  constructor(buckets: number, bucketMs: number) {
    this.#bucketMs = bucketMs;
    this.#first = new Float64Array(buckets);
    this.#second = new Float64Array(buckets);
  }

  addFirst(now: Millis): void {
    const at = this.#advance(now);
    this.#first[at] = (this.#first[at] as number) + 1;
  }

  addSecond(now: Millis): void {
    const at = this.#advance(now);
    this.#second[at] = (this.#second[at] as number) + 1;
  }

  /** Sum of the newest `buckets` buckets, the one that is being filled included. */
  first(buckets: number, now: Millis): number {
    return this.#sum(this.#first, buckets, now);
  }

  second(buckets: number, now: Millis): number {
    return this.#sum(this.#second, buckets, now);
  }

  clear(): void {
    this.#first.fill(0);
    this.#second.fill(0);
  }

  #sum(counts: Float64Array, buckets: number, now: Millis): number {
    let at = this.#advance(now);
    let sum = 0;
    for (let taken = 0; taken < buckets; taken += 1) {
      sum += counts[at] as number;
      at = at === 0 ? counts.length - 1 : at - 1;
    }
    return sum;
  }

  /** Clears what has become too old and gives the place of the bucket that is being filled. */
  #advance(now: Millis): number {
    const length = this.#first.length;
    const newest = Math.max(Math.floor(now / this.#bucketMs), this.#newest);
    const passed = Math.min(newest - this.#newest, length);
    for (let back = 0; back < passed; back += 1) {
      const at = placeOf(newest - back, length);
      this.#first[at] = 0;
      this.#second[at] = 0;
    }
    this.#newest = newest;
    return placeOf(newest, length);
  }
}

function placeOf(bucket: number, length: number): number {
  return ((bucket % length) + length) % length;
}
