/**
 * Who observes whom: each member is placed on K rings by a hash of its identity and the ring, and
 * is observed by its successor on each ring (the K-ring overlay of Rapid, USENIX ATC 2018). All
 * nodes with the same view compute the same overlay without a message. This node keeps only its
 * own neighbours: a newcomer costs K comparisons, and the loss of a neighbour a search on each ring
 * at the next refresh. In clusters of up to K + 1 everybody observes everybody.
 */
import type { Members } from "./members.ts";
import { placeOn } from "./ring-order.ts";

const NONE = -1;

export class Observers {
  readonly #members: Members;
  readonly #self: number;
  readonly #rings: number;
  /** Per ring: who this node observes (predecessor), and who observes it (successor). */
  readonly #predecessors: Int32Array;
  readonly #successors: Int32Array;
  #subjects: readonly number[] = [];
  #observers: readonly number[] = [];
  #isStale = true;
  #wasEverybody = true;
  #version = 0;

  constructor(members: Members, self: number, rings: number) {
    this.#members = members;
    this.#self = self;
    this.#rings = rings;
    this.#predecessors = new Int32Array(rings).fill(NONE);
    this.#successors = new Int32Array(rings).fill(NONE);
  }

  /** Grows whenever subjects() or observers() change. */
  get version(): number {
    return this.#version;
  }

  /** Members that this node probes, in slot order. */
  subjects(): readonly number[] {
    return this.#subjects;
  }

  /** Members that probe this node, in slot order. */
  observers(): readonly number[] {
    return this.#observers;
  }

  /** A member became present. */
  onPresent(slot: number): void {
    if (this.#isStale || slot === this.#self) return;
    if (this.#wasEverybody || this.#everybodyObserves()) {
      this.#isStale = true;
      return;
    }
    if (this.#place(slot)) this.#collect();
  }

  /** A member is not present any more. */
  onAbsent(slot: number): void {
    this.#isStale ||=
      this.#everybodyObserves() ||
      this.#predecessors.includes(slot) ||
      this.#successors.includes(slot);
  }

  /** Looks for new neighbours if one was lost. */
  refresh(): void {
    if (!this.#isStale) return;
    this.#isStale = false;
    this.#wasEverybody = this.#everybodyObserves();
    if (this.#wasEverybody) {
      const others = [...this.#members.slots()].filter(
        (slot) => slot !== this.#self && this.#members.isPresent(slot),
      );
      this.#set(others, others);
      return;
    }
    const { registry } = this.#members;
    const fits = (slot: number) => slot !== this.#self && this.#members.isPresent(slot);
    for (let ring = 0; ring < this.#rings; ring += 1) {
      const place = placeOn(registry.hashOf(this.#self), ring);
      this.#predecessors[ring] = registry.ring(ring).before(place, fits) ?? NONE;
      this.#successors[ring] = registry.ring(ring).after(place, fits) ?? NONE;
    }
    this.#collect();
  }

  /** The table was replaced as a whole. */
  onReplaced(): void {
    this.#isStale = true;
  }

  /** The members that observe `subject`, by this node's view. */
  observersOf(subject: number): readonly number[] {
    const present = (slot: number) => slot !== subject && this.#members.isPresent(slot);
    if (this.#everybodyObserves()) return [...this.#members.slots()].filter(present);
    const { registry } = this.#members;
    const found = new Int32Array(this.#rings);
    for (let ring = 0; ring < this.#rings; ring += 1) {
      const place = placeOn(registry.hashOf(subject), ring);
      found[ring] = registry.ring(ring).after(place, present) ?? NONE;
    }
    return distinct(found);
  }

  #everybodyObserves(): boolean {
    return this.#members.present <= this.#rings + 2;
  }

  /** Offers a member to every ring; true if it became a neighbour on one. */
  #place(slot: number): boolean {
    let isNeighbour = false;
    for (let ring = 0; ring < this.#rings; ring += 1) {
      const before = this.#predecessors[ring] as number;
      if (
        before === NONE ||
        this.#gap(slot, this.#self, ring) < this.#gap(before, this.#self, ring)
      ) {
        this.#predecessors[ring] = slot;
        isNeighbour = true;
      }
      const after = this.#successors[ring] as number;
      if (
        after === NONE ||
        this.#gap(this.#self, slot, ring) < this.#gap(this.#self, after, ring)
      ) {
        this.#successors[ring] = slot;
        isNeighbour = true;
      }
    }
    return isNeighbour;
  }

  #collect(): void {
    this.#set(distinct(this.#predecessors), distinct(this.#successors));
  }

  #set(subjects: readonly number[], observers: readonly number[]): void {
    this.#subjects = subjects;
    this.#observers = observers;
    this.#version += 1;
  }

  /** How far `to` lies behind `from` on a ring: 1 to 2^32, so that equal places are far apart. */
  #gap(from: number, to: number, ring: number): number {
    const { registry } = this.#members;
    const start = placeOn(registry.hashOf(from), ring);
    const end = placeOn(registry.hashOf(to), ring);
    return ((end - start - 1) >>> 0) + 1;
  }
}

function distinct(slots: Int32Array): readonly number[] {
  return [...new Set(slots)].filter((slot) => slot !== NONE).sort((left, right) => left - right);
}
