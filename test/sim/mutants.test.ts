/**
 * The simulator's own test: deliberate faults in the protocol, each of which it must find. A few run
 * here; `npm run mutants` runs all.
 */
import { describe, expect, it } from "vitest";
import { hunt } from "./mutants/hunt.ts";
import { readMutant, readMutants } from "./mutants/mutant.ts";
import { applyHunks, readPatch } from "./mutants/patch.ts";
import { createTree, mutated } from "./mutants/tree.ts";

const HEADER = "Breaks: the second line\nRow: none\nProfile: mixed\nSeeds: 4\n";
const DIFF = "--- a/x.ts\n+++ b/x.ts\n@@ -1,3 +1,3 @@\n a\n-b\n+B\n c\n";
const CONTROL_SEEDS = 4;

describe("a mutant's patch", () => {
  const [file] = readPatch(HEADER + DIFF);

  it("changes what it says, wherever that stands", () => {
    expect(applyHunks("0\na\nb\nc\n", file as never)).toBe("0\na\nB\nc\n");
  });

  it.each([
    ["nowhere", "a\nx\nc\n"],
    ["more than once", "a\nb\nc\na\nb\nc\n"],
  ])("is refused if it fits %s, with what it looks for", (places, source) => {
    expect(() => applyHunks(source, file as never)).toThrow(
      `the patch fits ${places} in x.ts: it looks for\na\nb\nc`,
    );
  });

  it.each([
    ["without a row", HEADER.replace("Row", "Raw") + DIFF, 'has no line "Row: …"'],
    ["without seeds", HEADER.replace("4", "few") + DIFF, '"Seeds" is not a number'],
    ["without a change", HEADER, "changes nothing"],
  ])("is refused %s, by name", (_what, text, message) => {
    expect(() => readMutant("odd", text)).toThrow(`mutant odd`);
    expect(() => readMutant("odd", text)).toThrow(message);
  });
});

describe("every mutant", () => {
  const mutants = readMutants();

  it("is one of twenty or more", () => {
    expect(mutants.length).toBeGreaterThanOrEqual(20);
  });

  it.each(mutants.map(({ name, files }) => [name, files] as const))(
    "%s applies",
    (_name, files) => {
      for (const file of files) expect(mutated(file)).not.toBe("");
    },
  );
});

describe("the simulator", () => {
  const quick = readMutants().filter(({ isQuick }) => isQuick);

  it.each(quick.map((mutant) => [mutant.name, mutant] as const))(
    "finds %s by an invariant",
    { timeout: 300_000 },
    async (_name, { files, profile, seeds }) => {
      const tree = createTree(files);
      try {
        const { find } = await hunt(tree, profile, seeds);
        expect(find?.invariants).toMatch(/^[SL]-/);
      } finally {
        tree.remove();
      }
    },
  );

  it("finds nothing in the source as it is", { timeout: 300_000 }, async () => {
    const tree = createTree([]);
    try {
      expect((await hunt(tree, "mixed", CONTROL_SEEDS)).find).toBeUndefined();
    } finally {
      tree.remove();
    }
  });
});
