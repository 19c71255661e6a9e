/** The model of the broadcast beside the real class, on the same plans; a bench does it larger. */
import { describe, expect, it } from "vitest";
import { measureBroadcast } from "../../../cli/sim/measure-broadcast.ts";
import { BROADCAST_SCENARIOS, broadcastPlan } from "../../../sim/gossip/scenarios.ts";
import {
  type BroadcastFigures,
  disagreement,
  ksDistance,
  pooled,
  quantile,
} from "../../../sim/gossip/statistics.ts";
import type { Plan } from "../../../sim/plan.ts";

async function compare(plan: Plan, everyMs: number) {
  const real = await measureBroadcast(plan, "gossipsub", everyMs);
  const model = await measureBroadcast(plan, "model", everyMs);
  return { real, model };
}

describe("the model of the broadcast", () => {
  it("agrees with the real class at 64 nodes, and neither violates anything", {
    timeout: 240_000,
  }, async () => {
    const { real, model } = await compare(broadcastPlan("loss1", 64, 1, 18_000), 400);
    expect(real.figures.probes).toBe(20);
    expect(real.figures.reached).toBe(1);
    expect([real.report.violations, model.report.violations]).toEqual([[], []]);
    expect(disagreement(real.figures, model.figures)).toEqual([]);
  });

  it.each(BROADCAST_SCENARIOS)(
    "agrees with the real class in scenario %s, over three seeds",
    {
      timeout: 240_000,
    },
    async (scenario) => {
      const pairs = [];
      for (const seed of [2, 3, 4]) {
        pairs.push(await compare(broadcastPlan(scenario, 20, seed, 50_000), 250));
      }
      const real = pooled(pairs.map((pair) => pair.real.figures));
      expect(disagreement(real, pooled(pairs.map((pair) => pair.model.figures)))).toEqual([]);
      const fault = { killed: "crash kill", partition: "partition" }[scenario as string];
      if (fault === undefined) return;
      for (const pair of pairs) {
        expect(pair.real.report.faults[fault]).toBeGreaterThan(0);
        expect(pair.real.report.faults).toEqual(pair.model.report.faults);
      }
    },
  );
});

describe("the comparison", () => {
  const figures = (delaysMs: readonly number[], changes = {}): BroadcastFigures => ({
    ...{ probes: 1, reached: 1, delaysMs, duplicatesPerDelivery: 4 },
    ...{ p50: quantile(delaysMs, 0.5), p90: quantile(delaysMs, 0.9) },
    ...{ p99: quantile(delaysMs, 0.99), ...changes },
  });
  const even = Array.from({ length: 100 }, (_, at) => at + 1);

  it("finds the largest gap between two distributions", () => {
    expect(ksDistance(even, even)).toBe(0);
    expect(ksDistance([1, 2], [3, 4])).toBe(1);
    expect(ksDistance([1, 2, 3, 4], [1, 2, 9, 9])).toBe(0.5);
  });

  it("counts every delivery of several seeds alike", () => {
    const one = figures([1, 5], { duplicatesPerDelivery: 2, reached: 1 });
    const other = figures([2, 3, 4, 9], { duplicatesPerDelivery: 5, reached: 0.5 });
    expect(pooled([one, other])).toEqual({
      ...{ probes: 2, reached: 0.75, delaysMs: [1, 2, 3, 4, 5, 9], duplicatesPerDelivery: 4 },
      ...{ p50: 4, p90: 9, p99: 9 },
    });
  });

  it("names what is out of tolerance", () => {
    expect(disagreement(figures(even), figures(even))).toEqual([]);
    const slower = even.map((delay) => delay * 1.5);
    expect(disagreement(figures(even), figures(slower)).join()).toMatch(/p50.*p90.*p99.*ks/);
    expect(disagreement(figures(even), figures(even, { reached: 0.98 })).join()).toMatch(/reached/);
    const nothing = figures([], { reached: 0 });
    expect(disagreement(figures(even), nothing).join()).toMatch(/p50: NaN/);
  });
});
