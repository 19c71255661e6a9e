import { describe, expect, it } from "vitest";
import type { DecisionRecord } from "../../core/record.ts";
import { Records } from "../../core/records.ts";

const record = (id: string) => ({ id }) as DecisionRecord;

describe("Records", () => {
  it("gives the last ones newest first, and the oldest make room", () => {
    const records = new Records(3);
    expect(records.last(5)).toEqual([]);
    for (const id of ["a", "b"]) records.add(record(id));
    expect(records.last(5).map((each) => each.id)).toEqual(["b", "a"]);
    for (const id of ["c", "d", "e", "f", "g"]) records.add(record(id));
    expect(records.last(2).map((each) => each.id)).toEqual(["g", "f"]);
    expect(records.last(9).map((each) => each.id)).toEqual(["g", "f", "e"]);
    expect(records.get("f")).toEqual(record("f"));
    expect(records.get("a")).toBeUndefined();
  });
});
