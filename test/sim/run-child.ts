/** Runs a plan in a process of its own and prints what identifies the run. */
import { readFileSync } from "node:fs";
import { runPlan } from "../../cli/sim/run-plan.ts";
import { parsePlan } from "../../sim/plan.ts";

const [file = ""] = process.argv.slice(2);
const { report, blocks } = runPlan(parsePlan(readFileSync(file, "utf8"), file));
process.stdout.write(JSON.stringify({ hash: report.hash, events: report.events, blocks }));
