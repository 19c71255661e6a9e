/** Single faults on small meshes: each run proves that its fault happened, and that it did no harm. */
import { describe, expect, it } from "vitest";
import { runPlan } from "../../cli/sim/run-plan.ts";
import type { Plan, PlanEvent } from "../../sim/plan.ts";
import { drawPlan, PROFILES } from "../../sim/profiles.ts";
import type { TraceEvent } from "../../sim/trace.ts";

const calm = drawPlan({ profile: "calm", seed: 5, nodes: 6, minutes: 0.75 });

function run(events: readonly PlanEvent[], changes: Partial<Plan> = {}) {
  const trace: TraceEvent[] = [];
  const plan: Plan = { ...calm, joinMs: 3_000, push: true, ...changes, events };
  const { report } = runPlan(plan, { onTrace: (event) => trace.push(event) });
  return { report, trace };
}

const road = { clog: false, loss: 0, delayMs: 0, jitterMs: 0, bytesPerSecond: 0 };
const others = [1, 2, 3, 4, 5];

const scenarios: readonly (readonly [string, string, PlanEvent])[] = [
  [
    "a killed agent",
    "crash kill",
    { atMs: 5_000, kind: "crash", node: 1, forMs: 20_000, how: "kill", disk: "kept" },
  ],
  [
    "a host without power",
    "crash power",
    { atMs: 5_000, kind: "crash", node: 1, forMs: 35_000, how: "power", disk: "kept" },
  ],
  [
    "a lost disk",
    "disk lost",
    { atMs: 5_000, kind: "crash", node: 1, forMs: 8_000, how: "kill", disk: "lost" },
  ],
  [
    "a rolling upgrade",
    "upgrade",
    { atMs: 5_000, kind: "leave", node: 1, forMs: 8_000, version: "0.2.0" },
  ],
  [
    "a stalled process",
    "pause",
    { atMs: 5_000, kind: "pause", node: 1, forMs: 15_000, resume: "timers" },
  ],
  [
    "a stalled process that reads first",
    "pause",
    { atMs: 5_000, kind: "pause", node: 1, forMs: 15_000, resume: "io" },
  ],
  [
    "a starved processor",
    "slow",
    { atMs: 5_000, kind: "slow", node: 1, forMs: 20_000, costUs: 20_000 },
  ],
  [
    "a partition in two halves",
    "partition",
    { atMs: 5_000, kind: "partition", left: [0, 1, 2], forMs: 30_000, oneWay: false },
  ],
  [
    "a deaf network card",
    "partition one way",
    { atMs: 5_000, kind: "partition", left: [1], forMs: 20_000, oneWay: true },
  ],
  [
    "a road that loses most",
    "loss",
    { atMs: 5_000, kind: "road", from: [1], to: others, forMs: 20_000, ...road, loss: 0.8 },
  ],
  [
    "a clogged road",
    "clog",
    { atMs: 5_000, kind: "road", from: [1], to: [2, 3], forMs: 20_000, ...road, clog: true },
  ],
  [
    "a narrow road",
    "narrow road",
    {
      atMs: 5_000,
      kind: "road",
      from: [1],
      to: others,
      forMs: 20_000,
      ...road,
      bytesPerSecond: 20_000,
    },
  ],
  [
    "late packets",
    "delay",
    {
      atMs: 5_000,
      kind: "road",
      from: [1],
      to: others,
      forMs: 20_000,
      ...road,
      delayMs: 1_500,
      jitterMs: 500,
    },
  ],
  [
    "a wall clock that jumps",
    "clock step",
    { atMs: 5_000, kind: "clock", node: 1, stepMs: -3_600_000 },
  ],
  ["a full disk", "disk full", { atMs: 5_000, kind: "disk", node: 1, forMs: 20_000 }],
  [
    "an application that hangs",
    "application hangs",
    { atMs: 5_000, kind: "application", node: 1, forMs: 15_000, mode: "hangs" },
  ],
  [
    "a liar that accuses",
    "byzantine accuse",
    { atMs: 5_000, kind: "byzantine", node: 1, forMs: 15_000, behaviour: "accuse" },
  ],
  [
    "a forger",
    "byzantine forge",
    { atMs: 5_000, kind: "byzantine", node: 1, forMs: 15_000, behaviour: "forge" },
  ],
  [
    "an equivocator",
    "byzantine equivocate",
    { atMs: 5_000, kind: "byzantine", node: 1, forMs: 15_000, behaviour: "equivocate" },
  ],
  [
    "damaged packets",
    "byzantine garbage",
    { atMs: 5_000, kind: "byzantine", node: 1, forMs: 15_000, behaviour: "garbage" },
  ],
  [
    "replayed packets",
    "byzantine replay",
    { atMs: 5_000, kind: "byzantine", node: 1, forMs: 15_000, behaviour: "replay" },
  ],
  [
    "a flood",
    "byzantine flood",
    { atMs: 5_000, kind: "byzantine", node: 1, forMs: 5_000, behaviour: "flood" },
  ],
  [
    "a member that says nothing",
    "byzantine withhold",
    { atMs: 5_000, kind: "byzantine", node: 1, forMs: 15_000, behaviour: "withhold" },
  ],
  [
    "a host that comes back from an old snapshot",
    "disk rolled back",
    { atMs: 5_000, kind: "crash", node: 1, forMs: 8_000, how: "kill", disk: "rolled back" },
  ],
  [
    "a zone without power",
    "zone power",
    { atMs: 5_000, kind: "zone", zone: 1, forMs: 25_000, how: "power" },
  ],
  ["a zone cut off", "zone cut", { atMs: 5_000, kind: "zone", zone: 1, forMs: 25_000, how: "cut" }],
  ["a wave of nodes that join", "join wave", { atMs: 5_000, kind: "join", nodes: [3, 4, 5] }],
  [
    "more requests than usual",
    "overload",
    { atMs: 5_000, kind: "overload", node: 1, forMs: 10_000, requestsPerSecond: 200 },
  ],
  [
    "roads that are clogged one by one",
    "swizzle",
    { atMs: 5_000, kind: "swizzle", nodes: [1, 2, 3], forMs: 20_000 },
  ],
  ["a forgotten connection", "half-open", { atMs: 5_000, kind: "half-open", node: 1, other: 2 }],
  [
    "messages that arrive twice",
    "duplicates",
    {
      atMs: 1_000,
      kind: "road",
      from: [0, 1, 2, 3, 4, 5],
      to: [0, 1, 2, 3, 4, 5],
      forMs: 20_000,
      ...road,
      duplicates: 1,
    },
  ],
  [
    "a clock that runs fast",
    "clock drift",
    { atMs: 5_000, kind: "clock", node: 1, stepMs: 0, driftPpm: 5_000 },
  ],
  ["a slow disk", "disk slow", { atMs: 5_000, kind: "disk", node: 1, forMs: 20_000, mode: "slow" }],
  [
    "a disk that tears what it writes",
    "disk torn",
    { atMs: 5_000, kind: "disk", node: 1, forMs: 20_000, mode: "torn" },
  ],
  [
    "a member that passes nothing on",
    "byzantine suppress",
    { atMs: 5_000, kind: "byzantine", node: 1, forMs: 15_000, behaviour: "suppress" },
  ],
  [
    "a member that lies about its store",
    "byzantine digest",
    { atMs: 5_000, kind: "byzantine", node: 1, forMs: 15_000, behaviour: "digest" },
  ],
  [
    "poisonous documents",
    "byzantine poison",
    { atMs: 5_000, kind: "byzantine", node: 1, forMs: 30_000, behaviour: "poison" },
  ],
  [
    "documents as large as they come",
    "byzantine huge",
    { atMs: 5_000, kind: "byzantine", node: 1, forMs: 15_000, behaviour: "huge" },
  ],
  [
    "documents from the future",
    "byzantine future",
    { atMs: 5_000, kind: "byzantine", node: 1, forMs: 15_000, behaviour: "future" },
  ],
  ["a cloned disk", "clone", { atMs: 5_000, kind: "clone", node: 1, forMs: 10_000 }],
  [
    "a process that gets the processor now and then",
    "starve",
    {
      ...{ atMs: 5_000, kind: "starve", node: 1, forMs: 20_000, blockMs: 3_000, runMs: 50 },
      costUs: 500,
      resume: "timers",
    },
  ],
];

