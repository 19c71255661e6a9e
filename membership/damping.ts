/**
 * How soon a member contradicts what is said against it. The first time at once. One that is
 * accused again and again (80% loss, a link that works one way, a processor that others keep busy)
 * waits first until its own probes have been answered for a while without a break, longer each
 * time: so it stays dead for all until its network is well, instead of coming and going for ever,
 * and is back soon after. The owner damps itself because only the owner raises its incarnation:
 * everybody else then agrees without a rule of their own. A member whose probes are answered
 * contradicts suspicions at once, and deaths after a short rest at most, so that a sick or lying
 * observer cannot hold a healthy member down.
 */
import type { Millis } from "../core/types.ts";

/** The score halves in this time (ringpop: 5 min). */
const HALF_LIFE_MS = 300_000;
/**
 * What is said against a member counts so much; a score of less than one above FREE is refuted at
 * once. Over a bad network little of what is said gets here, so that few words must be enough.
 */
const WEIGHTS = { suspect: 0.5, dead: 1, forgotten: 1 } as const;
const FREE = 1;
const SOUND_MS_FIRST = 1_000;
const SOUND_MS_MIN = 2_000;
const SOUND_MS_MAX = 32_000;

export class Damping {
  #score = 0;
  #scoredAt = 0 as Millis;

  /**
   * Counts one accusation and gives for how long this member's probes must have been answered
   * before it is refuted.
   */
  soundMs(verdict: keyof typeof WEIGHTS, now: Millis): number {
    const decay = 0.5 ** ((now - this.#scoredAt) / HALF_LIFE_MS);
    this.#score = this.#score * decay + WEIGHTS[verdict];
    this.#scoredAt = now;
    const beyond = Math.floor(this.#score - FREE);
    if (beyond <= 0) return 0;
    const wantedMs = SOUND_MS_FIRST * 2 ** (beyond - 1);
    return Math.min(SOUND_MS_MAX, Math.max(SOUND_MS_MIN, wantedMs));
  }
}
