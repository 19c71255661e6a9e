import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Millis } from "../../core/types.ts";
import { Window } from "../../policies/window.ts";

describe("Window", () => {
  it("sums what fell into the newest buckets, whatever the gaps between", () => {
    const steps = fc.array(fc.record({ afterMs: fc.nat(3_000), isFirst: fc.boolean() }));
    fc.assert(
      fc.property(steps, fc.integer({ min: 1, max: 5 }), (given, buckets) => {
        const window = new Window(5, 500);
        const first: number[] = [];
        const second: number[] = [];
        let now = 0;
        for (const { afterMs, isFirst } of given) {
          now += afterMs;
          (isFirst ? first : second).push(now);
          if (isFirst) window.addFirst(now as Millis);
          else window.addSecond(now as Millis);
        }
        const inBuckets = (times: number[]) =>
          times.filter((time) => Math.floor(time / 500) > Math.floor(now / 500) - buckets).length;
        expect(window.first(buckets, now as Millis)).toBe(inBuckets(first));
        expect(window.second(buckets, now as Millis)).toBe(inBuckets(second));
      }),
    );
  });

  it("is empty after it was cleared", () => {
    const window = new Window(3, 100);
    window.addFirst(50 as Millis);
    window.clear();
    expect(window.first(3, 60 as Millis)).toBe(0);
  });
});