describe("a mesh survives", () => {
  it.each(scenarios)("%s", { timeout: 60_000 }, (_title, fault, event) => {
    const { report } = run([event]);
    expect(report.faults[fault]).toBe(1);
    expect(report.violations).toEqual([]);
    expect(report.metrics["convergedMs"]).toBeGreaterThanOrEqual(0);
    expect(report.metrics["answered"]).toBeGreaterThan(0);
  });

  it("the loss of every push, by anti-entropy alone", { timeout: 60_000 }, () => {
    const { report } = run(
      [{ atMs: 2_000, kind: "register", node: 1, service: "s1", id: "late" }],
      { push: false },
    );
    expect(report.violations).toEqual([]);
    expect(report.metrics["gossipDelivered"]).toBe(0);
  });
});

describe("a mesh comes right without", () => {
  it.each(["power", "pause", "cut", "deaf"] as const)(
    "a machine that stays broken: %s",
    { timeout: 60_000 },
    (how) => {
      const { report, trace } = run([], { broken: [{ node: 2, how }], virtualMs: 5_000 });
      expect(report.faults[`left broken: ${how}`]).toBe(1);
      expect(report.violations).toEqual([]);
      expect(report.metrics["convergedMs"]).toBeGreaterThan(0);
      const settled = trace.flatMap((event) => (event.kind === "settled" ? [event.node] : []));
      expect(settled).toEqual([0, 1, 3, 4, 5]);
      const dead = trace.filter((event) => event.kind === "belief" && event.belief === "dead");
      expect(new Set(dead.map((event) => "subject" in event && event.subject))).toContain(2);
    },
  );
});

