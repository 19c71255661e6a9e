/** One run of one case in a process of its own, so that its memory is its own; prints JSON. */
import { runPlanInSlices } from "../../cli/sim/run-plan.ts";
import { CASES } from "./plans.ts";
import { Spread } from "./spread.ts";

const PROGRESS_MS = 5_000;
const [name = "", seed = "1"] = process.argv.slice(2);
const wanted = CASES[name];
if (wanted === undefined) throw new Error(`there is no case ${name}`);
const plan = wanted.plan(Number(seed));
const spread = new Spread(plan.joinMs * 1_000);
let toldMs = 0;
const run = await runPlanInSlices(
  plan,
  {
    onTrace: (event) => spread.onEvent(event),
    onProgress: ({ virtualMs }, wallMs) => {
      if (wallMs - toldMs < PROGRESS_MS) return;
      toldMs = wallMs;
      process.stderr.write(`${name}: ${Math.round(virtualMs / 1_000)} s of virtual time\n`);
    },
  },
  () => false,
);
if (run === undefined) throw new Error("the run was stopped");
const { report } = run;
const cpu = process.cpuUsage();
process.stdout.write(
  `${JSON.stringify({
    report,
    cpuMs: (cpu.user + cpu.system) / 1_000,
    residentMb: process.resourceUsage().maxRSS / 1_024,
    spreadMs: spread.delaysMs.sort((one, other) => one - other),
    unfinished: spread.unfinished,
  })}\n`,
);
