/** Traces for the checkers of requests, actors at rest, documents and breakers. */
import type { TraceEvent, TraceEventOf } from "../../sim/trace.ts";
import {
  belief,
  type Case,
  called,
  fault,
  outcome,
  published,
  record,
  registered,
  request,
  running,
  S,
  said,
  settled,
  start,
  stored,
} from "./hand-made.ts";

const goneSince = (at: number): TraceEvent[] => [
  ...running,
  { at, kind: "stop", node: 1, how: "killed" },
];
/** Another machine spoke with node 1's key. */
const cloned = (from: number, to: number): TraceEvent[] => [
  fault(from, true, "clone", [1]),
  fault(to, false, "clone", [1]),
];
const back = [belief(25 * S, 0, 1, "alive")];
const quiet = 100 * S;
const offered = { ...registered(1), instance: "default/s/i" } as TraceEvent;
export const attempted = (at: number, times: readonly number[], executed: string): TraceEvent => ({
  ...(record(at, 1, "closed", times.length) as TraceEventOf<"record">),
  attempts: times.map((each) => ({
    ...{ at: each, instance: "default/s/i", target: 1, breaker: "closed", outcome: "failed" },
    executed,
    error: "",
  })),
});
const found = (at: number, ...instances: string[]): TraceEvent => ({
  ...{ at, kind: "lookup", node: 0, service: "default/s", instances },
});
const takenBack = (at: number): TraceEvent => ({
  ...{ at, kind: "deregistered", node: 1, instance: "default/s/i" },
});
const rested: TraceEvent = { at: 1, kind: "rested" };
const failed = (at: number): TraceEvent => ({ ...outcome(at), error: "unreachable" }) as TraceEvent;
const later = { ...published(1), isLater: true } as TraceEvent;
const asked = (at: number): TraceEvent => ({ at, kind: "call", node: 0, call: "c", actor: "a" });
/** Two cuts of ten seconds, and rest twelve seconds after the second. */
const twoCuts = (apart: number): TraceEvent[] => [
  fault(0, true, "partition", [0], [1]),
  fault(10 * S, false, "partition", [0], [1]),
  fault(10 * S + apart, true, "partition", [0], [1]),
  fault(20 * S + apart, false, "partition", [0], [1]),
  { at: 20 * S + apart, kind: "healed", broken: [] },
  { at: 33 * S + apart, kind: "rested" },
];
export const restCases: readonly Case[] = [
  [
    "L-M7",
    [...running, start(3, S), belief(2 * S, 0, 3, "suspect"), said(3, 0, 1, 60 * S)],
    [
      ...[...running, start(3, S)],
      ...[0, 1, 2].map((viewer) => belief(2 * S, viewer, 3, "alive")),
      said(3, 0, 1, 60 * S),
    ],
  ],
  [
    "S-R2",
    [...running, { at: S, kind: "stop", node: 1, how: "killed" }, record(60 * S, 1)],
    [...running, { at: S, kind: "stop", node: 1, how: "killed" }, record(5 * S, 1)],
  ],
  [
    "S-R2",
    [...goneSince(S), record(60 * S, 1)],
    [...goneSince(S), ...cloned(40 * S, 50 * S), record(60 * S, 1)],
  ],
  [
    "S-R2",
    [...goneSince(S), ...cloned(2 * S, 3 * S), record(60 * S, 1)],
    [...goneSince(S), fault(40 * S, true, "clone", [1]), record(60 * S, 1)],
  ],
  [
    "L-M6",
    [...goneSince(S), ...back, ...cloned(25 * S, 26 * S), belief(70 * S, 0, 2, "alive")],
    [
      ...[...goneSince(S), ...back, ...cloned(25 * S, 26 * S)],
      ...[belief(50 * S, 0, 1, "dead"), belief(70 * S, 0, 2, "alive")],
    ],
  ],
  ["S-T2", [attempted(S, [1, 2, 3, 4], "no")], [attempted(S, [1, 2, 3], "no")]],
  [
    "S-T2",
    Array.from({ length: 4 }, (_, at) => {
      return { at, kind: "executed", node: 1, request: "r", instance: "i" } as const;
    }),
    [{ at: 1, kind: "executed", node: 1, request: "r", instance: "i" }],
  ],
  [
    "S-T3",
    [request(0, false), attempted(S, [1, S], "unknown")],
    [request(0, true), attempted(S, [1, S], "unknown")],
  ],
  ["S-T3", [request(0), attempted(S, [1, 11 * S], "no")], [request(0), attempted(S, [1, S], "no")]],
  ["S-T4", [attempted(S, [1, 1_000], "no")], [attempted(S, [1, 20_000], "no")]],
  [
    "L-R4",
    [...running, offered, request(quiet), failed(quiet + S)],
    [...running, offered, request(quiet), outcome(quiet + S)],
  ],
  [
    "L-R4",
    [...running, offered, request(quiet), failed(quiet + S)],
    [
      ...[...running, offered, fault(80 * S, true, "pause", [2])],
      ...[request(quiet), failed(quiet + S)],
    ],
  ],
  [
    "L-R4",
    [...running, offered, start(1, 2 * S, 2, "kept"), request(quiet), failed(quiet + S)],
    [...running, offered, start(1, 2 * S, 2, "lost"), request(quiet), failed(quiet + S)],
  ],
  [
    "L-D11",
    [...running, offered, found(quiet)],
    [...running, offered, found(quiet, "default/s/i"), found(quiet + 1, "default/s/i")],
  ],
  [
    "L-D11",
    [...running, offered, takenBack(S), found(quiet, "default/s/i")],
    [...running, offered, takenBack(80 * S), found(quiet, "default/s/i")],
  ],
  [
    "L-A7",
    [...running, asked(quiet), called(quiet + 1, "not_owner", "no")],
    [...running, asked(quiet), called(quiet + 1, "", "")],
  ],
  [
    "S-D1",
    [
      { ...settled("i"), contents: 5 },
      { ...settled("i"), node: 1, root: "b", contents: 5 },
    ] as TraceEvent[],
    [
      { ...settled("i"), contents: 5 },
      { ...settled("i"), node: 1, root: "b", contents: 6 },
    ] as TraceEvent[],
  ],
  [
    "S-D1",
    [
      { ...settled("i"), contents: 5 },
      { ...settled("i"), node: 1, contents: 6 },
    ] as TraceEvent[],
    [{ ...settled("i"), contents: 5 } as TraceEvent],
  ],
  [
    "S-D7",
    [rested, { ...settled("i"), handed: 2 } as TraceEvent],
    [rested, published(2), { ...settled("i"), handed: 2 } as TraceEvent],
  ],
  [
    "S-D7",
    [...twoCuts(20 * S), { ...settled("i"), handed: 2 } as TraceEvent],
    [...twoCuts(5 * S), { ...settled("i"), handed: 2 } as TraceEvent],
  ],
  [
    "S-D8",
    [published(9), { at: 1, kind: "poisoned", node: 1, epoch: 1, seq: 9 }, stored(2, 9)],
    [published(8), { at: 1, kind: "poisoned", node: 1, epoch: 1, seq: 9 }, stored(2, 8)],
  ],
  [
    "S-D9",
    [later, stored(1, 1), { ...stored(2, 1), node: 2, hash: 7 } as TraceEvent],
    [later, stored(1, 1), { ...stored(2, 1), node: 2 } as TraceEvent],
  ],
];
const breaker = (at: number, from: string, to: string, more: object = {}): TraceEvent =>
  ({
    ...{ at, kind: "breaker", node: 0, service: "default/s", breaker: 1, from, to },
    ...{ evidence: "", successes: 2, instances: 4, ejected: 0, ...more },
  }) as TraceEvent;
