/**
 * One simulation for each way in which failure detectors are known to fail in production, that
 * provokes exactly this failure, proves that it was provoked, and that the defence held. The
 * directory's are in defences-directory.test.ts.
 */
import { describe, expect, it } from "vitest";
import type { PlanEvent } from "../../sim/plan.ts";
import type { Simulation } from "../../sim/simulation.ts";
import { DefenceRun } from "./defence.ts";

const LONG = { timeout: 120_000 };
const everybody = Array.from({ length: 12 }, (_, node) => node);
const but = (...nodes: number[]) => everybody.filter((node) => !nodes.includes(node));
const road = { clog: false, loss: 0, delayMs: 0, jitterMs: 0, bytesPerSecond: 0 };

function awarenessOf(simulation: Simulation, node: number): number {
  let score = 0;
  simulation.fleet.hosts[node]?.agent?.node.control.withMembership((membership) => {
    score = membership.health().awareness;
  });
  return score;
}

describe("a false alarm of a starved observer", () => {
  it("is not raised: it finds itself ill, and buries nobody", LONG, () => {
    const worst = new Map<number, number>();
    const starved = [1, 2];
    const run = new DefenceRun(
      starved.map((node) => ({ atMs: 5_000, kind: "slow", node, forMs: 40_000, costUs: 60_000 })),
      {},
      (simulation) => {
        for (const node of everybody) {
          const score = Math.max(worst.get(node) ?? 0, awarenessOf(simulation, node));
          worst.set(node, score);
        }
      },
    );
    expect(run.report.faults["slow"]).toBe(2);
    for (const node of starved) expect(worst.get(node)).toBeGreaterThanOrEqual(4);
    for (const node of but(...starved)) expect(worst.get(node)).toBeLessThan(4);
    const buried = run.of("accused").filter(({ verdict }) => verdict === "dead");
    expect(buried.filter(({ node }) => starved.includes(node))).toEqual([]);
    for (const node of but(...starved)) expect(run.dead()).not.toContain(node);
    expect(run.report.violations).toEqual([]);
  });
});

describe("flapping", () => {
  it("of one member comes to rest: at last it stays dead until its road is well", LONG, () => {
    const cuts = Array.from({ length: 12 }, (_, at): PlanEvent => {
      return { atMs: at * 12_000, kind: "partition", left: [1], forMs: 9_000, oneWay: false };
    });
    const run = new DefenceRun(cuts, { virtualMs: 150_000 });
    expect(run.report.faults["partition"]).toBe(12);
    for (const node of but(1)) {
      const seen = run.beliefsOf(1).filter((event) => event.node === node);
      const deaths = seen.filter(({ belief }) => belief === "dead");
      expect(deaths.length).toBeGreaterThanOrEqual(3);
      // Who contradicted whatever is said of it at once died seven or eight times.
      expect(deaths.length).toBeLessThanOrEqual(6);
      expect(seen.at(-1)?.belief).toBe("alive");
    }
    expect(run.report.violations).toEqual([]);
  });

  it("does not spread: no other member is suspected for it by anybody but the one", LONG, () => {
    const run = new DefenceRun([
      { atMs: 5_000, kind: "byzantine", node: 1, forMs: 40_000, behaviour: "accuse" },
    ]);
    const lies = run.of("accused").filter(({ node }) => node === 1);
    expect(lies.length).toBeGreaterThan(20);
    expect(run.of("accused").filter(({ node }) => node !== 1)).toEqual([]);
    expect(run.dead().size).toBe(0);
    expect(run.report.violations).toEqual([]);
  });
});

describe("one-way faults and heavy loss", () => {
  it("a member that is heard by nobody is dead for all, and buries nobody itself", LONG, () => {
    const run = new DefenceRun([
      { atMs: 5_000, kind: "partition", left: [1], forMs: 40_000, oneWay: true },
    ]);
    expect(run.report.faults["partition one way"]).toBe(1);
    const dead = run.beliefsOf(1, 5_000).filter(({ belief }) => belief === "dead");
    expect(new Set(dead.map(({ node }) => node))).toEqual(new Set(but(1)));
    expect(Math.max(...dead.map((event) => run.msOf(event)))).toBeLessThan(5_000 + 20_000);
    const others = run.of("belief").filter(({ node, subject }) => node !== 1 && subject !== 1);
    expect(others.filter(({ belief }) => belief === "dead")).toEqual([]);
    expect(run.report.violations).toEqual([]);
  });

  it("loss of 80% around one member ends in a stable view of it", LONG, () => {
    const loss = { ...road, loss: 0.8, forMs: 100_000 };
    const run = new DefenceRun(
      [
        { atMs: 5_000, kind: "road", from: [1], to: but(1), ...loss },
        { atMs: 5_000, kind: "road", from: but(1), to: [1], ...loss },
      ],
      { virtualMs: 110_000 },
    );
    expect(run.report.faults["loss"]).toBe(2);
    const deaths = run
      .beliefsOf(1, 5_000)
      .filter((event) => event.belief === "dead" && run.msOf(event) < 105_000);
    for (const node of but(1)) {
      expect(deaths.filter((event) => event.node === node).length).toBeLessThanOrEqual(5);
    }
    const others = run.of("belief").filter(({ node, subject }) => node !== 1 && subject !== 1);
    expect(others.filter(({ belief }) => belief === "dead")).toEqual([]);
    expect(run.report.violations).toEqual([]);
  });

  it("a road that fails between two members alone convicts neither", LONG, () => {
    const run = new DefenceRun([
      { atMs: 5_000, kind: "road", from: [1], to: [2], ...road, clog: true, forMs: 40_000 },
      { atMs: 5_000, kind: "road", from: [2], to: [1], ...road, clog: true, forMs: 40_000 },
    ]);
    expect(run.report.faults["clog"]).toBe(2);
    expect(run.of("accused").filter(({ verdict }) => verdict === "dead")).toEqual([]);
    expect(run.dead().size).toBe(0);
    expect(run.report.violations).toEqual([]);
  });
});

