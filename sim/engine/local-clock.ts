/**
 * The clocks of one process: a monotonic one that may run a little fast or slow, and a wall clock
 * that may be wrong and may be set. Both derive from the world's time alone.
 */
import type { Clock, Timer } from "../../core/seams.ts";
import type { Millis, WallMillis } from "../../core/types.ts";
import type { Lane } from "./lane.ts";
import type { World } from "./world.ts";

/** When the world begins, by a wall clock that is right. */
export const WALL_START = 1_800_000_000_000;

/** What belongs to the machine and not to a process: it survives restarts. */
export interface MachineClock {
  /** How far the wall clock is ahead, in milliseconds. */
  offsetMs: number;
  /** How much faster it runs, in parts per million. */
  driftPpm: number;
}

export class LocalClock implements Clock {
  readonly #world: World;
  readonly #lane: Lane;
  readonly #machine: MachineClock;
  /** Its time is a straight line from this point on, until the rate changes. */
  #since: number;
  #sinceMs: number;
  #rate: number;

  /** `zeroMs`: what the monotonic clock shows when the process starts. */
  constructor(world: World, lane: Lane, machine: MachineClock, zeroMs: number) {
    this.#world = world;
    this.#lane = lane;
    this.#machine = machine;
    this.#since = world.now;
    this.#sinceMs = zeroMs;
    this.#rate = 1 + machine.driftPpm / 1_000_000;
  }

  now(): Millis {
    return this.#localAt(this.#world.now);
  }

  wall(): WallMillis {
    const right = WALL_START + this.#world.now / 1_000;
    return (right + this.#machine.offsetMs) as WallMillis;
  }

  at(when: Millis, callback: () => void): Timer {
    // A clock that runs slower since then has not come so far: the timer waits on.
    const run = () => {
      if (this.now() >= when) callback();
      else event = this.#world.plan(this.worldTimeOf(when), this.#lane, "timer", run);
    };
    let event = this.#world.plan(this.worldTimeOf(when), this.#lane, "timer", run);
    return {
      cancel: () => {
        event.run = undefined;
      },
    };
  }

  /** Runs so much faster from now on, in parts per million. */
  setRate(driftPpm: number): void {
    this.#sinceMs = this.now();
    this.#since = this.#world.now;
    this.#rate = 1 + driftPpm / 1_000_000;
  }

  /** The first microsecond of the world at which this clock shows `when` or more. */
  worldTimeOf(when: Millis): number {
    const elapsedUs = ((when - this.#sinceMs) * 1_000) / this.#rate;
    // What was before the last change of the rate is told nearly right.
    let at = Math.max(0, this.#since + Math.floor(elapsedUs));
    while (this.#localAt(at) < when) at += 1;
    return at;
  }

  #localAt(worldUs: number): Millis {
    return (this.#sinceMs + ((worldUs - this.#since) * this.#rate) / 1_000) as Millis;
  }
}
