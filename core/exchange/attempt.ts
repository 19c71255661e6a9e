/**
 * One attempt of a routed request at one instance: the observer that its backend talks to, its row
 * in the decision record, and its share in the instance's breaker and latency estimate. Whatever
 * way it ends, the breaker's ticket is handed back once and the instance's in-flight count falls by
 * one. Outside the mesh there is no target and nothing to account for.
 */
import type { GrapevineError } from "../errors.ts";
import type { AttemptRecord, Draft } from "../record.ts";
import type { BreakerTicket, RoutingPolicies } from "../router/policy.ts";
import type { Target } from "../router/services.ts";
import type { Millis } from "../types.ts";
import type { Exchange, ExchangeObserver, RawHeaders, ResponseHead } from "./contract.ts";

/** The request that makes the attempt; it is told only what the attempt it runs now reports. */
export interface AttemptOwner {
  onAttemptDrain(attempt: Attempt): void;
  onAttemptInformational(attempt: Attempt, head: ResponseHead): void;
  onAttemptHead(attempt: Attempt, head: ResponseHead): void;
  onAttemptBody(attempt: Attempt, chunk: Uint8Array): void;
  onAttemptEnd(attempt: Attempt, trailers: RawHeaders): void;
  onAttemptError(attempt: Attempt, error: GrapevineError): void;
}

/** A client that gives up sooner says nothing about the instance. */
const TELLING_WAIT_MS = 100;

export class Attempt implements ExchangeObserver {
  readonly row: Draft<AttemptRecord>;
  readonly target: Target | undefined;
  /** Set as soon as the backend has opened it. */
  exchange: Exchange | undefined;
  readonly #owner: AttemptOwner;
  readonly #policies: RoutingPolicies;
  readonly #startedAt: Millis;
  readonly #ticket: BreakerTicket;
  /** Whether the breaker has been told how it went. */
  #isJudged = false;
  #isOver = false;

  constructor(
    owner: AttemptOwner,
    policies: RoutingPolicies,
    target: Target | undefined,
    row: Draft<AttemptRecord>,
    now: Millis,
  ) {
    this.#owner = owner;
    this.#policies = policies;
    this.target = target;
    this.row = row;
    this.#startedAt = now;
    this.#ticket = target?.breaker.start(now) ?? 0;
    target?.latency.start();
  }

  onRequestDrain(): void {
    this.#owner.onAttemptDrain(this);
  }

  onInformational(head: ResponseHead): void {
    this.#owner.onAttemptInformational(this, head);
  }

  onHead(head: ResponseHead): void {
    this.#owner.onAttemptHead(this, head);
  }

  onBody(chunk: Uint8Array): void {
    this.#owner.onAttemptBody(this, chunk);
  }

  onEnd(trailers: RawHeaders): void {
    this.#owner.onAttemptEnd(this, trailers);
  }

  onError(error: GrapevineError): void {
    this.#owner.onAttemptError(this, error);
  }

  /** The response head is here: from this the instance is judged. */
  answered(head: ResponseHead, offsetMs: number, now: Millis): void {
    this.row.headMs = offsetMs;
    this.row.status = head.status;
    if (this.target === undefined) return;
    const { breaker, latency } = this.target;
    const elapsedMs = now - this.#startedAt;
    const evidence = this.#policies.judgeHead(head);
    this.#isJudged = true;
    if (evidence === undefined) {
      breaker.succeed(this.#ticket, now);
      latency.answered(elapsedMs, now);
    } else {
      breaker.fail(this.#ticket, evidence, now);
      latency.failed(elapsedMs, now);
    }
  }

  ended(offsetMs: number): void {
    if (this.#over(offsetMs, "answered")) this.#abandon();
  }

  failed(error: GrapevineError, offsetMs: number, now: Millis): void {
    if (!this.#over(offsetMs, "failed")) return;
    this.row.error = error.short;
    this.row.errorMessage = error.message;
    this.row.executed = error.executed;
    const evidence = this.#policies.judgeError(error);
    if (evidence === undefined) {
      if (error.overloaded) this.target?.latency.failed(now - this.#startedAt, now);
      this.#abandon();
      return;
    }
    this.#isJudged = true;
    this.target?.breaker.fail(this.#ticket, evidence, now);
    this.target?.latency.failed(now - this.#startedAt, now);
  }

  /** Given up by the client, and so says the time that it waited in vain. */
  canceled(offsetMs: number, now: Millis): void {
    if (!this.#over(offsetMs, "canceled")) return;
    const { latency } = this.target ?? {};
    const elapsedMs = now - this.#startedAt;
    if (latency !== undefined && !this.#isJudged && elapsedMs >= TELLING_WAIT_MS) {
      if (elapsedMs > latency.latencyMs(now)) latency.answered(elapsedMs, now);
    }
    this.#abandon();
  }

  #over(offsetMs: number, outcome: AttemptRecord["outcome"]): boolean {
    if (this.#isOver) return false;
    this.#isOver = true;
    this.row.endMs = offsetMs;
    this.row.outcome = outcome;
    this.target?.latency.end();
    return true;
  }

  #abandon(): void {
    if (!this.#isJudged) this.target?.breaker.abandon(this.#ticket);
  }
}
