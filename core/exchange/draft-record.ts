/**
 * The decision record of a request that begins, and the row of an attempt that begins: what is
 * known by then, and empty places for the rest.
 */
import { RECORDED_TEXT_CHARS_MAX } from "../limits.ts";
import type { AttemptRecord, CandidateRecord, DecisionRecord, Draft } from "../record.ts";
import type { CandidateChoice } from "../router/candidates.ts";
import type { Millis, WallMillis } from "../types.ts";
import type { FrontRequest } from "./front.ts";

/** `candidates` and `attempts` are filled in while the request runs. */
export function draftRecord(
  id: string,
  request: FrontRequest,
  startedWallMs: WallMillis,
  candidates: CandidateRecord[],
  attempts: AttemptRecord[],
): Draft<DecisionRecord> {
  const { head, destination } = request;
  return {
    id,
    startedWallMs,
    durationMs: 0,
    listener: request.listener,
    remote: request.remote,
    caller: request.caller ?? null,
    kind: head.kind,
    method: owned(head.method),
    authority: bounded(head.authority),
    path: bounded(head.path),
    traceparent: null,
    destination: destination.kind,
    service: bounded(destination.kind === "mesh" ? destination.service : destination.host),
    port: destination.port,
    named: (destination.kind === "mesh" && owned(destination.instance ?? "")) || null,
    key: request.key === undefined ? null : bounded(request.key),
    viewVersion: 0,
    ringVersion: 0,
    preference: [],
    candidates,
    attempts,
    notRepeated: null,
    retryTokens: 0,
    requestBytes: 0,
    responseBytes: 0,
    headMs: null,
    outcome: "failed",
    status: 0,
    error: null,
    errorMessage: null,
    executed: null,
  };
}

/** Without a choice: for a destination outside the mesh. */
export function draftAttempt(
  number: number,
  choice: CandidateChoice | undefined,
  startMs: number,
  now: Millis,
): Draft<AttemptRecord> {
  const target = choice?.target;
  return {
    number,
    instance: target?.id ?? "",
    agent: target?.instance.agent ?? "",
    agentName: target?.instance.agentName ?? "",
    rank: choice?.rank ?? -1,
    reason: choice?.reason ?? "outside",
    breaker: target?.breaker.state(now) ?? "",
    startMs,
    headMs: null,
    endMs: null,
    outcome: "running",
    status: 0,
    error: null,
    errorMessage: null,
    executed: null,
  };
}

function bounded(text: string): string {
  if (text.length <= RECORDED_TEXT_CHARS_MAX) return owned(text);
  return owned(`${text.slice(0, RECORDED_TEXT_CHARS_MAX)}…`);
}

/**
 * The same text with characters of its own. What the parser cut out of a head keeps the whole head
 * alive (up to 64 KiB in V8), and ten thousand records live long.
 */
export function owned(text: string): string {
  return ` ${text}`.slice(1);
}
