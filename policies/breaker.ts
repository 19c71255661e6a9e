/**
 * The breaker between this agent and one instance: it stops sending to an instance that fails, and
 * finds out with few requests when it works again. It never changes the ring; the router merely
 * passes over instances whose breaker is open.
 *
 * Two signals trip it. Failures in a row find an instance that is gone: after FAILURES_IN_ROW, at
 * any rate of requests. The share of failures over the window finds one that fails often but not
 * always, which a row never sees; it needs SAMPLES_MIN answers, so that one failure of two says
 * nothing. What counts as a failure: evidence.ts.
 *
 * How long it stays open doubles with each trip that follows soon after the last one, with jitter
 * on top, so that many callers do not probe at the same moment.
 *
 * Soft evidence opens a breaker only while less than a fixed share of the service's instances is
 * ejected (one always may be): when what all instances depend on fails, they all answer 503, and
 * ejecting them all would add an outage of our own. Hard evidence has no such bound: where nobody
 * listens nothing is gained by trying.
 *
 * Defaults lean on those of linkerd (rows of 7, 1 s to 60 s, jitter 0.5, one request as a probe)
 * and Envoy (rows of 5, windows of 10 s).
 */
import type { Breaker, BreakerState, BreakerTicket, Evidence } from "../core/router/policy.ts";
import type { Random } from "../core/seams.ts";
import type { Millis } from "../core/types.ts";
import { Window } from "./window.ts";

export interface BreakerConfig {
  /** Failures in a row that trip it. */
  readonly failuresInRow: number;
  /** The window of the second signal: this many buckets of so many milliseconds. */
  readonly windowBuckets: number;
  readonly windowBucketMs: number;
  /** Answers in the window below which their failures say nothing. */
  readonly samplesMin: number;
  /** The share of failures that trips it, from 0 to 1. */
  readonly failureShare: number;
  readonly openBaseMs: number;
  readonly openMaxMs: number;
  /** Added to the open time: up to this share of it, by chance. */
  readonly openJitter: number;
  /** After so long without a trip the open time begins at its base again. */
  readonly forgiveMs: number;
  /** Attempts let through while half-open; all of them must succeed. */
  readonly probes: number;
  /** The share of a service's instances that soft evidence may eject. */
  readonly ejectedShareMax: number;
}

export const BREAKER_DEFAULTS: BreakerConfig = {
  failuresInRow: 5,
  windowBuckets: 10,
  windowBucketMs: 1_000,
  samplesMin: 20,
  failureShare: 0.5,
  openBaseMs: 1_000,
  openMaxMs: 30_000,
  openJitter: 0.5,
  forgiveMs: 60_000,
  probes: 2,
  ejectedShareMax: 0.5,
};

/** The breakers of one service, which share the bound on how many of them may be open. */
export class BreakerGroup {
  readonly #config: BreakerConfig;
  readonly #random: Random;
  #instances = 0;
  #ejected = 0;

  constructor(config: BreakerConfig, random: Random) {
    this.#config = config;
    this.#random = random;
  }

  resize(instances: number): void {
    this.#instances = instances;
  }

  create(): Breaker {
    return new InstanceBreaker(this.#config, this.#random, this);
  }

  /** Called by a breaker before it trips. */
  mayEject(evidence: Evidence): boolean {
    if (evidence === "hard" || this.#ejected === 0) return true;
    return this.#ejected + 1 <= this.#instances * this.#config.ejectedShareMax;
  }

  onEjected(): void {
    this.#ejected += 1;
  }

  onReturned(): void {
    this.#ejected -= 1;
  }
}

class InstanceBreaker implements Breaker {
  readonly #config: BreakerConfig;
  readonly #random: Random;
  readonly #group: BreakerGroup;
  /** First: answers of both kinds. Second: failures. */
  readonly #window: Window;
  #state: BreakerState = "closed";
  /** Counts transitions; evidence of attempts that began before the last one is void. */
  #generation: BreakerTicket = 0;
  #inRow = 0;
  #trips = 0;
  #trippedAt = Number.NEGATIVE_INFINITY;
  #openUntil = 0;
  #probesStarted = 0;
  #probesSucceeded = 0;
  #disposed = false;

  constructor(config: BreakerConfig, random: Random, group: BreakerGroup) {
    this.#config = config;
    this.#random = random;
    this.#group = group;
    this.#window = new Window(config.windowBuckets, config.windowBucketMs);
  }

  state(now: Millis): BreakerState {
    return this.#state === "open" && now >= this.#openUntil ? "half-open" : this.#state;
  }

  admits(now: Millis): boolean {
    if (this.#state === "closed") return true;
    if (this.#state === "open") return now >= this.#openUntil;
    return this.#probesStarted < this.#config.probes;
  }

  start(now: Millis): BreakerTicket {
    if (this.#state === "open" && now >= this.#openUntil) this.#halfOpen();
    if (this.#state === "half-open") this.#probesStarted += 1;
    return this.#generation;
  }

  succeed(ticket: BreakerTicket, now: Millis): void {
    if (ticket !== this.#generation) return;
    if (this.#state === "closed") {
      this.#inRow = 0;
      this.#window.addFirst(now);
    } else if (this.#state === "half-open") {
      this.#probesSucceeded += 1;
      if (this.#probesSucceeded >= this.#config.probes) this.#close();
    }
  }

  fail(ticket: BreakerTicket, evidence: Evidence, now: Millis): void {
    if (ticket !== this.#generation || this.#state === "open") return;
    if (this.#state === "half-open") {
      this.#trip(now);
      return;
    }
    this.#inRow += 1;
    this.#window.addFirst(now);
    this.#window.addSecond(now);
    if (this.#isTripping(now) && this.#group.mayEject(evidence)) {
      if (!this.#disposed) this.#group.onEjected();
      this.#trip(now);
    }
  }

  abandon(ticket: BreakerTicket): void {
    if (ticket === this.#generation && this.#state === "half-open") this.#probesStarted -= 1;
  }

  dispose(): void {
    if (!this.#disposed && this.#state !== "closed") this.#group.onReturned();
    this.#disposed = true;
  }

  #isTripping(now: Millis): boolean {
    if (this.#inRow >= this.#config.failuresInRow) return true;
    const { windowBuckets, samplesMin, failureShare } = this.#config;
    const samples = this.#window.first(windowBuckets, now);
    const failures = this.#window.second(windowBuckets, now);
    return samples >= samplesMin && failures >= samples * failureShare;
  }

  /** (closed | half-open) => open */
  #trip(now: Millis): void {
    const { openBaseMs, openMaxMs, openJitter, forgiveMs } = this.#config;
    const isForgiven = this.#state === "closed" && now - this.#trippedAt > forgiveMs;
    this.#trips = isForgiven ? 1 : this.#trips + 1;
    const openMs = Math.min(openBaseMs * 2 ** Math.min(this.#trips - 1, 30), openMaxMs);
    this.#trippedAt = now;
    this.#openUntil = now + openMs * (1 + openJitter * this.#random.float());
    this.#enter("open");
  }

  /** open => half-open */
  #halfOpen(): void {
    this.#probesStarted = 0;
    this.#probesSucceeded = 0;
    this.#enter("half-open");
  }

  /** half-open => closed */
  #close(): void {
    if (!this.#disposed) this.#group.onReturned();
    this.#inRow = 0;
    this.#window.clear();
    this.#enter("closed");
  }

  #enter(state: BreakerState): void {
    this.#state = state;
    this.#generation += 1;
  }
}
