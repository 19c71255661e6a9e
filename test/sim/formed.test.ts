import { describe, expect, it } from "vitest";
import { runPlan } from "../../cli/sim/run-plan.ts";
import { drawPlan } from "../../sim/profiles.ts";
import type { TraceEvent } from "../../sim/trace.ts";

const drawn = drawPlan({ profile: "calm", seed: 5, nodes: 60, minutes: 0.5 });
const formed = { ...drawn, isFormed: true, joinMs: 5_000 };

describe("a mesh that begins formed", () => {
  it("holds all members and documents from the start, and nobody is told of anybody", () => {
    const beliefs: TraceEvent[] = [];
    const plan = { ...formed, events: [] };
    const { report } = runPlan(plan, {
      onTrace: (event) => {
        if (event.kind === "belief") beliefs.push(event);
      },
    });
    expect(report.violations).toEqual([]);
    expect(beliefs).toEqual([]);
    expect(report.metrics["answered"]).toBeGreaterThan(0);
    expect(report.metrics["gossipDelivered"]).toBe(0);
  });

  it("notices a crash as one that has formed by itself does, and takes the member back", () => {
    const events = [
      { atMs: 2_000, kind: "crash", node: 7, forMs: 10_000, how: "kill", disk: "kept" },
    ] as const;
    const seen = new Set<number>();
    const { report } = runPlan(
      { ...formed, events },
      {
        onTrace: (event) => {
          if (event.kind === "belief" && event.subject === 7 && event.belief === "dead") {
            seen.add(event.node);
          }
        },
      },
    );
    expect(report.faults["crash kill"]).toBe(1);
    expect(seen.size).toBe(59);
    expect(report.violations).toEqual([]);
  });
});
