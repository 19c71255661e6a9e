/** Events of a trace, to be put together by hand. */
import type { Held, TraceEvent } from "../../sim/trace.ts";

/** Name of an invariant, a trace that violates it, and one like it that does not. */
export type Case = readonly [string, readonly TraceEvent[], readonly TraceEvent[]];

/** A second, in the microseconds of a trace. */
export const S = 1_000_000;

export const start = (
  node: number,
  at = 0,
  epoch = 1,
  disk: "kept" | "lost" = "lost",
): TraceEvent => ({
  ...{ at, kind: "start", node, epoch, disk },
});
export const said = (node: number, incarnation = 0, epoch = 1, at = 0): TraceEvent => ({
  ...{ at, kind: "said", node, epoch, incarnation, left: false },
});
export const belief = (
  at: number,
  node: number,
  subject: number,
  held: "alive" | "suspect" | "dead" | "left",
  incarnation = 0,
): TraceEvent => ({
  ...{ at, kind: "belief", node, subject, belief: held, epoch: 1, incarnation, why: "test" },
});
export const accused = (
  at: number,
  node: number,
  subject: number,
  verdict: "suspect" | "dead",
  basis: string,
): TraceEvent => ({
  ...{ at, kind: "accused", node, subject, epoch: 1, incarnation: 0, verdict, basis },
});
export const fault = (at: number, on: boolean, name: string, left: number[], right?: number[]) =>
  ({ at, kind: "fault", fault: name, id: 1, on, left, right }) satisfies TraceEvent;
export const request = (at: number, isIdempotent = true): TraceEvent => ({
  ...{ at, kind: "request", node: 0, request: "r", service: "default/s", isIdempotent },
});
export const outcome = (at: number): TraceEvent => ({
  ...{ at, kind: "outcome", node: 0, request: "r", status: 200, error: "" },
});
export const record = (at: number, target: number, breaker = "closed", times = 1): TraceEvent => ({
  ...{ at, kind: "record", node: 0, request: "r", service: "default/s" },
  ...{ outcome: "answered", error: "" },
  attempts: Array.from({ length: times }, () => ({
    ...{ at, instance: "default/s/i", target, breaker, outcome: "answered" },
    ...{ executed: "", error: "" },
  })),
});
export const registered = (node: number, at = 0): TraceEvent => ({
  ...{ at, kind: "registered", node, instance: "default/s/i" },
});
export const published = (seq: number, notAfter = 0, at = 0): TraceEvent => ({
  ...{ at, kind: "published", node: 1, part: 0, epoch: 1, seq, notAfter, instances: [] },
  isLater: false,
});
export const stored = (at: number, seq: number, wallMs = 0): TraceEvent => ({
  ...{ at, kind: "stored", node: 0, owner: 1, part: 0, epoch: 1, seq, wallMs },
  hash: seq,
});
export const settled = (id: string, held: Partial<Held> = {}): TraceEvent => ({
  ...{ at: S, kind: "settled", node: 0, root: "a", instances: [`default/s/${id}`] },
  held: { members: 4, statements: 4, rumours: 0, subjects: 1, peers: 2, ...held },
  unmirrored: [],
});
export const deaths = (count: number, everyS: number): TraceEvent[] =>
  Array.from({ length: count }, (_, at) => [
    belief(at * everyS * S, 0, 1, "dead"),
    belief((at * everyS + 1) * S, 0, 1, "alive"),
  ]).flat();
export const left = (leavingAt: number, at: number): TraceEvent[] => [
  { at: leavingAt, kind: "leaving", node: 1 },
  { at, kind: "stop", node: 1, how: "left" },
];

/** Everybody runs and has said so; the checker's own events follow. */
export const running = [start(0), start(1), start(2), said(0), said(1), said(2)];
export const called = (at: number, error: string, executed: string): TraceEvent => ({
  ...{ at, kind: "called", node: 0, call: "c", actor: "a", error, executed },
});
