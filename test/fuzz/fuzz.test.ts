/**
 * The bounded run: the whole corpus, then new inputs for about a second a target, the same ones
 * each time so that a change and not chance makes it fail. `npm run fuzz` looks for new ones.
 */
import { afterAll, describe, expect, it } from "vitest";
import { corpusOf } from "./corpus.ts";
import { checkInTime, fuzz } from "./run.ts";
import { TARGETS } from "./targets.ts";

const TARGET_MS = 1_000;
const SEED = 20_261_122;
/** What a busy machine may need for all of it. */
const PATIENCE_MS = 60_000;

describe.each(TARGETS.map((target) => [target.name, target] as const))("%s", (_name, target) => {
  afterAll(() => target.close?.(), PATIENCE_MS);

  it(
    "holds for its seeds and the corpus, whole and byte by byte",
    async () => {
      const seeds = target.seeds();
      const inputs = [...seeds, ...corpusOf(target.name).map(({ input }) => input)];
      expect(seeds.length).toBeGreaterThan(0);
      for (const input of inputs) {
        await checkInTime(target, input, []);
        await checkInTime(
          target,
          input,
          Array.from(input.subarray(0, 2_000), (_byte, at) => at),
        );
      }
    },
    PATIENCE_MS,
  );

  it(
    "holds for inputs made from them",
    async () => {
      const { runs, failure } = await fuzz(target, TARGET_MS, SEED);
      const found = failure && `${failure.error}\n${Buffer.from(failure.input).toString("hex")}`;
      expect(found).toBeUndefined();
      expect(runs).toBeGreaterThan(0);
    },
    PATIENCE_MS,
  );
});
