import { describe, expect, it } from "vitest";
import { realPlan } from "../../cli/sim/real/real-plan.ts";
import type { Plan, PlanEvent } from "../../sim/plan.ts";
import { drawPlan } from "../../sim/profiles.ts";

const drawn = drawPlan({ profile: "calm", seed: 1, nodes: 4, minutes: 1 });

describe("the part of a plan that a host allows", () => {
  it("asks both worlds for the same requests: bursts and actors, which real callers lack, go", () => {
    const busy = { ...drawn.workload, burstsPerSecond: 3, callsPerSecond: 5 };
    const { plan, notes } = realPlan({ ...drawn, workload: busy });
    expect(plan.workload).toMatchObject({ burstsPerSecond: 0, callsPerSecond: 0 });
    expect(plan.workload.requestsPerSecond).toBe(drawn.workload.requestsPerSecond);
    expect(notes).toEqual(expect.arrayContaining(["bursts of requests", "calls of actors"]));
  });

  it("names what it leaves out as what it is", () => {
    const disk = { atMs: 1, kind: "disk", node: 0, forMs: 1 } as const;
    const clock = { atMs: 1, kind: "clock", node: 0 } as const;
    const events: PlanEvent[] = [
      disk,
      { ...disk, mode: "torn" },
      { ...clock, stepMs: 5 },
      { ...clock, stepMs: 0, driftPpm: 7 },
    ];
    const { plan, leftOut } = realPlan({ ...drawn, events } satisfies Plan);
    expect(plan.events).toEqual([]);
    expect(leftOut).toEqual({ "disk full": 1, "disk torn": 1, "clock step": 1, "clock drift": 1 });
  });
});
