/**
 * One request on its way through the mesh: it looks for a candidate, lets one attempt run at a
 * time, repeats a failed one where that is allowed, and passes both bodies through with their
 * back-pressure. Each attempt takes its candidates from the newest view. Whatever happens, the
 * observer hears of one end, unless it gave up itself, and one decision record is handed out.
 */
import { GrapevineError, isRequestErrorCode, type RequestErrorCode } from "../errors.ts";
import { RESPONSE_HEAD_IDLE_MS, RESPONSE_HEAD_SLACK_MS } from "../limits.ts";
import type { AttemptRecord, CandidateRecord, DecisionRecord, Draft } from "../record.ts";
import {
  type CandidateChoice,
  type CandidateQuestion,
  CandidateSearch,
  type Tried,
} from "../router/candidates.ts";
import { misdirected, noCandidate, unknownService } from "../router/refusals.ts";
import type { ServiceState, Services } from "../router/services.ts";
import type { Timer } from "../seams.ts";
import { withTrace } from "../trace.ts";
import type { Millis } from "../types.ts";
import { Attempt, type AttemptOwner } from "./attempt.ts";
import type {
  AttemptContext,
  Exchange,
  ExchangeObserver,
  RawHeaders,
  RequestHead,
  ResponseHead,
} from "./contract.ts";
import { draftAttempt, draftRecord, owned } from "./draft-record.ts";
import type { Destination, FrontRequest } from "./front.ts";
import { isIdempotent, RequestBody } from "./request-body.ts";
import type { RouterOptions } from "./routed.ts";

type MeshDestination = Extract<Destination, { kind: "mesh" }>;

/** Errors that say that the instance's agent cannot be used, and so none of its instances. */
const PEER_ERRORS: ReadonlySet<string> = new Set<RequestErrorCode>([
  "unreachable",
  "link_reset",
  "draining",
]);

/** What one request needs of the router that made it. */
export interface RequestHome {
  readonly options: RouterOptions;
  readonly services: Services;
  /** Called once, before the observer hears of the end. */
  onFinished(exchange: RoutedExchange, record: DecisionRecord): void;
}

export class RoutedExchange implements Exchange, AttemptOwner {
  readonly #home: RequestHome;
  readonly #request: FrontRequest;
  readonly #observer: ExchangeObserver;
  readonly #record: Draft<DecisionRecord>;
  readonly #candidates: CandidateRecord[] = [];
  readonly #attempts: Draft<AttemptRecord>[] = [];
  readonly #tried: Tried[] = [];
  readonly #body = new RequestBody();
  readonly #startedAt: Millis;
  readonly #deadline: Millis | undefined;
  #head: RequestHead;
  #traceparent: string | undefined;
  #state: ServiceState | undefined;
  #attempt: Attempt | undefined;
  /** The next attempt after its delay, or a failure that waits for the opener to return. */
  #timer: Timer | undefined;
  #deadlineTimer: Timer | undefined;
  #lastHeardAt: Millis;
  /** Whether the running attempt takes more of the body; false while there is none. */
  #isWritable = false;
  /** Whether the client was told to wait for a drain. */
  #isClientWaiting = false;
  #isPaused = false;
  #isHeadForwarded = false;
  #isDone = false;