describe("a partition", () => {
  // All seeds are on one side: the other has to be found again by those who hold it dead.
  it("heals by itself, after both sides held the other dead", LONG, () => {
    const left = [0, 1, 2, 3, 4, 5];
    const run = new DefenceRun(
      [{ atMs: 5_000, kind: "partition", left, forMs: 40_000, oneWay: false }],
      { virtualMs: 75_000 },
    );
    const dead = run.of("belief").filter(({ belief }) => belief === "dead");
    expect(new Set(dead.map(({ node, subject }) => `${node} ${subject}`)).size).toBe(72);
    const back = run.of("belief").filter((event) => run.msOf(event) > 45_000);
    const pairs = back.filter(
      ({ node, subject, belief }) =>
        belief === "alive" && left.includes(node) !== left.includes(subject),
    );
    expect(new Set(pairs.map(({ node, subject }) => `${node} ${subject}`)).size).toBe(72);
    expect(Math.max(...back.map((event) => run.msOf(event)))).toBeLessThan(45_000 + 25_000);
    expect(run.report.violations).toEqual([]);
  });
});

describe("who was alone for a while", () => {
  it(
    "says of a member that is still silent why it holds it alive, and not that it heard it",
    LONG,
    () => {
      const alone = {
        atMs: 2_000,
        kind: "partition",
        left: [1],
        forMs: 40_000,
        oneWay: false,
      } as const;
      const dead = { atMs: 10_000, kind: "crash", node: 0, forMs: 60_000, how: "power" } as const;
      const run = new DefenceRun([alone, { ...dead, disk: "kept" }], {
        nodes: 3,
        virtualMs: 75_000,
      });
      const held = run.beliefsOf(0).filter(({ node }) => node === 1);
      expect(held.some(({ why }) => why === "this node hears nobody")).toBe(true);
      const silent = held.filter((event) => run.msOf(event) > 10_000 && run.msOf(event) < 70_000);
      expect(silent.filter(({ why }) => why === "heard again")).toEqual([]);
      expect(silent.map(({ why }) => why)).toContain("this node hears others again");
    },
  );
});

describe("a restart of nearly everybody", () => {
  it("leaves nobody stuck dead, though the few that stayed held all others dead", LONG, () => {
    const stayed = [9, 10, 11];
    const run = new DefenceRun(
      but(...stayed).map((node) => {
        const forMs = 35_000 + node * 100;
        return { atMs: 5_000, kind: "crash", node, forMs, how: "power", disk: "kept" };
      }),
      { virtualMs: 70_000 },
    );
    expect(run.report.faults["crash power"]).toBe(9);
    expect(run.dead()).toEqual(new Set(but(...stayed)));
    // All were up again for a while before the heal, which had nothing left to do.
    expect(run.report.metrics["convergedMs"]).toBeLessThan(500);
    expect(run.report.violations).toEqual([]);
  });
});

describe("a restart with a lost or rolled-back incarnation", () => {
  it("takes an epoch above all former ones, though its clock was set back", LONG, () => {
    const run = new DefenceRun([
      { atMs: 4_000, kind: "clock", node: 1, stepMs: -3_600_000 },
      { atMs: 5_000, kind: "crash", node: 1, forMs: 15_000, how: "power", disk: "kept" },
    ]);
    const [former = 0, next = 0] = epochsOf(run, 1);
    expect(next).toBe(former + 1);
    expect(run.report.violations).toEqual([]);
  });

  it("without its disk outbids what others still hold of its past", LONG, () => {
    const run = new DefenceRun([
      { atMs: 4_000, kind: "clock", node: 1, stepMs: -3_600_000 },
      { atMs: 5_000, kind: "crash", node: 1, forMs: 15_000, how: "power", disk: "lost" },
    ]);
    const [former = 0, next = 0] = epochsOf(run, 1);
    expect(next).toBeLessThan(former);
    const said = run.of("said").filter((event) => event.node === 1 && run.msOf(event) > 20_000);
    expect(Math.max(...said.map(({ epoch }) => epoch))).toBeGreaterThanOrEqual(former);
    expect(run.report.marks["directory outrun"]).toBeGreaterThan(0);
    expect(run.report.metrics["convergedMs"]).toBeLessThan(500);
    expect(run.report.violations).toEqual([]);
  });
});

