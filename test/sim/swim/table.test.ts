import { describe, expect, it } from "vitest";
import { Awareness } from "../../../sim/swim/awareness.ts";
import { LIFEGUARD, SWIM, type SwimConfig } from "../../../sim/swim/config.ts";
import { Table } from "../../../sim/swim/table.ts";
import { TestSeat } from "./seat.ts";

function tableOf(config: SwimConfig = LIFEGUARD, members = 100) {
  const seat = new TestSeat(0);
  const awareness = new Awareness(config.awarenessMax);
  const table = new Table(config, seat, awareness, seat);
  for (let node = 0; node < members; node += 1) table.admit(node);
  return { seat, awareness, table };
}

const said = (table: Table) => table.broadcasts.take(1_400, 8);

describe("a member that is suspected", () => {
  it("is dead after alpha * log10(n) seconds in plain SWIM, whoever confirms it", () => {
    const { seat, table } = tableOf(SWIM);
    table.suspect({ node: 5, incarnation: 1, from: 1 });
    table.suspect({ node: 5, incarnation: 1, from: 2 });
    seat.run(9_999);
    expect(seat.modes).toEqual([[5, "suspect"]]);
    seat.run(1);
    expect(seat.modes).toEqual([
      [5, "suspect"],
      [5, "dead"],
    ]);
  });

  it("is dead only after six times as long in Lifeguard while nobody confirms it", () => {
    const { seat, table } = tableOf();
    table.suspect({ node: 5, incarnation: 1, from: 1 });
    table.suspect({ node: 5, incarnation: 1, from: 1 });
    seat.run(59_999);
    expect(table.get(5)?.mode).toBe("suspect");
    seat.run(1);
    expect(table.get(5)?.mode).toBe("dead");
  });

  it("is dead at the minimum once three others confirm it, and each confirmation is passed on", () => {
    const { seat, table } = tableOf();
    table.suspect({ node: 5, incarnation: 1, from: 1 });
    said(table);
    for (const from of [2, 3, 4]) {
      table.suspect({ node: 5, incarnation: 1, from });
      expect(said(table)).toEqual([{ kind: "suspect", node: 5, incarnation: 1, from }]);
    }
    table.suspect({ node: 5, incarnation: 1, from: 9 });
    expect(said(table)[0]?.from).toBe(4);
    seat.run(10_000);
    expect(table.get(5)?.mode).toBe("dead");
  });

  it("lives on if it states a higher incarnation in time", () => {
    const { seat, table } = tableOf();
    table.suspect({ node: 5, incarnation: 1, from: 1 });
    table.hear({ kind: "alive", node: 5, incarnation: 1, from: 5 });
    expect(table.get(5)?.mode).toBe("suspect");
    table.hear({ kind: "alive", node: 5, incarnation: 2, from: 5 });
    expect(table.get(5)?.mode).toBe("alive");
    seat.run(100_000);
    expect(table.get(5)?.mode).toBe("alive");
    table.suspect({ node: 5, incarnation: 1, from: 1 });
    expect(table.get(5)?.mode).toBe("alive");
  });

  it("refutes with an incarnation above the accused one, and counts it against its own health", () => {
    const { awareness, table } = tableOf();
    table.suspect({ node: 0, incarnation: 4, from: 1 });
    expect(table.get(0)?.mode).toBe("alive");
    expect(said(table)).toEqual([{ kind: "alive", node: 0, incarnation: 5, from: 0 }]);
    expect(awareness.score).toBe(1);
  });
});

describe("a table that comes by push/pull", () => {
  it("makes the dead only suspect, so that they can refute", () => {
    const { table } = tableOf();
    table.merge([{ node: 5, incarnation: 1, mode: "dead" }]);
    expect(table.get(5)?.mode).toBe("suspect");
  });
});

describe("the dead", () => {
  it("are forgotten with the round of probes that begins 30 s later", () => {
    const { seat, table } = tableOf();
    table.hear({ kind: "dead", node: 5, incarnation: 1, from: 1 });
    seat.run(29_000);
    table.reset();
    expect(table.get(5)?.mode).toBe("dead");
    seat.run(2_000);
    table.reset();
    expect(table.get(5)).toBeUndefined();
    table.hear({ kind: "alive", node: 5, incarnation: 2, from: 5 });
    expect(table.get(5)?.mode).toBe("alive");
  });
});