/** A probe that said nothing: its caller's time was over. */
const probed = (at: number, state: string): TraceEvent => {
  const ended = record(at, 1, state) as TraceEventOf<"record">;
  const attempts = ended.attempts.map((each) => ({ ...each, outcome: "failed" }));
  return { ...ended, outcome: "failed", error: "deadline_exceeded", attempts };
};
export const breakerCases: readonly Case[] = [
  ["S-B1", [breaker(S, "closed", "half-open")], [breaker(S, "open", "half-open")]],
  ["S-B1", [breaker(S, "open", "attempted")], [breaker(S, "open", "held back")]],
  [
    "S-B1",
    [breaker(S, "half-open", "closed", { successes: 1 })],
    [breaker(S, "half-open", "closed", { successes: 2 })],
  ],
  [
    "S-B4",
    [breaker(S, "closed", "open", { evidence: "soft", ejected: 2 })],
    [breaker(S, "closed", "open", { evidence: "hard", ejected: 2 })],
  ],
  [
    "L-B5",
    [breaker(S, "closed", "open"), breaker(60 * S, "open", "held back")],
    [breaker(S, "closed", "open"), breaker(40 * S, "open", "held back")],
  ],
  [
    "L-B5",
    [breaker(S, "open", "half-open"), breaker(60 * S, "half-open", "held back")],
    [breaker(S, "open", "half-open"), breaker(20 * S, "half-open", "held back")],
  ],
  [
    "L-B5",
    [
      ...[breaker(S, "open", "half-open"), probed(20 * S, "half-open")],
      breaker(60 * S, "half-open", "held back"),
    ],
    [
      ...[
        breaker(S, "open", "half-open"),
        probed(20 * S, "half-open"),
        probed(40 * S, "half-open"),
      ],
      breaker(60 * S, "half-open", "held back"),
    ],
  ],
  [
    "L-B5",
    [
      ...[breaker(S, "open", "half-open"), breaker(60 * S, "half-open", "held back")],
      probed(61 * S, "half-open"),
    ],
    [
      ...[breaker(S, "open", "half-open"), breaker(60 * S, "half-open", "held back")],
      probed(59 * S, "half-open"),
    ],
  ],
];
