import { describe, expect, it } from "vitest";
import { createKeyRing } from "../../../cli/sim/keys.ts";
import { LIFEGUARD, SWIM } from "../../../sim/swim/config.ts";
import { runSubject, SUBJECTS, shapeOf, summarize } from "../../../sim/swim/experiment.ts";
import { runSwim } from "../../../sim/swim/run-swim.ts";

/** Shorter than the experiment in docs/membership.md, with the same starvation. */
const SHORT = { ...shapeOf(1, 32, 60_000), tailMs: 20_000 };

describe("a third of 100 members starved of their processor", () => {
  it("never makes us declare a sound member dead where SWIM does so by the hundred, and crashes are known sooner", {
    timeout: 600_000,
  }, () => {
    const [ours, lifeguard, swim] = SUBJECTS.map((subject) =>
      summarize([runSubject(subject, SHORT, createKeyRing())]),
    ) as [ReturnType<typeof summarize>, ReturnType<typeof summarize>, ReturnType<typeof summarize>];
    expect(swim.falsePositives).toBeGreaterThan(100);
    expect(lifeguard.falsePositives).toBeLessThan(swim.falsePositives / 10);
    expect(ours.falsePositives).toBeLessThanOrEqual(swim.falsePositives * 0.015);
    expect(ours.undetected).toBe(0);
    expect(ours.violations).toBe(0);
    for (const peer of [swim, lifeguard]) {
      expect(ours.firstMsP99).toBeLessThanOrEqual(peer.firstMsP99);
      expect(ours.fullMsP99).toBeLessThanOrEqual(peer.fullMsP99);
    }
  });
});

describe("the SWIM peer", () => {
  it("finds every crash and errs never while nobody starves", () => {
    const calm = { ...SHORT, nodes: 40, anomalies: 0 };
    for (const config of [SWIM, LIFEGUARD]) {
      const result = runSwim(config, calm);
      expect(result.falsePositives).toBe(0);
      expect(result.undetected).toBe(0);
      for (const ms of result.firstMs) expect(ms).toBeLessThan(15_000);
    }
  });

  it("runs the same way twice", () => {
    const starved = { ...SHORT, nodes: 40, anomalies: 8 };
    expect(runSwim(LIFEGUARD, starved)).toEqual(runSwim(LIFEGUARD, starved));
  });
});
