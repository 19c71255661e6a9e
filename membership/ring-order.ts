/**
 * One ring of the observer overlay: all identities that a registry holds, in the order of their
 * places. Finding a neighbour is a binary search and a step over those who are absent. An identity
 * at the very place that is asked about counts as farthest away.
 */
const SIZE_MIN = 64;

/** An identity's place on a ring: MurmurHash3's finaliser over its hash and the ring's number. */
export function placeOn(hash: number, ring: number): number {
  let mixed = hash ^ Math.imul(ring + 1, 0x9e3779b1);
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}

export class RingOrder {
  readonly #placeOf: (slot: number) => number;
  #slots = new Int32Array(SIZE_MIN);
  #size = 0;

  constructor(placeOf: (slot: number) => number) {
    this.#placeOf = placeOf;
  }

  insert(slot: number): void {
    if (this.#size === this.#slots.length) {
      const larger = new Int32Array(this.#size * 2);
      larger.set(this.#slots);
      this.#slots = larger;
    }
    const at = this.#firstAbove(this.#placeOf(slot));
    this.#slots.copyWithin(at + 1, at, this.#size);
    this.#slots[at] = slot;
    this.#size += 1;
  }

  remove(slot: number): void {
    let at = this.#firstAbove(this.#placeOf(slot)) - 1;
    while (at >= 0 && this.#slots[at] !== slot) at -= 1;
    if (at < 0) return;
    this.#slots.copyWithin(at, at + 1, this.#size);
    this.#size -= 1;
  }

  /** The first slot behind `place`, all around the ring, for which `fits` holds. */
  after(place: number, fits: (slot: number) => boolean): number | undefined {
    const first = this.#firstAbove(place);
    for (let step = 0; step < this.#size; step += 1) {
      const slot = this.#slots[(first + step) % this.#size] as number;
      if (fits(slot)) return slot;
    }
    return undefined;
  }

  /** The last slot before `place`, all around the ring, for which `fits` holds. */
  before(place: number, fits: (slot: number) => boolean): number | undefined {
    let last = this.#firstAbove(place) - 1;
    while (last >= 0 && this.#placeOf(this.#slots[last] as number) === place) last -= 1;
    for (let step = 0; step < this.#size; step += 1) {
      const at = last - step;
      const slot = this.#slots[at < 0 ? at + this.#size : at] as number;
      if (fits(slot)) return slot;
    }
    return undefined;
  }

  /** Index of the first slot whose place is greater; the size if there is none. */
  #firstAbove(place: number): number {
    let low = 0;
    let high = this.#size;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#placeOf(this.#slots[middle] as number) > place) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}
