/**
 * How long an instance takes to answer, as one number per instance: the peak-sensitive moving
 * average of Finagle and linkerd. A latency above the estimate replaces it at once, one below draws
 * it down with the age of the estimate, and without news it sinks towards nothing, so that an
 * instance that was slow once is tried again.
 *
 * An instance that has never answered costs nothing while idle, so that a new one gets its first
 * request soon, but very much while that request is out, so that it does not get all of them.
 *
 * A failure counts as a slow answer, because one that fails fast would otherwise look like the best
 * of all and draw the traffic of the rest.
 *
 * The cost of one more request is the estimate times the requests in flight, itself included, the
 * latter in proportion to the instance's weight. Estimates below a floor count as the floor: on one
 * machine the differences down there are noise.
 */
import type { LatencyEstimate } from "../core/router/policy.ts";
import type { Millis } from "../core/types.ts";

export interface LatencyConfig {
  /** The time in which an estimate loses all but 1/e of its weight. linkerd takes 10 s. */
  readonly decayMs: number;
  /**
   * The same for an instance that has answered fewer than `coldAnswers` times. Code and connections
   * are cold then: a first answer that takes a hundred times as long as later ones says nothing.
   */
  readonly coldDecayMs: number;
  readonly coldAnswers: number;
  /** What a failure counts as, at least. */
  readonly failureMs: number;
  readonly floorMs: number;
  /** What an instance costs whose first request is still out. */
  readonly unansweredMs: number;
}

export const LATENCY_DEFAULTS: LatencyConfig = {
  decayMs: 2_500,
  coldDecayMs: 250,
  coldAnswers: 10,
  failureMs: 200,
  floorMs: 2,
  unansweredMs: 1_000,
};

export class PeakEwma implements LatencyEstimate {
  readonly #config: LatencyConfig;
  #estimateMs = 0;
  #stampedAt: Millis | undefined;
  #answers = 0;
  #inFlight = 0;

  constructor(config: LatencyConfig) {
    this.#config = config;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  start(): void {
    this.#inFlight += 1;
  }

  answered(latencyMs: number, now: Millis): void {
    if (this.#stampedAt === undefined || latencyMs >= this.#estimateMs) {
      this.#estimateMs = latencyMs;
    } else {
      const kept = this.#kept(now);
      this.#estimateMs = this.#estimateMs * kept + latencyMs * (1 - kept);
    }
    this.#stampedAt = now;
    this.#answers += 1;
  }

  failed(elapsedMs: number, now: Millis): void {
    this.answered(Math.max(elapsedMs, this.#config.failureMs), now);
  }

  end(): void {
    this.#inFlight -= 1;
  }

  costMs(share: number, now: Millis): number {
    if (this.#stampedAt === undefined) {
      return this.#inFlight === 0 ? 0 : this.#config.unansweredMs * (1 + this.#inFlight / share);
    }
    const latencyMs = Math.max(this.latencyMs(now), this.#config.floorMs);
    return latencyMs * (1 + this.#inFlight / share);
  }

  latencyMs(now: Millis): number {
    return this.#estimateMs * this.#kept(now);
  }

  #kept(now: Millis): number {
    const age = now - (this.#stampedAt ?? now);
    const { decayMs, coldDecayMs, coldAnswers } = this.#config;
    const inMs = this.#answers < coldAnswers ? coldDecayMs : decayMs;
    return age > 0 ? Math.exp(-age / inMs) : 1;
  }
}
