/** One worker of the farm: runs the plans that it is sent, one at a time. */
import { parentPort } from "node:worker_threads";
import { drawPlan, type ProfileChoice } from "../../sim/profiles.ts";
import type { Report } from "../../sim/simulation.ts";
import { runPlan } from "./run-plan.ts";

export interface FarmTask {
  readonly choice: ProfileChoice;
  /** Ends the run with its first violation. */
  readonly untilViolation: boolean;
}

export interface FarmResult {
  readonly choice: ProfileChoice;
  /** Undefined if the run itself failed. */
  readonly report: Report | undefined;
  /** How often each invariant had something to judge. */
  readonly judged: Readonly<Record<string, number>>;
  readonly failure: string | undefined;
}

const port = parentPort;
if (port === null) throw new Error("assertion failed: the farm's worker runs as a worker thread");
port.on("message", (task: FarmTask) => {
  port.postMessage(run(task));
});

function run({ choice, untilViolation }: FarmTask): FarmResult {
  try {
    const { report, judged } = runPlan(drawPlan(choice), { untilViolation });
    return { choice, report, judged, failure: undefined };
  } catch (error) {
    const failure = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return { choice, report: undefined, judged: {}, failure };
  }
}
