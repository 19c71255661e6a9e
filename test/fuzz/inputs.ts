/**
 * Inputs for fuzz targets: a good input with a few mutations, two good inputs grown together, or
 * plain noise. All of it is data of fast-check, so that a failing input is shrunk.
 */
import fc from "fast-check";
import { latin1 } from "./target.ts";

const INPUT_BYTES_MAX = 128 * 1024;

type Edit =
  | { readonly kind: "flip"; readonly at: number; readonly value: number }
  | { readonly kind: "step"; readonly at: number; readonly by: number }
  | { readonly kind: "cut"; readonly at: number; readonly length: number }
  | {
      readonly kind: "repeat";
      readonly at: number;
      readonly length: number;
      readonly times: number;
    }
  | { readonly kind: "insert"; readonly at: number; readonly word: number }
  | { readonly kind: "overwrite"; readonly at: number; readonly word: number }
  | { readonly kind: "noise"; readonly at: number; readonly bytes: Uint8Array }
  | { readonly kind: "end"; readonly at: number }
  | { readonly kind: "splice"; readonly at: number; readonly seed: number; readonly from: number };

/** Numbers at which lengths and counters go wrong, in all widths. */
const NUMBERS = [
  [0],
  [0x7f],
  [0x80],
  [0xff],
  [0xff, 0xff],
  [0, 0, 0, 0],
  [0xff, 0xff, 0xff, 0xff],
  [0x7f, 0xff, 0xff, 0xff],
  [0x80, 0, 0, 0],
  [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
].map((bytes) => Uint8Array.from(bytes));

function edits(): fc.Arbitrary<Edit> {
  const at = fc.nat(1_000_000);
  const length = fc.integer({ min: 1, max: 64 });
  const word = fc.nat(10_000);
  return fc.oneof(
    fc.record({ kind: fc.constant("flip" as const), at, value: fc.integer({ min: 1, max: 255 }) }),
    fc.record({ kind: fc.constant("step" as const), at, by: fc.constantFrom(-2, -1, 1, 2) }),
    fc.record({ kind: fc.constant("cut" as const), at, length }),
    fc.record({
      kind: fc.constant("repeat" as const),
      at,
      length,
      times: fc.oneof(fc.integer({ min: 1, max: 4 }), fc.constantFrom(300, 3_000)),
    }),
    fc.record({ kind: fc.constant("insert" as const), at, word }),
    fc.record({ kind: fc.constant("overwrite" as const), at, word }),
    fc.record({
      kind: fc.constant("noise" as const),
      at,
      bytes: fc.uint8Array({ minLength: 1, maxLength: 16 }),
    }),
    fc.record({ kind: fc.constant("end" as const), at }),
    fc.record({ kind: fc.constant("splice" as const), at, seed: fc.nat(10_000), from: at }),
  );
}

function joined(...parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}

function applied(
  input: Uint8Array,
  edit: Edit,
  seeds: readonly Uint8Array[],
  words: readonly Uint8Array[],
): Uint8Array {
  const at = edit.at % (input.length + 1);
  const before = input.subarray(0, at);
  const after = input.subarray(at);
  switch (edit.kind) {
    case "flip": {
      const bytes = input.slice();
      if (at < bytes.length) bytes[at] = (bytes[at] as number) ^ edit.value;
      return bytes;
    }
    case "step": {
      const bytes = input.slice();
      if (at < bytes.length) bytes[at] = (bytes[at] as number) + edit.by;
      return bytes;
    }
    case "cut":
      return joined(before, after.subarray(edit.length));
    case "repeat": {
      const piece = after.subarray(0, edit.length);
      return joined(before, ...new Array<Uint8Array>(edit.times).fill(piece), after);
    }
    case "insert":
      return joined(before, words[edit.word % words.length] as Uint8Array, after);
    case "overwrite": {
      const word = words[edit.word % words.length] as Uint8Array;
      return joined(before, word, after.subarray(word.length));
    }
    case "noise":
      return joined(before, edit.bytes, after);
    case "end":
      return before.slice();
    case "splice": {
      const other = seeds[edit.seed % seeds.length] as Uint8Array;
      return joined(before, other.subarray(edit.from % (other.length + 1)));
    }
  }
}

/** The input, and where a reader is given it in pieces. */
export function inputs(
  seeds: readonly Uint8Array[],
  extraWords: readonly (string | Uint8Array)[],
): fc.Arbitrary<readonly [Uint8Array, readonly number[]]> {
  const words = [
    ...NUMBERS,
    ...extraWords.map((word) => (typeof word === "string" ? latin1(word) : word)),
  ];
  const mutated = fc
    .tuple(fc.nat(10_000), fc.array(edits(), { maxLength: 6 }))
    .map(([seed, changes]) => {
      let input = seeds[seed % seeds.length] as Uint8Array;
      for (const change of changes) {
        input = applied(input, change, seeds, words).subarray(0, INPUT_BYTES_MAX);
      }
      return input;
    });
  const noise = fc.uint8Array({ maxLength: 300 });
  const cuts = fc.array(fc.nat(1_000_000), { maxLength: 8 });
  return fc.tuple(
    fc.oneof({ weight: 12, arbitrary: mutated }, { weight: 1, arbitrary: noise }),
    cuts,
  );
}
