/** A clock that moves only when a test moves it. */
import type { Clock, Timer } from "../../core/seams.ts";
import type { Millis, WallMillis } from "../../core/types.ts";

export class VirtualClock implements Clock {
  #now = 1_000;
  readonly #timers = new Set<{ when: number; callback: () => void }>();

  now(): Millis {
    return this.#now as Millis;
  }

  wall(): WallMillis {
    return (1_700_000_000_000 + this.#now) as WallMillis;
  }

  at(when: Millis, callback: () => void): Timer {
    const timer = { when, callback };
    this.#timers.add(timer);
    return { cancel: () => this.#timers.delete(timer) };
  }

  get pending(): number {
    return this.#timers.size;
  }

  /** Runs what is due within `byMs`, in order, and lets promises settle after each. */
  async advance(byMs: number): Promise<void> {
    const until = this.#now + byMs;
    await settle();
    for (;;) {
      const due = [...this.#timers].filter((timer) => timer.when <= until);
      const next = due.sort((left, right) => left.when - right.when)[0];
      if (next === undefined) break;
      this.#timers.delete(next);
      this.#now = Math.max(this.#now, next.when);
      next.callback();
      await settle();
    }
    this.#now = until;
  }
}

/** Lets promises and immediates that are due run. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 3; turn += 1) {
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
}
