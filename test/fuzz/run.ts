/** Runs one fuzz target for a while; both the bounded run of the tests and the long one by hand. */
import fc from "fast-check";
import { corpusOf } from "./corpus.ts";
import { inputs } from "./inputs.ts";
import type { FuzzTarget } from "./target.ts";

/** No input of at most 128 KiB may take longer; measured again before it counts. */
const CHECK_MS_MAX = 500;

export interface FuzzFailure {
  readonly input: Uint8Array;
  readonly cuts: readonly number[];
  readonly error: string;
  readonly seed: number;
}

export interface FuzzRun {
  readonly runs: number;
  readonly failure: FuzzFailure | undefined;
}

/** The check with the oracle of time; on a busy machine only the fastest of three counts. */
export async function checkInTime(
  target: FuzzTarget,
  input: Uint8Array,
  cuts: readonly number[],
): Promise<void> {
  let fastest = Number.POSITIVE_INFINITY;
  for (let attempt = 0; attempt < 3; attempt += 1) {
    const startedAt = performance.now();
    const result = target.check(input, cuts);
    // Sockets wait for others; only what computes is held to the limit.
    if (result instanceof Promise) return await result;
    fastest = Math.min(fastest, performance.now() - startedAt);
    if (fastest <= CHECK_MS_MAX) return;
  }
  throw new Error(
    `${input.length} bytes took ${Math.round(fastest)} ms; the limit is ${CHECK_MS_MAX}`,
  );
}

export async function fuzz(target: FuzzTarget, forMs: number, seed: number): Promise<FuzzRun> {
  const seeds = [...target.seeds(), ...corpusOf(target.name).map(({ input }) => input)];
  let latest: Promise<void> = Promise.resolve();
  const property = fc.asyncProperty(inputs(seeds, target.words), ([input, cuts]) => {
    latest = checkInTime(target, input, cuts);
    return latest;
  });
  const details = await fc.check(property, {
    seed,
    numRuns: 1_000_000_000,
    interruptAfterTimeLimit: forMs,
    markInterruptAsFailure: false,
  });
  // The end of the time interrupts a check that has begun; it must not run into the next target.
  await latest.catch(() => undefined);
  const example = details.counterexample?.[0];
  if (example === undefined) return { runs: details.numRuns, failure: undefined };
  const [input, cuts] = example;
  const error = details.errorInstance;
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return { runs: details.numRuns, failure: { input, cuts, error: text, seed } };
}
