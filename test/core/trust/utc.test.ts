import fc from "fast-check";
import { expect, it } from "vitest";
import { formatUtc } from "../../../core/trust/utc.ts";

it("writes moments as the platform does, to the second", () => {
  const last = Date.UTC(9999, 11, 31);
  fc.assert(
    fc.property(fc.integer({ min: 0, max: last }), (wall) => {
      expect(formatUtc(wall)).toBe(new Date(wall).toISOString().replace(/\.\d+Z$/, "Z"));
    }),
    { numRuns: 1_000 },
  );
});
