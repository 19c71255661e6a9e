/**
 * Whether a failed attempt is repeated, and when. It may be if it provably did not run, or if the
 * request is one that may run twice and whose body is still at hand; never after the response head
 * was passed on; and only within the attempts of one request, its deadline and the budget.
 *
 * The budget bounds what repeats add to the load of a service that is in trouble: in any window, at
 * most a share of the requests, plus a floor so that quiet callers may repeat too. The sums err to
 * the safe side by a bucket: repeats are summed over at least the window, requests over at most.
 * A refusal by an agent that drains, or by one that is not the owner, is a redirection which costs
 * the service nothing: its repeat is not taken from the budget, so that leaving loses no request.
 *
 * Another instance is tried at once. The same instance again, or any after an overload, waits: an
 * exponential delay of which half is left to chance, so that callers do not come back in step.
 */
import type { RequestErrorCode } from "../core/errors.ts";
import { ATTEMPTS_MAX } from "../core/limits.ts";
import type { Retries, RetryDecision, RetryQuestion } from "../core/router/policy.ts";
import type { Random } from "../core/seams.ts";
import type { Millis } from "../core/types.ts";
import { Window } from "./window.ts";

export interface RetryConfig {
  /** Attempts of one request, the first included. */
  readonly attemptsMax: number;
  /** Repeats allowed per request in the window. */
  readonly budgetShare: number;
  /** Repeats per second that are allowed in any case. */
  readonly budgetFloorPerSecond: number;
  readonly windowSeconds: number;
  readonly backoffBaseMs: number;
  readonly backoffMaxMs: number;
}

export const RETRY_DEFAULTS: RetryConfig = {
  attemptsMax: ATTEMPTS_MAX,
  budgetShare: 0.2,
  budgetFloorPerSecond: 10,
  windowSeconds: 10,
  backoffBaseMs: 25,
  backoffMaxMs: 250,
};

const REDIRECTIONS: ReadonlySet<string> = new Set<RequestErrorCode>(["draining", "not_owner"]);

export class ServiceRetries implements Retries {
  readonly #config: RetryConfig;
  readonly #random: Random;
  /** First: requests. Second: repeats. */
  readonly #window: Window;

  constructor(config: RetryConfig, random: Random) {
    this.#config = config;
    this.#random = random;
    this.#window = new Window(config.windowSeconds + 1, 1_000);
  }

  deposit(now: Millis): void {
    this.#window.addFirst(now);
  }

  obstacle(question: RetryQuestion): string | undefined {
    const { error } = question;
    if (question.headForwarded) return "the response head was already passed on";
    if (!error.retryable) return `${error.short} is not helped by a repeat`;
    if (error.executed !== "no" && !question.idempotent) {
      return "it may have run, and running it twice may do harm";
    }
    if (!question.bodyKept) return "its body is too large to be kept";
    if (question.attempts >= this.#config.attemptsMax) {
      return `${question.attempts} attempts were made`;
    }
    return undefined;
  }

  take(question: RetryQuestion, sameInstance: boolean, now: Millis): RetryDecision {
    const { error, attempts, deadlineLeftMs } = question;
    const delayMs = sameInstance || error.overloaded ? this.#backoffMs(attempts) : 0;
    if (deadlineLeftMs !== undefined && deadlineLeftMs <= delayMs) {
      return { repeat: false, why: "the deadline comes before the repeat" };
    }
    if (!REDIRECTIONS.has(error.short)) {
      if (this.tokens(now) < 1) return { repeat: false, why: "the retry budget is spent" };
      this.#window.addSecond(now);
    }
    return { repeat: true, delayMs };
  }

  tokens(now: Millis): number {
    const { budgetShare, budgetFloorPerSecond, windowSeconds } = this.#config;
    const earned = budgetShare * this.#window.first(windowSeconds, now);
    const spent = this.#window.second(windowSeconds + 1, now);
    return Math.max(0, Math.floor(earned + budgetFloorPerSecond * windowSeconds - spent));
  }

  #backoffMs(attempts: number): number {
    const { backoffBaseMs, backoffMaxMs } = this.#config;
    const fullMs = Math.min(backoffBaseMs * 2 ** (attempts - 1), backoffMaxMs);
    return (fullMs / 2) * (1 + this.#random.float());
  }
}