describe("what a scenario is for", () => {
  it("a killed agent is dead for all within two seconds", { timeout: 60_000 }, () => {
    const [, , event] = scenarios[0] as (typeof scenarios)[0];
    const { report } = run([event]);
    expect(report.metrics["detectedMsP99"]).toBeGreaterThan(0);
    expect(report.metrics["detectedMsP99"]).toBeLessThan(2_000);
  });

  it("a host without power is dead for all within twelve seconds", { timeout: 60_000 }, () => {
    const [, , event] = scenarios[1] as (typeof scenarios)[0];
    const { report } = run([event]);
    expect(report.metrics["detectedMsP99"]).toBeGreaterThan(2_000);
    expect(report.metrics["detectedMsP99"]).toBeLessThan(12_000);
  });

  it("both halves of a partition hold the other dead", { timeout: 60_000 }, () => {
    const [, , event] = scenarios[7] as (typeof scenarios)[0];
    const { report } = run([event]);
    expect(report.marks["member dead"]).toBeGreaterThanOrEqual(18);
    expect(report.marks["member alive"]).toBeGreaterThanOrEqual(18);
  });

  it("a forger is refused by name, and nobody believes it", { timeout: 60_000 }, () => {
    const { trace } = run([
      { atMs: 5_000, kind: "byzantine", node: 1, forMs: 15_000, behaviour: "forge" },
    ]);
    const refused = trace.filter((event) => event.kind === "refused");
    expect(refused.length).toBeGreaterThan(0);
    expect(new Set(refused.map((event) => event.from))).toEqual(new Set([1]));
  });
});

describe("actors", () => {
  const workload = { ...calm.workload, callsPerSecond: 20 };

  it("answer everybody's calls in a calm mesh", { timeout: 60_000 }, () => {
    const { report } = run([], { workload });
    expect(report.violations).toEqual([]);
    const failed = Object.keys(report.marks).filter((name) => name.startsWith("call "));
    expect(failed).toEqual(["call answered"]);
    expect(report.marks["call answered"]).toBeGreaterThan(500);
  });

  it("move to other nodes when theirs leaves, and back, and live once", { timeout: 60_000 }, () => {
    const leave = {
      atMs: 10_000,
      kind: "leave",
      node: 1,
      forMs: 10_000,
      version: "0.2.0",
    } as const;
    const { report, trace } = run([leave], { workload });
    expect(report.violations).toEqual([]);
    const lives = new Map<string, Set<number>>();
    for (const event of trace) {
      if (event.kind !== "activated") continue;
      lives.set(event.actor, (lives.get(event.actor) ?? new Set()).add(event.node));
    }
    const moved = [...lives.values()].filter((nodes) => nodes.size > 1);
    expect(moved.length).toBeGreaterThan(3);
  });

  it("live on both sides of a partition, and once again when it heals", { timeout: 90_000 }, () => {
    const cut = { atMs: 5_000, kind: "partition", left: [0, 1, 2], forMs: 40_000, oneWay: false };
    const { report, trace } = run([cut as PlanEvent], { workload });
    expect(report.faults["partition"]).toBe(1);
    expect(report.violations).toEqual([]);
    const sides = new Map<string, Set<string>>();
    let isTwice = false;
    for (const event of trace) {
      if (event.kind !== "activated" && event.kind !== "deactivated") continue;
      const known = sides.get(event.actor) ?? new Set();
      sides.set(event.actor, known);
      const side = event.node < 3 ? "left" : "right";
      if (event.kind === "activated") known.add(side);
      else known.delete(side);
      isTwice ||= known.size === 2;
    }
    expect(isTwice).toBe(true);
  });
});

describe("the profiles", () => {
  it("draw a plan that follows from the seed alone", () => {
    for (const profile of PROFILES) {
      const choice = { profile, seed: 3, nodes: undefined, minutes: undefined };
      expect(drawPlan(choice)).toEqual(drawPlan(choice));
      expect(drawPlan({ ...choice, seed: 4 })).not.toEqual(drawPlan(choice));
    }
  });
});
