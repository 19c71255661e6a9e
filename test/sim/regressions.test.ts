/** Plans that once failed, shrunk: each file name says what went wrong. */
import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { runPlan } from "../../cli/sim/run-plan.ts";
import { parsePlan } from "../../sim/plan.ts";

const FOLDER = new URL("./regressions/", import.meta.url);
const files = readdirSync(FOLDER).filter((file) => file.endsWith(".json"));

describe("a plan that failed once", () => {
  it.each(files)("%s violates nothing any more", { timeout: 120_000 }, (file) => {
    const plan = parsePlan(readFileSync(new URL(file, FOLDER), "utf8"), file);
    expect(runPlan(plan).report.violations).toEqual([]);
  });
});
