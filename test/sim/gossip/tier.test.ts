/** The real GossipSub class in simulated nodes: it repeats, it suffers what plans do, it violates nothing. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { measureBroadcast } from "../../../cli/sim/measure-broadcast.ts";
import { firstDifferingBlock } from "../../../sim/compare.ts";
import { broadcastPlan } from "../../../sim/gossip/scenarios.ts";
import type { Plan, PlanEvent } from "../../../sim/plan.ts";

const NODE = fileURLToPath(new URL("../../../node_modules/.bin/node", import.meta.url));
const MODULE = new URL("../../../cli/sim/measure-broadcast.ts", import.meta.url).href;
const CHILD = `
import { readFileSync } from "node:fs";
import { measureBroadcast } from ${JSON.stringify(MODULE)};
const plan = JSON.parse(readFileSync(process.argv[1], "utf8"));
const { report, blocks } = await measureBroadcast(plan, "gossipsub", 500, true);
process.stdout.write(JSON.stringify({ hash: report.hash, events: report.events, blocks }));
`;
const road = { clog: false, loss: 0, delayMs: 0, jitterMs: 0, bytesPerSecond: 0 };
const others = [1, 2, 3, 4, 5, 6, 7];
const events: readonly PlanEvent[] = [
  { atMs: 3_000, kind: "reset", node: 0, other: 1 },
  { atMs: 3_500, kind: "reset", node: 2, other: 5 },
  { atMs: 4_000, kind: "pause", node: 2, forMs: 3_000, resume: "timers" },
  { atMs: 5_000, kind: "slow", node: 7, forMs: 6_000, costUs: 3_000 },
  { atMs: 6_000, kind: "crash", node: 3, forMs: 4_000, how: "kill", disk: "kept" },
  { atMs: 7_000, kind: "crash", node: 4, forMs: 15_000, how: "power", disk: "kept" },
  { atMs: 8_000, kind: "clock", node: 5, stepMs: -60_000 },
  { atMs: 9_000, kind: "road", from: [0], to: others, forMs: 5_000, ...road, loss: 0.4 },
  { atMs: 9_000, kind: "road", from: [6], to: others, forMs: 4_000, ...road, clog: true },
  { atMs: 15_000, kind: "partition", left: [0, 1, 2], forMs: 6_000, oneWay: false },
];
const plan: Plan = { ...broadcastPlan("calm", 8, 21, 30_000), events };
let directory = "";

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "grapevine-sim-"));
});
afterAll(() => rmSync(directory, { recursive: true }));

describe("the real class of the broadcast in virtual time", () => {
  it("runs the same in two processes, event by event, through every fault", {
    timeout: 120_000,
  }, async () => {
    const file = join(directory, "plan.json");
    writeFileSync(file, JSON.stringify(plan));
    const args = ["--input-type=module", "-e", CHILD, file];
    const child = JSON.parse(execFileSync(NODE, args, { encoding: "utf8" }));
    const { report, blocks, figures } = await measureBroadcast(plan, "gossipsub", 500, true);
    expect(child.hash).toBe(report.hash);
    expect(child.events).toBe(report.events);
    expect(firstDifferingBlock(child.blocks, blocks)).toBeUndefined();

    // All of it happened, nothing that must never happen did, and the broadcast came back.
    const kinds = ["reset", "pause", "slow", "crash kill", "crash power", "clock step", "loss"];
    for (const kind of [...kinds, "clog", "partition"]) {
      expect(report.faults[kind], kind).toBeGreaterThan(0);
    }
    expect(report.violations).toEqual([]);
    expect(figures.reached).toBeGreaterThan(0.9);
  });

  it("differs with another seed", { timeout: 120_000 }, async () => {
    const calm = { ...plan, nodes: 3, virtualMs: 12_000, events: [] };
    const one = await measureBroadcast(calm, "gossipsub", 500);
    const other = await measureBroadcast({ ...calm, seed: 22 }, "gossipsub", 500);
    expect(one.figures.reached).toBe(1);
    expect(other.report.hash).not.toBe(one.report.hash);
  });

  it("reaches everybody again after connections broke under it, again and again", {
    timeout: 120_000,
  }, async () => {
    const pairs = others.flatMap((node) => others.map((other) => ({ node, other })));
    const resets = pairs
      .filter(({ node, other }) => node < other)
      .map(({ node, other }, at): PlanEvent => {
        return { atMs: 2_000 + 150 * at, kind: "reset", node, other };
      });
    const broken: Plan = { ...plan, virtualMs: 40_000, events: resets };
    const { report, figures } = await measureBroadcast(broken, "gossipsub", 500, true);
    expect(report.faults["reset"]).toBeGreaterThan(15);
    expect(figures.reached).toBe(1);
  });
});
