/** A decision record of a request that was repeated once, then answered. */
import type { AttemptRecord, DecisionRecord } from "../../../core/record.ts";
import type { WallMillis } from "../../../core/types.ts";
import { nodeId } from "../views.ts";

function attempt(number: number, changes: Partial<AttemptRecord>): AttemptRecord {
  return {
    number,
    instance: "one",
    agent: nodeId("b"),
    agentName: "b",
    rank: -1,
    reason: "least_latency",
    breaker: "closed",
    startMs: 0,
    headMs: null,
    endMs: 1,
    outcome: "failed",
    status: 0,
    error: "upstream_refused",
    errorMessage: "connection refused",
    executed: "no",
    ...changes,
  };
}

export function decisionRecord(changes: Partial<DecisionRecord>): DecisionRecord {
  const answered = { outcome: "answered", status: 200, error: null, executed: null } as const;
  return {
    id: "00112233445566aa",
    startedWallMs: 1_700_000_000_000 as WallMillis,
    durationMs: 12,
    listener: "proxy",
    remote: "127.0.0.1:50000",
    caller: null,
    kind: "http",
    method: "GET",
    authority: "web.mesh",
    path: "/",
    traceparent: null,
    destination: "mesh",
    service: "default/web",
    port: 80,
    named: null,
    key: null,
    viewVersion: 1,
    ringVersion: 1,
    preference: [],
    candidates: [],
    attempts: [attempt(1, {}), attempt(2, { ...answered, errorMessage: null, instance: "two" })],
    notRepeated: null,
    retryTokens: 10,
    requestBytes: 0,
    responseBytes: 0,
    headMs: null,
    outcome: "answered",
    status: 200,
    error: null,
    errorMessage: null,
    executed: null,
    ...changes,
  };
}
