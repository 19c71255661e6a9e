/**
 * Reads the fields of a value that came from outside (a JSON body, a YAML node) and collects every
 * problem with its path, so that a person sees all mistakes at once. Unknown fields are problems
 * too, with the known name that was probably meant: a silently ignored "wieght" would be worse.
 */
import { closest } from "./closest.ts";

export interface Problem {
  /** Where: "ports[0].port", "check.path"; "" for the value as a whole. */
  readonly path: string;
  readonly message: string;
}

export class Fields {
  readonly path: string;
  readonly problems: Problem[];
  readonly #values: ReadonlyMap<string, unknown>;

  private constructor(values: ReadonlyMap<string, unknown>, path: string, problems: Problem[]) {
    this.#values = values;
    this.path = path;
    this.problems = problems;
  }

  /** Undefined, with a problem noted, if `input` is not an object. Null fields count as absent. */
  static of(
    input: unknown,
    known: readonly string[],
    path: string,
    problems: Problem[],
  ): Fields | undefined {
    if (typeof input !== "object" || input === null || Array.isArray(input)) {
      problems.push({ path, message: `must be an object, not ${kindOf(input)}` });
      return undefined;
    }
    const values = new Map<string, unknown>();
    for (const [key, value] of Object.entries(input)) {
      if (!known.includes(key)) {
        const meant = closest(key, known);
        const advice =
          meant === undefined ? `known fields: ${known.join(", ")}` : `did you mean "${meant}"?`;
        problems.push({ path: join(path, key), message: `unknown field; ${advice}` });
      } else if (value !== null && value !== undefined) {
        values.set(key, value);
      }
    }
    return new Fields(values, path, problems);
  }

  has(key: string): boolean {
    return this.#values.has(key);
  }

  raw(key: string): unknown {
    return this.#values.get(key);
  }

  problem(key: string, message: string): undefined {
    this.problems.push({ path: join(this.path, key), message });
    return undefined;
  }

  /** A text of at most `lengthMax` characters without control characters; "" only if allowed. */
  text(key: string, lengthMax: number, allowEmpty = false): string | undefined {
    const value = this.#values.get(key);
    if (value === undefined) return undefined;
    if (typeof value !== "string") {
      return this.problem(key, `must be a text, not ${kindOf(value)}`);
    }
    if (value === "" && !allowEmpty) return this.problem(key, "must not be empty");
    if (value.length > lengthMax) {
      return this.problem(key, `is ${value.length} characters long; the limit is ${lengthMax}`);
    }
    if (hasControl(value)) return this.problem(key, "must not contain control characters");
    if (!value.isWellFormed()) return this.problem(key, "is not well-formed Unicode");
    return value;
  }

  integer(key: string, min: number, max: number): number | undefined {
    const value = this.#values.get(key);
    if (value === undefined) return undefined;
    if (typeof value !== "number" || !Number.isInteger(value)) {
      return this.problem(key, `must be a whole number, not ${kindOf(value)}`);
    }
    if (value < min || value > max) {
      return this.problem(key, `must be from ${min} to ${max}, not ${value}`);
    }
    return value;
  }

  oneOf<Word extends string>(key: string, words: readonly Word[]): Word | undefined {
    const value = this.#values.get(key);
    if (value === undefined) return undefined;
    const found = words.find((word) => word === value);
    if (found !== undefined) return found;
    const meant = typeof value === "string" ? closest(value, words) : undefined;
    const said = typeof value === "string" ? `"${value.slice(0, 64)}"` : kindOf(value);
    const advice = meant === undefined ? "" : `; did you mean "${meant}"?`;
    return this.problem(key, `must be one of ${words.join(", ")}, not ${said}${advice}`);
  }

  /** A nested object; undefined if absent or, with a problem noted, not an object. */
  object(key: string, known: readonly string[]): Fields | undefined {
    const value = this.#values.get(key);
    if (value === undefined) return undefined;
    return Fields.of(value, known, join(this.path, key), this.problems);
  }

  /** A list of `countMin` to `countMax` items, each still to be read. */
  list(key: string, countMin: number, countMax: number): readonly unknown[] | undefined {
    const value = this.#values.get(key);
    if (value === undefined) return undefined;
    if (!Array.isArray(value)) return this.problem(key, `must be a list, not ${kindOf(value)}`);
    if (value.length < countMin || value.length > countMax) {
      const wanted = `must have ${countMin} to ${countMax} items`;
      return this.problem(key, `${wanted}, not ${value.length}`);
    }
    return value;
  }
}

export function hasControl(text: string): boolean {
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code < 0x20 || code === 0x7f) return true;
  }
  return false;
}

function join(path: string, key: string): string {
  return path === "" ? key : `${path}.${key}`;
}

/** What a value is, in words for a message. */
export function kindOf(value: unknown): string {
  if (value === null) return "null";
  if (value === undefined) return "nothing";
  if (Array.isArray(value)) return "a list";
  switch (typeof value) {
    case "string":
      return "a text";
    case "number":
      return Number.isInteger(value) ? "a whole number" : `the number ${value}`;
    case "boolean":
      return `${value}`;
    case "object":
      return "an object";
    default:
      return typeof value;
  }
}