  constructor(home: RequestHome, id: string, request: FrontRequest, observer: ExchangeObserver) {
    const { clock } = home.options;
    this.#home = home;
    this.#request = request;
    this.#observer = observer;
    this.#head = request.head;
    this.#startedAt = clock.now();
    this.#lastHeardAt = this.#startedAt;
    const { deadlineLeftMs } = request;
    this.#deadline =
      deadlineLeftMs === undefined ? undefined : ((this.#startedAt + deadlineLeftMs) as Millis);
    this.#record = draftRecord(id, request, clock.wall(), this.#candidates, this.#attempts);
  }

  get id(): string {
    return this.#record.id;
  }

  /** Starts the first attempt, or a refusal; the observer is not called before this returns. */
  start(): void {
    if (this.#deadline !== undefined) {
      const { clock } = this.#home.options;
      this.#deadlineTimer = clock.at(this.#deadline, () => this.#onDeadline());
    }
    const { destination } = this.#request;
    if (destination.kind === "outside") this.#startOutside(destination.host, destination.port);
    else this.#startInMesh(destination);
  }

  /** Fails the request without an attempt, once the opener has returned. */
  refuse(error: GrapevineError): void {
    const { clock } = this.#home.options;
    this.#timer = clock.at(clock.now(), () => this.#fail(error));
  }

  writeBody(chunk: Uint8Array): boolean {
    if (this.#isDone) return true;
    const attempt = this.#attempt;
    this.#lastHeardAt = this.#now();
    this.#body.add(chunk, attempt !== undefined);
    if (attempt !== undefined) {
      const isWritable = attempt.exchange?.writeBody(chunk) ?? true;
      if (this.#attempt === attempt) this.#isWritable = isWritable;
      if (this.#isDone) return true;
    }
    if (!this.#isWritable) this.#isClientWaiting = true;
    return this.#isWritable;
  }

  endBody(trailers: RawHeaders): void {
    if (this.#isDone || this.#body.isEnded) return;
    this.#lastHeardAt = this.#now();
    this.#body.end(trailers);
    this.#attempt?.exchange?.endBody(trailers);
  }

  cancel(reason: GrapevineError): void {
    if (this.#isDone) return;
    const attempt = this.#attempt;
    const now = this.#now();
    attempt?.canceled(now - this.#startedAt, now);
    this.#finish("canceled", reason, now);
    attempt?.exchange?.cancel(reason);
  }

  pause(): void {
    this.#isPaused = true;
    this.#attempt?.exchange?.pause();
  }

  resume(): void {
    this.#isPaused = false;
    this.#attempt?.exchange?.resume();
  }

  /** Ends an attempt that has been silent for too long before its response head. */
  checkIdle(now: Millis): void {
    const attempt = this.#attempt;
    const silentMs = now - this.#lastHeardAt;
    if (attempt === undefined || this.#isHeadForwarded) return;
    if (silentMs < RESPONSE_HEAD_IDLE_MS + RESPONSE_HEAD_SLACK_MS) return;
    const error = new GrapevineError(
      "idle_timeout",
      `${this.#nameOf(attempt)} sent no response head in ${Math.round(silentMs / 1000)} s of silence`,
    );
    const { exchange } = attempt;
    this.onAttemptError(attempt, error);
    exchange?.cancel(error);
  }

  onAttemptDrain(attempt: Attempt): void {
    if (attempt !== this.#attempt) return;
    this.#lastHeardAt = this.#now();
    this.#isWritable = true;
    this.#letClientGoOn();
  }

  onAttemptInformational(attempt: Attempt, head: ResponseHead): void {
    if (attempt !== this.#attempt || this.#isHeadForwarded) return;
    this.#lastHeardAt = this.#now();
    if (head.status === 100) {
      if (!this.#head.expectContinue) return;
      // The client sends its body now: a repeat has no reason to wait for a second permission.
      this.#head = { ...this.#head, expectContinue: false };
    }
    this.#observer.onInformational(head);
  }

  onAttemptHead(attempt: Attempt, head: ResponseHead): void {
    if (attempt !== this.#attempt || this.#isHeadForwarded) return;
    const now = this.#now();
    const offsetMs = now - this.#startedAt;
    attempt.answered(head, offsetMs, now);
    this.#isHeadForwarded = true;
    this.#record.headMs = offsetMs;
    this.#record.status = head.status;
    this.#body.release();
    this.#observer.onHead(head);
  }

  onAttemptBody(attempt: Attempt, chunk: Uint8Array): void {
    if (attempt !== this.#attempt) return;
    this.#record.responseBytes += chunk.length;
    this.#observer.onBody(chunk);
  }

  onAttemptEnd(attempt: Attempt, trailers: RawHeaders): void {
    if (attempt !== this.#attempt) return;
    if (!this.#isHeadForwarded) {
      const what = `${this.#nameOf(attempt)} ended its answer before it began`;
      this.onAttemptError(attempt, new GrapevineError("upstream_invalid", what));
      return;
    }
    const now = this.#now();
    attempt.ended(now - this.#startedAt);
    this.#finish("answered", undefined, now);
    this.#observer.onEnd(trailers);
  }

  onAttemptError(attempt: Attempt, error: GrapevineError): void {
    if (attempt !== this.#attempt) return;
    const now = this.#now();
    attempt.failed(error, now - this.#startedAt, now);
    this.#attempt = undefined;
    this.#isWritable = false;
    const { target } = attempt;
    if (target === undefined || this.#state === undefined) {
      this.#fail(error);
      return;
    }
    this.#tried.push({
      instance: target.id,
      agent: target.instance.agent,
      peerFailed: PEER_ERRORS.has(error.short),
    });
    this.#repeat(error, this.#state);
  }

  #startOutside(host: string, port: number): void {
    const { egress } = this.#home.options;
    if (egress.policy === "deny") {
      const where = `${host}:${port} is outside the mesh, and this agent`;
      this.refuse(new GrapevineError("egress_denied", `${where} runs with --egress deny`));
      return;
    }
    const attempt = this.#begin(undefined, this.#startedAt);
    this.#run(attempt, egress.open(host, port, this.#head, attempt));
  }

  #startInMesh(destination: MeshDestination): void {
    if (this.#head.kind === "http") {
      const traced = withTrace(this.#head.headers, this.id, this.#home.options.random);
      this.#head = { ...this.#head, headers: traced.headers };
      this.#traceparent = traced.traceparent;
      this.#record.traceparent = owned(traced.traceparent);
    }
    const now = this.#startedAt;
    const found = this.#search(destination, now);
    this.#state?.policies.retries.deposit(now);
    if (found instanceof GrapevineError) this.refuse(found);
    else this.#launch(found, now);
  }

  /** The candidate for the next attempt, by the newest view; or why there is none. */
  #search(destination: MeshDestination, now: Millis): CandidateChoice | GrapevineError {
    const { view: newest, random, policies } = this.#home.options;
    const view = newest();
    const state = this.#home.services.find(destination.service, view);
    this.#state = state;
    this.#record.viewVersion = view.version;
    if (state === undefined) return unknownService(destination.service, view);
    const question: CandidateQuestion = {
      key: this.#request.key,
      named: destination.instance,
      port: destination.port,
      attempt: this.#attempts.length + 1,
      tried: this.#tried,
      repeatable: isIdempotent(this.#head),
    };
    const error = misdirected(state, question, this.#head.kind);
    if (error !== undefined) return error;
    this.#record.ringVersion = state.ring.version;
    const search = new CandidateSearch(state, view, question, this.#candidates, now);
    const choice = search.run(random, policies);
    this.#record.preference = search.preference;
    return choice ?? noCandidate(destination.service, question, search.tally);
  }

  #launch(choice: CandidateChoice, now: Millis): void {
    const { attempts } = this.#home.options;
    const { instance } = choice.target;
    const attempt = this.#begin(choice, now);
    this.#run(attempt, attempts.open(instance, this.#contextOf(choice, now), this.#head, attempt));
  }

  #run(attempt: Attempt, exchange: Exchange): void {
    attempt.exchange = exchange;
    this.#attempt = attempt;
    if (this.#isPaused) exchange.pause();
    const isWritable = this.#body.replay(exchange, () => this.#attempt === attempt);
    if (this.#attempt !== attempt) return;
    this.#isWritable = isWritable;
    this.#letClientGoOn();
  }

  #contextOf(choice: CandidateChoice, now: Millis): AttemptContext {
    const { destination } = this.#request;
    const { instance } = choice.target;
    return {
      requestId: this.id,
      service: instance.service,
      instance: instance.id,
      port: destination.port,
      attempt: this.#attempts.length,
      rank: choice.rank,
      reason: choice.reason,
      deadlineLeftMs: this.#deadlineLeft(now),
      traceparent: this.#traceparent,
      caller: this.#request.caller ?? this.#home.options.caller,
      ringVersion: this.#record.ringVersion,
      retryTokens: this.#state?.policies.retries.tokens(now) ?? 0,
    };
  }

  #repeat(error: GrapevineError, state: ServiceState): void {
    const { destination } = this.#request;
    if (destination.kind !== "mesh") return;
    const now = this.#now();
    const { retries } = state.policies;
    const question = {
      error,
      attempts: this.#attempts.length,
      idempotent: isIdempotent(this.#head),
      bodyKept: this.#body.isKept,
      headForwarded: this.#isHeadForwarded,
      deadlineLeftMs: this.#deadlineLeft(now),
    };
    const obstacle = retries.obstacle(question);
    if (obstacle !== undefined) {
      this.#giveUp(error, obstacle);
      return;
    }
    const noted = this.#candidates.length;
    const found = this.#search(destination, now);
    if (found instanceof GrapevineError) {
      this.#giveUp(error, found.message);
      return;
    }
    const decision = retries.take(question, found.again, now);
    if (!decision.repeat) {
      this.#giveUp(error, decision.why);
    } else if (decision.delayMs === 0) {
      this.#launch(found, now);
    } else {
      this.#candidates.length = noted;
      const when = (now + decision.delayMs) as Millis;
      this.#timer = this.#home.options.clock.at(when, () => this.#repeatNow(error, destination));
    }
  }

  #repeatNow(error: GrapevineError, destination: MeshDestination): void {
    this.#timer = undefined;
    if (this.#isDone) return;
    const now = this.#now();
    if ((this.#deadlineLeft(now) ?? 1) <= 0) {
      // After a stall the pause and the deadline have both expired, and the pause comes first.
      this.#onDeadline();
      return;
    }
    const found = this.#search(destination, now);
    if (found instanceof GrapevineError) this.#giveUp(error, found.message);
    else this.#launch(found, now);
  }

  #giveUp(error: GrapevineError, why: string): void {
    this.#record.notRepeated = why;
    const attempts = this.#attempts.length;
    const note = attempts > 1 ? ` (attempt ${attempts}; not repeated: ${why})` : "";
    const message = `${error.message}${note}`;
    const { retryable } = error;
    const executed = this.#executed(error);
    this.#fail(
      note === "" && executed === error.executed
        ? error
        : new GrapevineError(error.short, message, { cause: error, executed, retryable }),
    );
  }

  #onDeadline(): void {
    this.#deadlineTimer?.cancel();
    this.#deadlineTimer = undefined;
    if (this.#isDone) return;
    const waitedMs = Math.round(this.#now() - this.#startedAt);
    const attempt = this.#attempt;
    let error = new GrapevineError(
      "deadline_exceeded",
      `no complete answer from ${this.#record.service} within ${waitedMs} ms`,
    );
    const executed = attempt === undefined ? this.#executed(undefined) : "unknown";
    if (executed !== error.executed) {
      error = new GrapevineError("deadline_exceeded", error.message, { executed });
    }
    const now = this.#now();
    attempt?.failed(error, now - this.#startedAt, now);
    this.#fail(error);
    attempt?.exchange?.cancel(error);
  }

  /** "unknown" as soon as any attempt may have run. */
  #executed(last: GrapevineError | undefined): "no" | "unknown" {
    const isUnknown = this.#attempts.some((row) => row.executed === "unknown");
    return isUnknown || last?.executed === "unknown" ? "unknown" : "no";
  }

  #fail(error: GrapevineError): void {
    if (this.#isDone) return;
    this.#finish("failed", error, this.#now());
    this.#observer.onError(error);
  }

  #finish(
    outcome: DecisionRecord["outcome"],
    error: GrapevineError | undefined,
    now: Millis,
  ): void {
    const record = this.#record;
    this.#isDone = true;
    this.#attempt = undefined;
    this.#timer?.cancel();
    this.#deadlineTimer?.cancel();
    record.outcome = outcome;
    record.durationMs = now - this.#startedAt;
    record.requestBytes = this.#body.bytes;
    record.retryTokens = this.#state?.policies.retries.tokens(now) ?? 0;
    if (error !== undefined) {
      record.error = isRequestErrorCode(error.short) ? error.short : "internal";
      record.errorMessage = error.message;
      record.executed = error.executed;
      if (!this.#isHeadForwarded && outcome === "failed") record.status = error.status;
    }
    this.#body.release();
    this.#home.onFinished(this, record);
  }

  #letClientGoOn(): void {
    if (!this.#isClientWaiting || !this.#isWritable) return;
    this.#isClientWaiting = false;
    this.#observer.onRequestDrain();
  }

  #begin(choice: CandidateChoice | undefined, now: Millis): Attempt {
    const row = draftAttempt(this.#attempts.length + 1, choice, now - this.#startedAt, now);
    this.#attempts.push(row);
    this.#lastHeardAt = now;
    return new Attempt(this, this.#home.options.policies, choice?.target, row, now);
  }

  #nameOf(attempt: Attempt): string {
    const { target } = attempt;
    if (target === undefined) return this.#record.service;
    return `instance ${target.id} of ${target.instance.service} on ${target.instance.agentName}`;
  }

  #now(): Millis {
    return this.#home.options.clock.now();
  }

  #deadlineLeft(now: Millis): number | undefined {
    return this.#deadline === undefined ? undefined : this.#deadline - now;
  }
}
