/**
 * What a fuzz target is: a name (also its corpus folder), bytes to begin with, words of its
 * language, and a check that throws if one of its oracles fails. `cuts` are places at which a
 * streaming reader gets its input in pieces.
 */
export interface FuzzTarget {
  readonly name: string;
  /** Good inputs made by the encoders themselves; the corpus adds those worth remembering. */
  readonly seeds: () => readonly Uint8Array[];
  /** Pieces that mutations insert. */
  readonly words: readonly (string | Uint8Array)[];
  readonly check: (input: Uint8Array, cuts: readonly number[]) => void | Promise<void>;
  /** Ends what the checks share. */
  readonly close?: () => Promise<void>;
}

/** One byte a character. */
export function latin1(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

/** The input in pieces. */
export function piecesOf(input: Uint8Array, cuts: readonly number[]): Uint8Array[] {
  const places = [...new Set(cuts.map((cut) => cut % (input.length + 1)))].sort((a, b) => a - b);
  return [0, ...places].map((from, at) => input.slice(from, places[at]));
}

/** Buffers, byte arrays and plain lists of the same content become the same. */
function comparable(value: unknown): unknown {
  if (value instanceof Uint8Array || value instanceof Uint32Array) return [...value];
  if (Array.isArray(value)) return value.map(comparable);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, comparable(item)]));
}

export function same(what: string, actual: unknown, expected: unknown): void {
  const left = JSON.stringify(comparable(actual));
  const right = JSON.stringify(comparable(expected));
  if (left !== right) throw new Error(`${what}:\n  ${left}\nis not\n  ${right}`);
}

export function holds(what: string, condition: boolean): void {
  if (!condition) throw new Error(`does not hold: ${what}`);
}
