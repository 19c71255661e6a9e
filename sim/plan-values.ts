/**
 * Kinds of values that a plan holds, each with the words that say what it must be, so that whoever
 * wrote a plan by hand reads what is wrong, where, and what would be right.
 */

export interface Rule {
  /** After "it must be". */
  readonly what: string;
  readonly isOptional?: boolean;
  isMet(value: unknown): boolean;
}

export type Rules = Readonly<Record<string, Rule>>;

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isNumber(value: unknown, least: number, most: number): boolean {
  return typeof value === "number" && Number.isFinite(value) && value >= least && value <= most;
}

export function whole(least: number, most = Number.MAX_SAFE_INTEGER): Rule {
  const to = most === Number.MAX_SAFE_INTEGER ? "" : ` to ${most}`;
  const isMet = (value: unknown) => Number.isSafeInteger(value) && isNumber(value, least, most);
  return { what: `a whole number from ${least}${to}`, isMet };
}

export const AMOUNT: Rule = {
  what: "a number from 0",
  isMet: (value) => isNumber(value, 0, Number.MAX_VALUE),
};
export const SHARE: Rule = {
  what: "a number from 0 to 1",
  isMet: (value) => isNumber(value, 0, 1),
};
export const COUNT = whole(0);
export const FLAG: Rule = { what: "true or false", isMet: (value) => typeof value === "boolean" };
export const TEXT: Rule = {
  what: "a text that is not empty",
  isMet: (value) => typeof value === "string" && value.length > 0,
};

export function oneOf(...words: readonly string[]): Rule {
  const quoted = words.map((word) => `"${word}"`).join(", ");
  return { what: `one of ${quoted}`, isMet: (value) => words.includes(value as string) };
}

export function listOf(rule: Rule, least = 0): Rule {
  const what = `a list${least > 0 ? ", not empty," : ""} whose values are each ${rule.what}`;
  const isMet = (value: unknown) =>
    Array.isArray(value) && value.length >= least && value.every((each) => rule.isMet(each));
  return { what, isMet };
}

export function optional(rule: Rule): Rule {
  return { ...rule, isOptional: true };
}

/** What is wrong with an object of which `rules` name every field. `place`: before a field's name. */
export function faultOfFields(value: unknown, rules: Rules, place = ""): string | undefined {
  if (!isObject(value)) return `${place === "" ? "it" : place.slice(0, -1)} is not an object`;
  for (const name of Object.keys(value)) {
    if (Object.hasOwn(rules, name)) continue;
    return `"${place}${name}" is unknown; known are ${Object.keys(rules).join(", ")}`;
  }
  for (const [name, { what, isOptional, isMet }] of Object.entries(rules)) {
    const field = value[name];
    if (field === undefined ? isOptional === true : isMet(field)) continue;
    const is = field === undefined ? "is missing" : `is ${shown(field)}`;
    return `"${place}${name}" ${is}; it must be ${what}`;
  }
  return undefined;
}

const SHOWN_MAX = 60;

function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > SHOWN_MAX ? `${text.slice(0, SHOWN_MAX)}…` : text;
}
