/** The decision record of an actor call, made when it is over: `explain` shows it like a request. */
import { GrapevineError, isRequestErrorCode } from "../errors.ts";
import { PREFERENCE_RECORDED_MAX, RECORDED_TEXT_CHARS_MAX } from "../limits.ts";
import type { AttemptRecord, CandidateRecord, DecisionRecord } from "../record.ts";
import type { ServiceState, Target } from "../router/services.ts";
import type { NodeId, WallMillis } from "../types.ts";
import type { ActorCall, Hop } from "./call.ts";
import { actorTypeOf } from "./definition.ts";
import type { RemoteError } from "./remote-error.ts";

export interface ActorRecordFacts {
  readonly id: string;
  readonly now: number;
  readonly wall: WallMillis;
  readonly viewVersion: number;
  readonly state: ServiceState | undefined;
  readonly owner: Target | undefined;
  readonly self: NodeId;
}

export function actorRecord(
  call: ActorCall,
  error: GrapevineError | RemoteError | undefined,
  facts: ActorRecordFacts,
): DecisionRecord {
  const { target, method, startedAt, listener } = call;
  const { state, owner, now } = facts;
  const durationMs = Math.max(0, now - startedAt);
  const isOwn = error instanceof GrapevineError;
  const attempts = call.hops?.map((hop, at) => attemptOf(hop, at + 1, startedAt)) ?? [];
  if (attempts.length === 0 && owner?.instance.agent === facts.self && !isOwn) {
    attempts.push(localAttempt(owner, durationMs));
  }
  const code = error === undefined ? null : isOwn ? codeOf(error) : "handler_error";
  return {
    id: facts.id,
    startedWallMs: (facts.wall - durationMs) as WallMillis,
    durationMs,
    listener,
    remote: listener === "sdk" ? "this process" : "this host",
    caller: null,
    kind: "actor",
    method,
    authority: actorTypeOf(target.service),
    path: `/${bounded(target.key)}`,
    traceparent: null,
    destination: "mesh",
    service: target.service,
    port: 0,
    named: null,
    key: bounded(target.key),
    viewVersion: facts.viewVersion,
    ringVersion: state?.ring.version ?? 0,
    preference:
      state?.ring.preferenceList(target.key, PREFERENCE_RECORDED_MAX).map(({ id }) => id) ?? [],
    candidates: attempts.map(candidateOf),
    attempts,
    notRepeated: null,
    retryTokens: 0,
    requestBytes: 0,
    responseBytes: 0,
    headMs: null,
    outcome: error === undefined ? "answered" : code === "canceled" ? "canceled" : "failed",
    status: error === undefined ? 200 : isOwn ? error.status : 500,
    error: code,
    errorMessage: error === undefined ? null : bounded(error.message),
    executed: error?.executed ?? null,
  };
}

function codeOf(error: GrapevineError): DecisionRecord["error"] {
  return isRequestErrorCode(error.short) ? error.short : "internal";
}

function attemptOf(hop: Hop, number: number, startedAt: number): AttemptRecord {
  return {
    number,
    ...{ instance: hop.instance, agent: hop.agent, agentName: hop.agentName },
    rank: 0,
    ...{ reason: hop.reason, breaker: hop.breaker },
    startMs: hop.startedAt - startedAt,
    headMs: null,
    endMs: hop.endedAt - startedAt,
    outcome: hop.error === undefined ? "answered" : "failed",
    status: 0,
    error: hop.error?.short ?? null,
    errorMessage: hop.error === undefined ? null : bounded(hop.error.message),
    executed: hop.error?.executed ?? null,
  };
}

function localAttempt({ id, instance }: Target, endMs: number): AttemptRecord {
  return {
    number: 1,
    ...{ instance: id, agent: instance.agent, agentName: instance.agentName },
    ...{ rank: 0, reason: "owner", breaker: "", startMs: 0, headMs: null, endMs },
    ...{ outcome: "answered", status: 0, error: null, errorMessage: null, executed: null },
  };
}

function candidateOf({ number, instance, agent, agentName }: AttemptRecord): CandidateRecord {
  return {
    ...{ attempt: number, instance, agent: agent as NodeId, agentName },
    ...{ rank: 0, verdict: "chosen" },
  };
}

function bounded(text: string): string {
  if (text.length <= RECORDED_TEXT_CHARS_MAX) return text;
  return `${text.slice(0, RECORDED_TEXT_CHARS_MAX)}…`;
}
