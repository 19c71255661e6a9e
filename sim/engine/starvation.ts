/**
 * A process on a machine whose processor others use up: it gets the processor only now and then, for
 * a short while, in which it can do only so much. Between two such slices nothing in it runs; what
 * arrives waits in its sockets and its timers expire. The waits are drawn from an exponential distribution, counted from a key, so
 * that two programs under the same key and shape starve at the same moments.
 */
import { drawExponential } from "./draws.ts";
import type { Lane, ResumeOrder } from "./lane.ts";
import type { World } from "./world.ts";

/** Names the draws of starvation: with the seed and the node they give its key. */
export const STARVATION = 0x57a2;

export interface Starvation {
  /** Mean of the time without the processor. */
  readonly blockMs: number;
  /** Length of a slice with it. */
  readonly runMs: number;
  /** What each event costs of a slice: what does not fit waits for the next one. */
  readonly costUs: number;
  /** What runs first in a slice. */
  readonly resume: ResumeOrder;
}

export class Starver {
  readonly #world: World;
  readonly #lane: Lane;
  readonly #key: number;
  readonly #shape: Starvation;
  readonly #onBlock: () => void;
  #blocks = 0;
  #isBlocking = false;
  #isOver = false;

  /** `onBlock` is called before the processor is taken away. */
  constructor(
    world: World,
    lane: Lane,
    key: number,
    shape: Starvation,
    onBlock: () => void = () => {},
  ) {
    this.#world = world;
    this.#lane = lane;
    this.#key = key;
    this.#shape = shape;
    this.#onBlock = onBlock;
    lane.costUs = shape.costUs;
    this.#block();
  }

  /** How often the processor was taken away. */
  get blocks(): number {
    return this.#blocks;
  }

  end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#lane.costUs = 0;
    this.#give();
  }

  #block(): void {
    if (this.#isOver || this.#lane.isOver) return;
    // Something else made it stand still: that ends by itself.
    if (this.#lane.isPaused) {
      this.#later(this.#shape.runMs * 1_000, () => this.#block());
      return;
    }
    this.#blocks += 1;
    this.#onBlock();
    this.#world.pause(this.#lane);
    const forUs = drawExponential(this.#key, this.#blocks, this.#shape.blockMs * 1_000);
    this.#isBlocking = true;
    this.#later(forUs, () => {
      this.#give();
      this.#later(this.#shape.runMs * 1_000, () => this.#block());
    });
  }

  #later(afterUs: number, callback: () => void): void {
    this.#world.plan(this.#world.now + afterUs, undefined, "fault", () => {
      if (!this.#isOver) callback();
    });
  }

  #give(): void {
    if (!this.#isBlocking) return;
    this.#isBlocking = false;
    if (!this.#lane.isOver) this.#world.resume(this.#lane, this.#shape.resume);
  }
}
