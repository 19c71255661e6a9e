/** Each checker against a trace, written by hand, that violates its invariant, and one that does not. */
import { describe, expect, it } from "vitest";
import { CHECKERS } from "../../sim/checkers/all.ts";
import type { CheckContext, Violation } from "../../sim/checkers/checker.ts";
import { Panel } from "../../sim/checkers/panel.ts";
import type { TraceEvent } from "../../sim/trace.ts";
import { attempted, breakerCases, restCases } from "./checker-cases.ts";
import {
  accused,
  belief,
  type Case,
  called,
  deaths,
  fault,
  left,
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

const context: CheckContext = {
  ...{ nodes: 4, detectMs: 30_000 },
  ...{ suspicionMinMs: 3_000, loneSuspicionMs: 18_000 },
  ...{ observers: 1, fullMeshMax: 1, connectionsMax: 2, probeIntervalMs: 1_000 },
};

function judge(events: readonly TraceEvent[]): Violation[] {
  const panel = new Panel(context, CHECKERS);
  for (const event of events) panel.onEvent(event);
  panel.atEnd(events.at(-1)?.at ?? 0);
  return panel.violations;
}

const cases: readonly Case[] = [
  [
    "S-M1",
    [...running, said(1, 1), belief(1, 0, 1, "alive", 1), belief(2, 0, 1, "suspect", 0)],
    [...running, said(1, 1), belief(1, 0, 1, "suspect", 0), belief(2, 0, 1, "alive", 1)],
  ],
  ["S-M2", [...running, belief(1, 0, 1, "alive", 7)], [...running, belief(1, 0, 1, "alive", 0)]],
  [
    "S-M3",
    [start(0, 0, 5), start(0, S, 5, "kept")],
    [start(0, 0, 5), start(0, S, 6, "kept"), start(0, 2 * S, 1, "lost")],
  ],
  [
    "S-M4",
    [accused(0, 0, 1, "suspect", "silence"), accused(4 * S, 0, 1, "dead", "agreed")],
    [
      accused(0, 0, 1, "suspect", "silence"),
      accused(S, 2, 1, "suspect", "silence"),
      accused(4 * S, 0, 1, "dead", "agreed"),
    ],
  ],
  [
    "S-M4",
    [accused(0, 0, 1, "suspect", "silence"), accused(S, 0, 1, "dead", "silence")],
    [accused(S, 0, 1, "dead", "refused")],
  ],
  [
    "S-M4",
    [accused(0, 0, 1, "suspect", "silence"), accused(5 * S, 0, 1, "dead", "silence")],
    [accused(0, 0, 1, "suspect", "silence"), accused(19 * S, 0, 1, "dead", "silence")],
  ],
  [
    "S-M5",
    [...running, belief(60 * S, 0, 1, "dead")],
    [...running, fault(50 * S, true, "pause", [1]), belief(60 * S, 0, 1, "dead")],
  ],
  [
    "S-M5",
    [...running, fault(30 * S, true, "partition", [0, 1], [2, 3]), belief(60 * S, 0, 1, "dead")],
    [...running, fault(30 * S, true, "partition", [0], [1, 2, 3]), belief(60 * S, 0, 1, "dead")],
  ],
  [
    "L-M6",
    [
      ...running,
      belief(S, 0, 1, "alive"),
      { at: 2 * S, kind: "stop", node: 1, how: "killed" },
      belief(40 * S, 0, 2, "alive"),
    ],
    [
      ...running,
      belief(S, 0, 1, "alive"),
      { at: 2 * S, kind: "stop", node: 1, how: "killed" },
      belief(20 * S, 0, 1, "dead"),
      belief(40 * S, 0, 2, "alive"),
    ],
  ],
  ["S-M9", [settled("i", { members: 5 })], [settled("i")]],
  ["S-M9", [settled("i", { statements: 5 })], [settled("i", { statements: 3 })]],
  ["S-M9", [settled("i", { rumours: 3 })], [settled("i", { rumours: 1 })]],
  ["S-M9", [settled("i", { subjects: 2 })], [settled("i", { subjects: 0 })]],
  [
    "S-M9",
    [{ ...settled("i", { peers: 3 }), at: 31 * S }],
    [settled("i", { peers: 3 }), { ...settled("i", { peers: 1 }), at: 31 * S }],
  ],
  ["S-M12", deaths(9, 10), deaths(9, 20)],
  [
    "L-M13",
    [...running, fault(S, true, "clone", [1]), fault(20 * S, false, "clone", [1])],
    [
      ...[...running, fault(S, true, "clone", [1])],
      { at: 9 * S, kind: "duplicate", node: 1, subject: 1 },
      fault(20 * S, false, "clone", [1]),
    ],
  ],
  [
    "L-M14",
    [...running, belief(S, 0, 1, "alive"), ...left(2 * S, 3 * S), belief(40 * S, 0, 2, "alive")],
    [
      ...[...running, belief(S, 0, 1, "alive"), ...left(2 * S, 3 * S)],
      ...[belief(4 * S, 0, 1, "left"), belief(40 * S, 0, 2, "alive")],
    ],
  ],
  [
    "L-M14",
    [
      ...[...running, belief(S, 0, 1, "alive"), belief(S, 2, 1, "alive"), ...left(2 * S, 3 * S)],
      belief(7 * S, 0, 2, "alive"),
    ],
    [
      ...[...running, belief(S, 0, 1, "alive"), belief(S, 2, 1, "alive"), ...left(2 * S, 3 * S)],
      ...[belief(4 * S, 0, 1, "left"), belief(7 * S, 0, 2, "alive")],
    ],
  ],
  [
    "S-M11",
    [
      {
        ...settled("i"),
        unmirrored: ["n0 would route to i on n1, which its tables lack"],
      } as TraceEvent,
    ],
    [settled("i")],
  ],
  [
    "L-M6",
    [
      ...[...running, { at: S, kind: "stop", node: 1, how: "killed" } as const],
      ...[start(3, 9 * S), said(3, 0, 1, 9 * S), belief(10 * S, 3, 1, "alive")],
      belief(60 * S, 0, 2, "alive"),
    ],
    [
      ...[...running, { at: S, kind: "stop", node: 1, how: "killed" } as const],
      ...[start(3, 9 * S), said(3, 0, 1, 9 * S), belief(10 * S, 3, 1, "dead")],
      belief(60 * S, 0, 2, "alive"),
    ],
  ],
  [
    "S-M10",
    [
      { at: 0, kind: "paused", node: 0 },
      { at: 5 * S, kind: "resumed", node: 0 },
      accused(5.1 * S, 0, 1, "suspect", "silence"),
    ],
    [
      { at: 0, kind: "paused", node: 0 },
      { at: 5 * S, kind: "resumed", node: 0 },
      accused(8 * S, 0, 1, "suspect", "silence"),
    ],
  ],
  [
    "S-M15",
    [fault(0, true, "partition", [0], [1, 2]), accused(20 * S, 0, 1, "suspect", "silence")],
    [
      fault(0, true, "partition", [0], [1, 2]),
      accused(2 * S, 0, 1, "suspect", "silence"),
      fault(15 * S, false, "partition", [0], [1, 2]),
      accused(20 * S, 0, 1, "suspect", "silence"),
    ],
  ],
  [
    "S-M15",
    [fault(0, true, "broken cut", [0]), accused(20 * S, 0, 1, "suspect", "silence")],
    [
      fault(0, true, "loss", [0, 1], [2]),
      fault(15 * S, false, "loss", [0, 1], [2]),
      { ...fault(19 * S, true, "broken cut", [0]), id: 2 },
      accused(23 * S, 0, 1, "suspect", "silence"),
    ],
  ],
  ["S-D2", [published(1), published(2), stored(1, 2), stored(2, 1)], [published(1), stored(1, 1)]],
  ["S-D3", [stored(1, 2)], [published(2), stored(1, 2)]],
  ["S-D4", [registered(1), settled("j")], [registered(1), settled("i")]],
  [
    "S-D5",
    [
      registered(1),
      { at: 1, kind: "deregistered", node: 1, instance: "default/s/i" },
      settled("i"),
    ],
    [
      registered(1),
      { at: 1, kind: "deregistered", node: 1, instance: "default/s/i" },
      settled("j"),
    ],
  ],
  [
    "S-D6",
    [published(1, 1_000), stored(1, 1, 3_600_000), belief(S, 0, 2, "alive")],
    [
      published(1, 1_000),
      stored(1, 1, 3_600_000),
      belief(1, 0, 1, "alive"),
      stored(S, 1, 3_600_000),
    ],
  ],
  [
    "S-D10",
    Array.from({ length: 25 }, (_, seq) => published(seq, 0, seq * 100_000)),
    Array.from({ length: 25 }, (_, seq) => published(seq, 0, seq * S)),
  ],
  [
    "S-R1",
    [...running, registered(1), belief(S, 0, 1, "dead"), record(60 * S, 1)].filter(
      (event) => event.kind !== "start",
    ),
    [...running, registered(1), belief(S, 0, 1, "alive"), record(2 * S, 1)],
  ],
  ["S-R3", [record(S, 1)], [registered(1), record(S, 1)]],
  ["S-R5", [request(0), outcome(S), outcome(2 * S)], [request(0), outcome(S)]],
  ["S-R5", [request(0), said(0, 0, 1, 60 * S)], [request(0), outcome(9 * S)]],
  [
    "S-R5",
    [request(0), outcome(20 * S)],
    [request(0), fault(1, true, "slow", [0]), outcome(20 * S)],
  ],
  [
    "S-R6",
    [
      request(0, false),
      { at: 1, kind: "executed", node: 1, request: "r", instance: "i" },
      { at: 2, kind: "executed", node: 2, request: "r", instance: "j" },
    ],
    [
      request(0, true),
      { at: 1, kind: "executed", node: 1, request: "r", instance: "i" },
      { at: 2, kind: "executed", node: 2, request: "r", instance: "j" },
    ],
  ],
  [
    "S-B2",
    [
      registered(1),
      record(S, 1, "half-open"),
      record(S, 1, "half-open"),
      record(1.2 * S, 1, "half-open"),
    ],
    [
      registered(1),
      record(S, 1, "half-open"),
      record(S, 1, "half-open"),
      record(3 * S, 1, "half-open"),
    ],
  ],
  ["S-B3", [registered(1), record(S, 1, "open")], [registered(1), record(S, 1, "half-open")]],
  [
    "S-T1",
    [registered(1), record(S, 1, "closed", 140)],
    [registered(1), record(S, 1, "closed", 3)],
  ],
  [
    "S-T1",
    [
      ...Array.from({ length: 100 }, (_, at) => record(at * 1_000, 1)),
      record(12 * S, 1, "closed", 126),
    ],
    [
      ...Array.from({ length: 100 }, (_, at) => record(at * 1_000, 1)),
      record(S, 1, "closed", 136),
      // The hundred requests have left the window, their repeats have not.
      record(10.5 * S, 1),
    ],
  ],
];

const lives = (at: number, node: number, activation: number, isThere = true): TraceEvent => ({
  ...{ at, kind: isThere ? "activated" : "deactivated", node, actor: "a", activation },
});
const turn = (at: number, call: string, on = true): TraceEvent => ({
  ...{ at, kind: "turn", node: 1, actor: "a", activation: 1, call, on },
});
const actorCases: readonly Case[] = [
  [
    "S-A1",
    [...running, lives(S, 1, 1), lives(2 * S, 2, 2), lives(90 * S, 1, 1, false)],
    [...running, lives(S, 1, 1), lives(2 * S, 2, 2), lives(20 * S, 1, 1, false)],
  ],
  ["S-A1", [lives(S, 1, 1), lives(2 * S, 1, 2)], [lives(S, 1, 1), lives(2 * S, 2, 2)]],
  [
    "S-A1",
    [...running, lives(S, 1, 1), lives(2 * S, 2, 2), said(1, 0, 1, 90 * S)],
    [
      ...running,
      fault(S, true, "partition", [0, 1], [2, 3]),
      ...[lives(S, 1, 1), lives(2 * S, 2, 2), said(1, 0, 1, 90 * S)],
    ],
  ],
  [
    "S-A3",
    [turn(S, "c"), turn(S + 1, "d")],
    [turn(S, "c"), turn(S + 1, "c", false), turn(S + 2, "d")],
  ],
  ["S-A6", [turn(S, "c"), turn(S + 1, "c")], [turn(S, "c"), turn(S + 1, "d")]],
  ["S-A6", [called(S, "", "")], [turn(S, "c"), called(S + 1, "", "")]],
  [
    "S-A6",
    [turn(S, "c"), called(S + 1, "unreachable", "no")],
    [turn(S, "c"), called(S + 1, "link_reset", "unknown")],
  ],
  ["S-A6", [called(S, "not_owner", "no"), turn(S + 1, "c")], [called(S, "not_owner", "no")]],
];

const allCases = [...cases, ...actorCases, ...restCases, ...breakerCases];

describe("the checkers", () => {
  it.each(allCases)("%s finds its violation, and nothing in a trace without", (name, bad, good) => {
    expect(judge(bad).map(({ checker }) => checker)).toContain(name);
    expect(judge(good).map(({ checker }) => checker)).not.toContain(name);
  });

  it("say how often they had something to judge", () => {
    const panel = new Panel(context, CHECKERS);
    expect(panel.judged.get("S-A3")).toBe(0);
    panel.onEvent(turn(S, "c"));
    expect(panel.judged.get("S-A3")).toBe(1);
    panel.onEvent(record(S, 1));
    expect(panel.judged.get("S-T4")).toBe(0);
    panel.onEvent(attempted(S, [1, 20_000], "no"));
    expect(panel.judged.get("S-T4")).toBe(1);
  });

  it("each have a trace that violates them", () => {
    const covered = new Set(allCases.map(([name]) => name));
    const names = CHECKERS.map((create) => create(context).name);
    expect(names.filter((name) => !covered.has(name))).toEqual([]);
    expect(new Set(names).size).toBe(names.length);
  });
});
