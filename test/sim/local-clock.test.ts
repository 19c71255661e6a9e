import { describe, expect, it } from "vitest";
import type { Millis } from "../../core/types.ts";
import { Lane } from "../../sim/engine/lane.ts";
import { LocalClock } from "../../sim/engine/local-clock.ts";
import { World } from "../../sim/engine/world.ts";

function clockAt(driftPpm: number) {
  const world = new World(1);
  const clock = new LocalClock(world, new Lane(1, 0), { offsetMs: 0, driftPpm }, 1_000);
  return { world, clock };
}

describe("a clock whose rate changes", () => {
  it("goes on from where it was", () => {
    const { world, clock } = clockAt(0);
    world.runUntil(1_000_000);
    clock.setRate(100_000);
    expect(clock.now()).toBe(2_000);
    world.runUntil(2_000_000);
    expect(clock.now()).toBeCloseTo(3_100, 6);
  });

  it("keeps timers waiting that were set while it ran faster", () => {
    const { world, clock } = clockAt(100_000);
    const fired: number[] = [];
    clock.at(3_200 as Millis, () => fired.push(clock.now()));
    world.runUntil(1_000_000);
    clock.setRate(-100_000);
    world.runUntil(2_100_000);
    expect(fired).toEqual([]);
    world.runUntil(3_000_000);
    expect(fired.length).toBe(1);
    expect(fired[0]).toBeGreaterThanOrEqual(3_200);
  });

  it("tells moments before the change apart", () => {
    const { world, clock } = clockAt(0);
    world.runUntil(2_000_000);
    clock.setRate(5_000);
    const early = clock.worldTimeOf(1_500 as Millis);
    const late = clock.worldTimeOf(2_500 as Millis);
    expect(late - early).toBeGreaterThan(900_000);
  });
});
