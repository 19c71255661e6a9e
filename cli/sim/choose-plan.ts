/** The plan that a command line names: a file, or a profile with a seed. */
import { randomInt } from "node:crypto";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { GrapevineError } from "../../core/errors.ts";
import { type Plan, parsePlan } from "../../sim/plan.ts";
import { drawPlan, PROFILES } from "../../sim/profiles.ts";
import { type Flag, type FlagReader, usageError } from "../command.ts";

export const PLAN_FLAGS: readonly Flag[] = [
  {
    ...{ name: "profile", kind: "one", placeholder: "P", complete: PROFILES },
    ...{ summary: "which faults to draw from the seed", fallback: "mixed" },
  },
  { name: "nodes", kind: "one", placeholder: "N", summary: "how many nodes" },
  { name: "seed", kind: "one", placeholder: "S", summary: "what everything is drawn from" },
  { name: "minutes", kind: "one", placeholder: "M", summary: "virtual minutes of faults" },
];

const SEED_BOUND = 2 ** 32;

/** `usual`: what holds where neither the flags nor the plan say; otherwise the profile does. */
export function choosePlan(
  file: string | undefined,
  values: FlagReader,
  folder: string,
  usual: { readonly nodes?: number; readonly minutes?: number } = {},
): Plan {
  if (file !== undefined) {
    const given = PLAN_FLAGS.find(({ name }) => values.has(name));
    if (given !== undefined) {
      throw usageError(`--${given.name} does not go with a plan file, which says it itself`);
    }
    return readPlan(file, folder);
  }
  return drawPlan({
    profile: values.one("profile") ?? "mixed",
    seed: readNumber(values, "seed", 0, SEED_BOUND - 1) ?? randomInt(SEED_BOUND),
    nodes: readNumber(values, "nodes", 1, 20_000) ?? usual.nodes,
    minutes: readNumber(values, "minutes", 0.01, 10_000, true) ?? usual.minutes,
  });
}

/** `folder`: where the command was called. */
export function readPlan(file: string, folder: string): Plan {
  let text: string;
  try {
    text = readFileSync(resolve(folder, file), "utf8");
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new GrapevineError("not_found", `cannot read the plan ${file}: ${why}`);
  }
  return parsePlan(text, file);
}

/** Undefined if the flag is not given. */
export function readNumber(
  values: FlagReader,
  name: string,
  least: number,
  most: number,
  isFraction = false,
): number | undefined {
  const text = values.one(name);
  if (text === undefined) return undefined;
  const value = text.trim() === "" ? Number.NaN : Number(text);
  const isFine = Number.isFinite(value) && (isFraction || Number.isInteger(value));
  if (isFine && value >= least && value <= most) return value;
  const what = isFraction ? "a number" : "a whole number";
  throw usageError(`--${name} ${text} is not ${what} from ${least} to ${most}`);
}
