import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { LOG2_FRACTION_BITS, log2Fixed } from "../../../core/ring/log2.ts";

describe("log2Fixed", () => {
  it("follows the logarithm closely enough that shares stay true to the weights", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2 ** 32 }), (value) => {
        const found = log2Fixed(value) / 2 ** LOG2_FRACTION_BITS;
        expect(Math.abs(found - Math.log2(value))).toBeLessThan(2 ** -21);
      }),
    );
  });

  it("never falls while its argument grows", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 2 ** 32 }),
        fc.integer({ min: 1, max: 2 ** 32 }),
        (a, b) => log2Fixed(Math.min(a, b)) <= log2Fixed(Math.max(a, b)),
      ),
    );
  });

  it("is pinned: another result would move keys between versions", () => {
    expect([1, 2, 3, 1000, 2 ** 31, 2 ** 32 - 1, 2 ** 32].map(log2Fixed)).toMatchInlineSnapshot(`
      [
        0,
        16777216,
        26591258,
        167198115,
        520093696,
        536870911,
        536870912,
      ]
    `);
  });
});