function epochsOf(run: DefenceRun, node: number): number[] {
  return run.of("start").flatMap((event) => (event.node === node ? [event.epoch] : []));
}

describe("a conflict of names and addresses", () => {
  it("two machines that come back with each other's address stay who they are", LONG, () => {
    const run = new DefenceRun([{ atMs: 5_000, kind: "swap", node: 1, other: 7, forMs: 3_000 }]);
    expect(run.report.faults["swapped addresses"]).toBe(1);
    for (const node of [1, 7]) {
      const back = run.beliefsOf(node, 8_000).filter(({ belief }) => belief === "alive");
      expect(new Set(back.map((event) => event.node)).size).toBe(11);
    }
    expect(run.of("duplicate")).toEqual([]);
    expect(run.report.metrics["convergedMs"]).toBeLessThan(500);
    expect(run.report.violations).toEqual([]);
  });

  it("who speaks in another's name is refused, by name", LONG, () => {
    const run = new DefenceRun([
      { atMs: 5_000, kind: "byzantine", node: 1, forMs: 20_000, behaviour: "forge" },
    ]);
    expect(new Set(run.of("refused").map(({ from }) => from))).toContain(1);
    const gone = run.of("belief").filter(({ belief }) => belief === "left" || belief === "dead");
    expect(gone).toEqual([]);
    expect(run.report.violations).toEqual([]);
  });
});

describe("a duplicate identity", () => {
  it("is noticed, and does not become a war of incarnations", LONG, () => {
    const run = new DefenceRun([{ atMs: 5_000, kind: "clone", node: 1, forMs: 35_000 }]);
    expect(run.report.faults["clone"]).toBe(1);
    const [first] = run.of("duplicate");
    expect(first?.subject).toBe(1);
    expect(run.msOf(first as never)).toBeLessThan(5_000 + 15_000);
    const said = run.of("said").filter((event) => event.node === 1 && run.msOf(event) > 5_000);
    expect(said.length).toBeLessThan(12);
    expect(run.report.violations).toEqual([]);
  });
});

describe("slow leaving", () => {
  it("does not happen: who leaves is gone for all within a second", LONG, () => {
    const run = new DefenceRun([
      { atMs: 5_000, kind: "leave", node: 1, forMs: 30_000, version: "0.1.0" },
    ]);
    const [stop] = run.of("stop");
    const left = run.beliefsOf(1, 5_000).filter(({ belief }) => belief === "left");
    expect(new Set(left.map(({ node }) => node))).toEqual(new Set(but(1)));
    for (const event of left) expect(run.msOf(event) - run.msOf(stop as never)).toBeLessThan(1_000);
    expect(run.dead().size).toBe(0);
    expect(run.report.violations).toEqual([]);
  });
});

describe("memory and processor at size", () => {
  it("each of 60 nodes watches eight others and is connected to a few", LONG, () => {
    const nodes = 60;
    const run = new DefenceRun([], { nodes, virtualMs: 20_000, joinMs: 10_000 });
    const held = run.of("settled").flatMap(({ held: kept }) => kept ?? []);
    expect(held.length).toBe(nodes);
    expect(Math.max(...held.map(({ subjects }) => subjects))).toBe(8);
    expect(Math.max(...held.map(({ peers }) => peers))).toBeLessThanOrEqual(48);
    expect(run.report.violations).toEqual([]);
  });
});

describe("a stall of the event loop", () => {
  // The observer suspects a member rightly when it stops, and all its deadlines pass meanwhile.
  it("lets no deadline convict that passed while nothing could be read", LONG, () => {
    const run = new DefenceRun(
      [
        { atMs: 5_000, kind: "crash", node: 1, forMs: 60_000, how: "power", disk: "kept" },
        { atMs: 8_500, kind: "pause", node: 2, forMs: 9_000, resume: "timers" },
      ],
      { virtualMs: 60_000 },
    );
    expect(run.report.faults["pause"]).toBe(1);
    const own = run.of("accused").filter(({ node }) => node === 2);
    const before = own.filter((event) => run.msOf(event) < 8_500);
    expect(before.map(({ subject, verdict }) => `${verdict} n${subject}`)).toEqual(["suspect n1"]);
    expect(own.filter(({ subject }) => subject !== 1)).toEqual([]);
    const resumedMs = Math.min(...run.of("resumed").map((event) => run.msOf(event)));
    const after = own.map((event) => run.msOf(event) - resumedMs).filter((ms) => ms >= 0);
    expect(after.filter((ms) => ms < 500)).toEqual([]);
    expect(run.report.violations).toEqual([]);
  });
});
