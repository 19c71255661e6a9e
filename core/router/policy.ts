/**
 * What the router asks of the policies, as interfaces: policies/ implements them, the assembly
 * hands them in. Each service has its own set, made when the router first meets the service and
 * dropped with it, and each instance its own breaker and latency estimate, dropped with the
 * instance: so the tables are bounded by what is registered. All of it is this node's own opinion
 * and never agreed with anybody.
 */

import type { GrapevineError } from "../errors.ts";
import type { ResponseHead } from "../exchange/contract.ts";
import type { Millis, ServiceKey } from "../types.ts";

export type BreakerState = "closed" | "open" | "half-open";

/**
 * What an attempt says against its instance. "hard": it could not be reached, so that leaving it in
 * use cannot help anybody. "soft": it was reached and did badly.
 */
export type Evidence = "hard" | "soft";

/** What an attempt holds of a breaker: evidence from before the last transition is void. */
export type BreakerTicket = number;

export interface Breaker {
  state(now: Millis): BreakerState;
  /** Whether an attempt may start now. */
  admits(now: Millis): boolean;
  /** An attempt starts; each ticket is handed back once by one of the three below. */
  start(now: Millis): BreakerTicket;
  succeed(ticket: BreakerTicket, now: Millis): void;
  fail(ticket: BreakerTicket, evidence: Evidence, now: Millis): void;
  /** The attempt ended without saying anything about the instance. */
  abandon(ticket: BreakerTicket): void;
  /** The instance is gone. */
  dispose(): void;
}

export interface LatencyEstimate {
  /** Attempts that have started and not ended. */
  readonly inFlight: number;
  start(): void;
  /** The response head came after so long. */
  answered(latencyMs: number, now: Millis): void;
  /** The attempt failed, or was given up, after so long without an answer. */
  failed(elapsedMs: number, now: Millis): void;
  end(): void;
  /** The expected cost of one more request, in milliseconds; `share` is its weight over the mean. */
  costMs(share: number, now: Millis): number;
  /** The present estimate of one request's latency, 0 before the first answer. */
  latencyMs(now: Millis): number;
}

/** Anything that two choices can be made between. */
export interface Choice {
  readonly breaker: Breaker;
  readonly latency: LatencyEstimate;
  readonly share: number;
}

/** A failed attempt, and what is known of its request. */
export interface RetryQuestion {
  readonly error: GrapevineError;
  /** Attempts made so far. */
  readonly attempts: number;
  /** Whether running it twice does no harm, and its body is small enough. */
  readonly idempotent: boolean;
  /** Whether all of the body that was sent so far can be sent again. */
  readonly bodyKept: boolean;
  readonly headForwarded: boolean;
  readonly deadlineLeftMs: number | undefined;
}

export type RetryDecision =
  | { readonly repeat: true; readonly delayMs: number }
  | { readonly repeat: false; readonly why: string };

export interface Retries {
  /** A request has come: it earns budget for repeats. */
  deposit(now: Millis): void;
  /** Why the attempt must not be repeated whatever the candidates; undefined if it may. */
  obstacle(question: RetryQuestion): string | undefined;
  /**
   * Takes a repeat out of the budget, for a question without an obstacle. `sameInstance`: the best
   * candidate left is one that has failed this request before.
   */
  take(question: RetryQuestion, sameInstance: boolean, now: Millis): RetryDecision;
  /** Repeats left in the budget. */
  tokens(now: Millis): number;
}

export interface ServicePolicies {
  readonly retries: Retries;
  createBreaker(): Breaker;
  createLatency(): LatencyEstimate;
  /** How many instances the service has, by which the share of ejected ones is bounded. */
  resize(instances: number): void;
}

export interface RoutingPolicies {
  createService(service: ServiceKey): ServicePolicies;
  /** The better of two candidates that were drawn by chance. */
  choose<Candidate extends Choice>(first: Candidate, second: Candidate, now: Millis): Candidate;
  /** What a failure says against the instance; undefined if nothing. */
  judgeError(error: GrapevineError): Evidence | undefined;
  judgeHead(head: ResponseHead): Evidence | undefined;
}
