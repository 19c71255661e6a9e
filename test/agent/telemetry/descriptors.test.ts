import { describe, expect, it } from "vitest";
import { DescriptorAlarm, descriptorReader } from "../../../agent/telemetry/descriptors.ts";

describe("file descriptors that run out", () => {
  it("are warned of once, with what to do, and again only after they were plenty", () => {
    const warnings: string[] = [];
    const alarm = new DescriptorAlarm((text) => warnings.push(text));
    const told = (open: number) => {
      alarm.onUse({ open, max: 100 });
      return warnings.length;
    };
    expect([50, 89, 90, 100, 85, 95].map(told)).toEqual([0, 0, 1, 1, 1, 1]);
    expect(warnings[0]).toMatch(/^90 of 100 file descriptors are in use.*ulimit -n/);
    expect([79, 100].map(told)).toEqual([1, 2]);
  });

  it.runIf(process.platform === "linux")("are counted", () => {
    const { open = 0, max = 0 } = descriptorReader()?.() ?? {};
    expect(open).toBeGreaterThan(2);
    expect(max).toBeGreaterThan(open);
  });
});
