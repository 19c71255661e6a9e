import { stripVTControlCharacters } from "node:util";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatAge, formatMs, formatPairs } from "../../cli/format.ts";
import { columns, formatTable, printable, wrap } from "../../cli/text-table.ts";

const plain = (_style: string, text: string) => text;

describe("tables", () => {
  it("line up, with numbers to the right", () => {
    const rows = [
      { name: "a", count: 5 },
      { name: "longer", count: 12 },
    ];
    const table = formatTable(
      rows,
      [
        { title: "NAME", cell: (row) => row.name },
        { title: "COUNT", right: true, cell: (row) => row.count },
        { title: "EMPTY", cell: () => "" },
      ],
      plain,
    );
    expect(table).toBe("NAME    COUNT\na           5\nlonger     12\n");
  });

  it("keep their header when there is nothing", () => {
    expect(formatTable([], [{ title: "NAME", cell: () => "" }], plain)).toBe("NAME\n");
  });

  it("line up whatever colours are added", () => {
    const column = { title: "A", cell: (text: string) => ({ text, style: "red" as const }) };
    const second = { title: "B", cell: () => "x" };
    const painted = formatTable(
      ["1", "22"],
      [column, second],
      (_style, text) => `\u001b[1m${text}\u001b[0m`,
    );
    const bare = formatTable(["1", "22"], [column, second], plain);
    expect(stripVTControlCharacters(painted)).toBe(bare);
  });
});

describe("text", () => {
  it("wraps at spaces and loses nothing", () => {
    fc.assert(
      fc.property(fc.array(fc.stringMatching(/^[a-z]{1,12}$/), { minLength: 1 }), (words) => {
        const lines = wrap(words.join(" "), 20);
        expect(lines.join(" ").split(" ")).toEqual(words);
        for (const line of lines) expect(line.length).toBeLessThanOrEqual(20);
      }),
    );
  });

  it("puts long first columns on their own line", () => {
    expect(columns([["x".repeat(40), "second"]], 60).split("\n")).toHaveLength(2);
  });

  it("from elsewhere has no control characters", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        expect(printable(text)).not.toMatch(/[\p{Cc}\u202a-\u202e\u2028\u2029]/u);
      }),
    );
  });

  it("shows times and pairs", () => {
    expect([999, 59_999, 3_599_999, 86_399_999, 864e5 * 12].map(formatAge)).toEqual([
      "999ms",
      "59s",
      "59m",
      "23h",
      "12d",
    ]);
    expect([formatMs(1.25), formatMs(1_234.5)]).toEqual(["1.3 ms", "1235 ms"]);
    expect(formatPairs({ a: "x", b: 1 })).toBe("a=x b=1");
  });
});
