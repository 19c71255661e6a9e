/**
 * Random numbers that are counted, not drawn in turn: each is a pure function of a stream's key and
 * a counter. Dropping one message or one fault from a plan therefore leaves the fate of every other
 * one as it was, which is what makes it possible to shrink a failing plan.
 */
import { log2Fixed } from "../../core/ring/log2.ts";

const LOG2_UNIT = 2 ** 24;
/** ln(2) * 2^20. */
const LN2_FIXED = 726_817;

/** 32 bits from two numbers (the finaliser of MurmurHash3 over both). */
export function mix(key: number, value: number): number {
  let mixed = Math.imul(key ^ 0x9e3779b9, 0x85ebca6b) ^ Math.imul(value + 0x7f4a7c15, 0xc2b2ae35);
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}

/** A key for a stream of draws, from everything that names it. */
export function streamKey(seed: number, ...parts: readonly number[]): number {
  let key = seed >>> 0;
  for (const part of parts) key = mix(key, part);
  return key;
}

/** The n-th draw of a stream, in [0, 1). */
export function drawFloat(key: number, counter: number): number {
  return mix(key, counter) / 0x1_0000_0000;
}

/** The n-th draw of a stream: a whole number from 0 to bound - 1. */
export function drawBelow(key: number, counter: number, bound: number): number {
  return Math.floor(drawFloat(key, counter) * bound);
}

/** The n-th draw of an exponential distribution in whole numbers, with integer arithmetic alone. */
export function drawExponential(key: number, counter: number, mean: number): number {
  if (mean <= 0) return 0;
  const bits = 32 * LOG2_UNIT - log2Fixed(mix(key, counter) + 1);
  return Math.floor((bits * ((mean * LN2_FIXED) / 2 ** 20)) / LOG2_UNIT);
}

/** A sequence of draws for the making of plans, which happens before a run. */
export class Draws {
  readonly #key: number;
  #counter = 0;

  constructor(seed: number, ...parts: readonly number[]) {
    this.#key = streamKey(seed, ...parts);
  }

  float(): number {
    this.#counter += 1;
    return drawFloat(this.#key, this.#counter);
  }

  chance(probability: number): boolean {
    return this.float() < probability;
  }

  /** A whole number from `from` to `to`, both included. */
  between(from: number, to: number): number {
    return from + Math.floor(this.float() * (to - from + 1));
  }

  pick<Item>(items: readonly Item[]): Item {
    return items[this.between(0, items.length - 1)] as Item;
  }

  /** `count` different numbers below `bound`, in rising order. */
  distinct(count: number, bound: number): number[] {
    const all = Array.from({ length: bound }, (_, index) => index);
    const taken: number[] = [];
    for (let left = Math.min(count, bound); left > 0; left -= 1) {
      const at = this.between(0, all.length - 1);
      taken.push(all[at] as number);
      all[at] = all[all.length - 1] as number;
      all.pop();
    }
    return taken.sort((one, other) => one - other);
  }
}
