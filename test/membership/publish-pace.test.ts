import fc from "fast-check";
import { expect, it } from "vitest";
import type { Millis } from "../../core/types.ts";
import { PublishPace } from "../../membership/publish-pace.ts";

const at = (ms: number) => ms as Millis;

it("lets a change after quiet time go at once, and a few more right behind it", () => {
  const pace = new PublishPace(1_000);
  let now = at(5_000);
  const times: number[] = [];
  for (let change = 0; change < 8; change += 1) {
    now = pace.nextAfter(now);
    pace.onPublish(now);
    times.push(now - 5_000);
  }
  expect(times).toEqual([0, 50, 100, 150, 200, 1_000, 2_000, 3_000]);
});

it("never lets more than the burst and one per interval through, whatever the changes", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 3_000 }), { maxLength: 60 }), (gaps) => {
      const pace = new PublishPace(1_000);
      let now = at(0);
      const times: number[] = [];
      for (const gap of gaps) {
        now = pace.nextAfter(at(now + gap));
        pace.onPublish(now);
        times.push(now);
      }
      times.forEach((start, first) => {
        const inTenSeconds = times.slice(first).filter((time) => time < start + 10_000);
        expect(inTenSeconds.length).toBeLessThanOrEqual(15);
      });
    }),
  );
});
