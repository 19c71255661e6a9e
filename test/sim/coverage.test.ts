import { describe, expect, it } from "vitest";
import { missing } from "../../sim/coverage.ts";
import { BYZANTINE_BEHAVIOURS } from "../../sim/plan-event.ts";

describe("what a farm never met", () => {
  const nothing = missing({ faults: {}, marks: {}, judged: { "S-M1": 0 } });

  it("is named: marks, faults and invariants", () => {
    expect(nothing).toContain('mark "member dead" was never hit');
    expect(nothing).toContain('fault "swapped addresses" never happened');
    expect(nothing).toContain("S-M1 never had anything to judge");
  });

  it.each(BYZANTINE_BEHAVIOURS)(
    "a member that does %s is missed, and no more once it was",
    (each) => {
      const fault = `byzantine ${each}`;
      expect(nothing).toContain(`fault "${fault}" never happened`);
      const left = missing({ faults: { [fault]: 1 }, marks: {}, judged: {} });
      expect(left).not.toContain(`fault "${fault}" never happened`);
    },
  );
});
