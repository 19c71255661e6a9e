import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { RingOrder } from "../../membership/ring-order.ts";

describe("a ring's order", () => {
  it("finds the neighbours that a look at every slot finds, whatever came and went", () => {
    const places = fc.array(fc.integer({ min: 0, max: 40 }), { minLength: 1, maxLength: 90 });
    const gone = fc.array(fc.nat(89));
    const absent = fc.array(fc.nat(89));
    fc.assert(
      fc.property(
        places,
        gone,
        absent,
        fc.integer({ min: 0, max: 40 }),
        (all, removed, out, at) => {
          const ring = new RingOrder((slot) => all[slot] as number);
          const held = new Set<number>();
          for (const slot of all.keys()) {
            ring.insert(slot);
            held.add(slot);
          }
          for (const slot of removed) {
            ring.remove(slot);
            held.delete(slot);
          }
          const fits = (slot: number) => !out.includes(slot);
          const placesOf = (slot: number | undefined) => (slot === undefined ? slot : all[slot]);
          const behind = [...held].filter(fits).map((slot) => {
            const gap = (((all[slot] as number) - at + 41 - 1) % 41) + 1;
            return { slot, gap };
          });
          const nearest = (gaps: { slot: number; gap: number }[]) =>
            gaps.sort((one, other) => one.gap - other.gap)[0]?.slot;
          const before = behind.map(({ slot, gap }) => ({ slot, gap: gap === 41 ? 41 : 41 - gap }));
          expect(placesOf(ring.after(at, fits))).toBe(placesOf(nearest(behind)));
          expect(placesOf(ring.before(at, fits))).toBe(placesOf(nearest(before)));
        },
      ),
    );
  });
});
