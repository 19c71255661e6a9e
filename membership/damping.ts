/**
 * How soon a member contradicts its own death. The first times at once; one that keeps being found
 * dead (80% loss, a link that works one way) waits longer each time, so that the view of all others
 * comes to rest. The owner damps itself because only the owner raises its incarnation: everybody
 * else then agrees without a rule of their own. Suspicions are always refuted at once, so that a
 * sick observer cannot hold a healthy member down.
 */
import type { Millis } from "../core/types.ts";

/** The score halves in this time (ringpop: 5 min). */
const HALF_LIFE_MS = 300_000;
/** Deaths that are refuted without a pause. */
const FREE_DEATHS = 3;
const PAUSE_MS_MIN = 2_000;
const PAUSE_MS_MAX = 120_000;

export class Damping {
  #score = 0;
  #scoredAt = 0 as Millis;

  /** Counts one death and gives the pause before it may be refuted. */
  pauseMs(now: Millis): number {
    this.#score = this.#score * 0.5 ** ((now - this.#scoredAt) / HALF_LIFE_MS) + 1;
    this.#scoredAt = now;
    const beyond = Math.floor(this.#score - FREE_DEATHS);
    if (beyond <= 0) return 0;
    return Math.min(PAUSE_MS_MAX, PAUSE_MS_MIN * 2 ** (beyond - 1));
  }
}
