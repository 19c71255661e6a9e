import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ground, withoutAmbient } from "../../cli/sim/ambient.ts";
import { runPlan } from "../../cli/sim/run-plan.ts";
import { firstDifference, firstDifferingBlock } from "../../sim/compare.ts";
import type { Plan } from "../../sim/plan.ts";
import { drawPlan } from "../../sim/profiles.ts";

const CHILD = `
import { readFileSync } from "node:fs";
import { runPlan } from ${JSON.stringify(new URL("../../cli/sim/run-plan.ts", import.meta.url).href)};
const { report, blocks } = runPlan(JSON.parse(readFileSync(process.argv[1], "utf8")));
process.stdout.write(JSON.stringify({ hash: report.hash, events: report.events, blocks }));
`;
const NODE = fileURLToPath(new URL("../../node_modules/.bin/node", import.meta.url));

const plan: Plan = drawPlan({ profile: "mixed", seed: 11, nodes: 6, minutes: 0.3 });
let directory = "";

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "grapevine-sim-"));
});
afterAll(() => rmSync(directory, { recursive: true }));

function runInChild(given: Plan): { hash: string; events: number; blocks: string[] } {
  const file = join(directory, "plan.json");
  writeFileSync(file, JSON.stringify(given));
  const args = ["--input-type=module", "-e", CHILD, file];
  return JSON.parse(execFileSync(NODE, args, { encoding: "utf8" }));
}

describe("a run", () => {
  it("is the same in two processes, event by event", { timeout: 60_000 }, () => {
    const child = runInChild(plan);
    const { report, blocks } = runPlan(plan);
    expect(child.hash).toBe(report.hash);
    expect(child.events).toBe(report.events);
    expect(firstDifferingBlock(child.blocks, blocks)).toBeUndefined();
  });

  it("differs with another seed", { timeout: 60_000 }, () => {
    const other = { ...plan, seed: plan.seed + 1 };
    expect(runPlan(other).report.hash).not.toBe(runPlan(plan).report.hash);
  });

  it("names the first event in which it differs from another", { timeout: 60_000 }, () => {
    const atMs = 9_000;
    const event = { atMs, kind: "pause", node: 1, forMs: 4_000, resume: "timers" } as const;
    const calm = { ...plan, events: [] };
    const disturbed = { ...calm, events: [event] };
    const block = firstDifferingBlock(runPlan(calm).blocks, runPlan(disturbed).blocks);
    expect(block).toBeDefined();
    const watch = { watchBlock: block as number };
    const one = runPlan(calm, watch).watched;
    const difference = firstDifference(one, runPlan(disturbed, watch).watched);
    const atUs = Number(difference?.other.split(" ")[0]);
    // Planning one more event shifts the order of others at one moment, at the earliest at once.
    expect(atUs).toBeGreaterThanOrEqual(calm.joinMs * 1_000);
    expect(atUs).toBeLessThanOrEqual((calm.joinMs + atMs + 1_000) * 1_000);
  });
});

describe("inside a run", () => {
  it.each([
    ["the wall clock", () => Date.now()],
    ["the wall clock as a date", () => new Date()],
    ["the wall clock as a text", () => Date()],
    ["the machine's clock", () => process.hrtime()],
    ["how long the process has run", () => process.uptime()],
    ["chance", () => Math.random()],
    ["the process's clock", () => performance.now()],
    ["timers", () => setTimeout(() => {}, 1)],
    ["microtasks", () => queueMicrotask(() => {})],
    ["the next tick", () => process.nextTick(() => {})],
    ["deadlines", () => AbortSignal.timeout(1_000)],
  ])("%s cannot be reached, and can be afterwards", (_what, use) => {
    expect(() => withoutAmbient(use)).toThrow("not the same in two runs");
    expect(() => use()).not.toThrow();
  });

  it("dates that are given their time are still dates", () => {
    const made = withoutAmbient(() => new Date(42));
    expect(made.getTime()).toBe(42);
    expect(withoutAmbient(() => made instanceof Date)).toBe(true);
    expect(withoutAmbient(() => new Date(2026, 0).getFullYear())).toBe(2026);
  });

  it("a process of the second tier finds its own time, chance and timers, and no other's", async () => {
    const found: unknown[] = [];
    const timers: (readonly [number, () => void])[] = [];
    const ambience = {
      wallMs: () => 42,
      random: () => 0.25,
      after: (ms: number, callback: () => void) => {
        timers.push([ms, callback]);
        return { cancel: () => found.push(`cancelled ${ms}`) };
      },
    };
    const use = () => {
      found.push(Date.now(), Math.random(), new Date().toISOString());
      clearTimeout(setTimeout(() => {}, 7));
      setInterval(() => found.push("tick"), 9);
      void Promise.resolve().then(() => found.push("settled"));
    };
    await new Promise<void>((resolve) => {
      setImmediate(() => {
        withoutAmbient(() => {
          ground.within(ambience, use);
          found.push("after");
          ground.within(ambience, () => timers[1]?.[1]());
          expect(() => ground.within(ambience, () => performance.now())).toThrow("not the same");
          expect(() => Date.now()).toThrow("not the same");
        });
        resolve();
      });
    });
    expect(found).toEqual([
      42,
      0.25,
      "1970-01-01T00:00:00.042Z",
      "cancelled 7",
      "settled",
      "after",
      "tick",
    ]);
    expect(timers.map(([ms]) => ms)).toEqual([7, 9, 9]);
  });

  it("the second tier says so if its promises could not come to rest", async () => {
    const ambience = { wallMs: () => 0, random: () => 0, after: () => ({ cancel: () => {} }) };
    await Promise.resolve();
    expect(() => ground.within(ambience, () => {})).toThrow("from a macrotask");
  });
});
