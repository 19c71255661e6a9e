/**
 * When an owner may publish again. A change after quiet time goes out at once, and so do a few that
 * follow it closely, as when a host starts its services one after the other; whoever changes without
 * end is held to one publication per interval. The generic cell rate algorithm (ITU-T I.371): one
 * moment of time is the whole state.
 */
import type { Millis } from "../core/types.ts";

/** Publications that may follow each other closely after quiet time. */
const BURST = 5;
/** What changes within this is one publication. */
const GAP_MS = 50;

export class PublishPace {
  readonly #intervalMs: number;
  /** When the next publication would be due at the even pace. */
  #evenAt: Millis | undefined;
  #freeAt: Millis | undefined;

  constructor(intervalMs: number) {
    this.#intervalMs = intervalMs;
  }

  /** The first moment, from `now` on, at which publishing is allowed. */
  nextAfter(now: Millis): Millis {
    return this.#freeAt !== undefined && this.#freeAt > now ? this.#freeAt : now;
  }

  onPublish(now: Millis): void {
    const even = Math.max(this.#evenAt ?? now, now) + this.#intervalMs;
    this.#evenAt = even as Millis;
    this.#freeAt = Math.max(now + GAP_MS, even - (BURST - 1) * this.#intervalMs) as Millis;
  }
}
