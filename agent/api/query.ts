/** Reads query parameters strictly: unknown, repeated or malformed ones are errors. */
import { closest } from "../registrations/closest.ts";
import { ApiError } from "./problem.ts";

export class Query {
  readonly #values = new Map<string, string>();

  /** Throws `invalid_argument` for a parameter that is not known, or given twice. */
  constructor(search: URLSearchParams, known: readonly string[]) {
    for (const [name, value] of search) {
      if (!known.includes(name)) {
        const meant = closest(name, known);
        const takes = known.length === 0 ? "none are known here" : `known: ${known.join(", ")}`;
        const advice = meant === undefined ? takes : `did you mean "${meant}"?`;
        throw new ApiError("invalid_argument", `unknown query parameter "${name}"; ${advice}`);
      }
      if (this.#values.has(name)) {
        throw new ApiError("invalid_argument", `query parameter "${name}" is given twice`);
      }
      this.#values.set(name, value);
    }
  }

  text(name: string): string | undefined {
    return this.#values.get(name);
  }

  integer(name: string, min: number, max: number, fallback: number): number {
    const text = this.#values.get(name);
    if (text === undefined) return fallback;
    const value = Number(text);
    if (!/^\d{1,9}$/.test(text) || value < min || value > max) {
      const message = `${name} must be a whole number from ${min} to ${max}, not "${text}"`;
      throw new ApiError("invalid_argument", message);
    }
    return value;
  }

  oneOf<Word extends string>(name: string, words: readonly Word[], fallback: Word): Word {
    const text = this.#values.get(name);
    if (text === undefined) return fallback;
    const found = words.find((word) => word === text);
    if (found === undefined) {
      const message = `${name} must be one of ${words.join(", ")}, not "${text}"`;
      throw new ApiError("invalid_argument", message);
    }
    return found;
  }
}
