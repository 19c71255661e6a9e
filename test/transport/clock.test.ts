import { describe, expect, it } from "vitest";
import type { Millis } from "../../core/types.ts";
import { SystemClock } from "../../transport/clock.ts";
import { monitorLoopDelay, systemRandom } from "../../transport/entropy.ts";

describe("the system clock", () => {
  it("never calls back early", async () => {
    const clock = new SystemClock();
    const early = await Promise.all(
      Array.from({ length: 40 }, (_, index) => {
        const when = (clock.now() + index * 1.3) as Millis;
        return new Promise<number>((resolve) => clock.at(when, () => resolve(clock.now() - when)));
      }),
    );
    expect(Math.min(...early)).toBeGreaterThanOrEqual(0);
  });

  it("takes deadlines beyond what setTimeout can, and cancels", async () => {
    const clock = new SystemClock({ unref: true });
    let called = 0;
    const far = clock.at((clock.now() + 2 ** 40) as Millis, () => called++);
    const past = clock.at((clock.now() - 5) as Millis, () => called++);
    const soon = clock.at((clock.now() + 2) as Millis, () => called++);
    past.cancel();
    soon.cancel();
    await new Promise((resolve) => setTimeout(resolve, 20));
    far.cancel();
    expect(called).toBe(0);
  });
});

describe("the event loop's delay", () => {
  it("is reported when the loop was blocked", async () => {
    const delays: number[] = [];
    const monitor = monitorLoopDelay((delay) => delays.push(delay), 10, 60);
    await new Promise((resolve) => setTimeout(resolve, 15));
    const end = performance.now() + 150;
    while (performance.now() < end);
    await new Promise((resolve) => setTimeout(resolve, 30));
    monitor.stop();
    expect(Math.max(...delays)).toBeGreaterThan(80);
  });
});

it("seeds differ between generators", () => {
  expect(systemRandom().bytes(16)).not.toEqual(systemRandom().bytes(16));
});
