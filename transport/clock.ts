/**
 * The real clock behind the Clock seam: the process's monotonic clock, wall time and its timers.
 */
import type { Clock, Timer } from "../core/seams.ts";
import type { Millis, WallMillis } from "../core/types.ts";

/** Longest delay that setTimeout takes; farther deadlines are reached in several steps. */
const DELAY_MS_MAX = 2 ** 31 - 1;

export interface SystemClockOptions {
  /** True: a pending timer does not keep the process alive. Default false. */
  readonly unref?: boolean;
}

export class SystemClock implements Clock {
  readonly #unref: boolean;

  constructor(options: SystemClockOptions = {}) {
    this.#unref = options.unref ?? false;
  }

  now(): Millis {
    return performance.now() as Millis;
  }

  wall(): WallMillis {
    return Date.now() as WallMillis;
  }

  at(when: Millis, callback: () => void): Timer {
    return new SystemTimer(when, callback, this.#unref);
  }
}

/** Node's timers may fire up to a millisecond early; the seam promises "at or after". */
class SystemTimer implements Timer {
  readonly #when: number;
  readonly #callback: () => void;
  readonly #unref: boolean;
  #timeout: NodeJS.Timeout | undefined;
  #immediate: NodeJS.Immediate | undefined;

  constructor(when: number, callback: () => void, unref: boolean) {
    this.#when = when;
    this.#callback = callback;
    this.#unref = unref;
    this.#arm();
  }

  cancel(): void {
    clearTimeout(this.#timeout);
    clearImmediate(this.#immediate);
  }

  #arm(): void {
    const delay = this.#when - performance.now();
    if (delay <= 0) {
      this.#immediate = setImmediate(this.#callback);
      if (this.#unref) this.#immediate.unref();
      return;
    }
    const step = Math.min(Math.ceil(delay), DELAY_MS_MAX);
    this.#timeout = setTimeout(() => this.#onTimeout(), step);
    if (this.#unref) this.#timeout.unref();
  }

  #onTimeout(): void {
    if (performance.now() >= this.#when) this.#callback();
    else this.#arm();
  }
}
