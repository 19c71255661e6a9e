/** `grapevine sim run`: one run of the mesh in virtual time, with faults. */
import { closeSync, openSync, writeSync } from "node:fs";
import type { Plan } from "../../sim/plan.ts";
import type { Simulation } from "../../sim/simulation.ts";
import type { TraceEvent } from "../../sim/trace.ts";
import type { Command } from "../command.ts";
import { choosePlan, PLAN_FLAGS } from "../sim/choose-plan.ts";
import { describeReport } from "../sim/describe.ts";
import { outputFile, writing } from "../sim/output-file.ts";
import { runPlanInSlices } from "../sim/run-plan.ts";
import type { Terminal } from "../terminal.ts";

const PROGRESS_MS = 2_000;
const TRACE_CHUNK_LINES = 4_096;
/** Real agents take real time and memory. */
const REAL_DEFAULTS = { nodes: 6, minutes: 1 };

export const command: Command = {
  path: ["sim", "run"],
  summary: "run the mesh in virtual time and break it on purpose",
  details:
    "Runs the production code of many nodes in a simulated world that follows from the seed alone. " +
    "Without a plan, faults are drawn from the profile. Exits with 1 if an invariant was violated. " +
    "With --real the plan's faults (those that a host allows) also strike local agents behind a " +
    "relay, both worlds are printed side by side, and the trace is that of the real one.",
  positionals: [{ name: "PLAN", required: false, complete: "file" }],
  flags: [
    ...PLAN_FLAGS,
    {
      ...{ name: "trace", kind: "one", placeholder: "FILE", complete: "file" },
      summary: "write everything that happens, one JSON line each",
    },
    {
      ...{ name: "real", kind: "switch" },
      summary: "then run it again with real agents on this host, and compare",
    },
  ],
  examples: [
    "grapevine sim run --seed 7",
    "grapevine sim run --profile partition --nodes 64 --minutes 10 --json",
    "grapevine sim run failing.json --trace failing.trace",
    "grapevine sim run --profile crash --nodes 6 --minutes 1 --real",
  ],
  async run({ terminal, json, positionals, values }) {
    const isReal = values.has("real");
    const usual = isReal ? REAL_DEFAULTS : {};
    const plan = choosePlan(positionals[0], values, terminal.folder, usual);
    const file = values.one("trace");
    const trace = file === undefined ? undefined : new TraceFile(file, terminal.folder);
    if (isReal) return await runReal(plan, terminal, json, trace);
    trace?.write({ plan });
    const options = {
      ...(trace === undefined ? {} : { onTrace: (event: TraceEvent) => trace.write(event) }),
      onProgress: progress(terminal),
    };
    const run = await runPlanInSlices(plan, options, () => terminal.signal.aborted);
    if (run !== undefined) trace?.write({ report: run.report });
    trace?.close();
    if (run === undefined) return 1;
    const { report } = run;
    terminal.out(json ? `${JSON.stringify(report)}\n` : describeReport(report));
    return report.violations.length === 0 ? 0 : 1;
  },
};

async function runReal(
  plan: Plan,
  terminal: Terminal,
  json: boolean,
  trace: TraceFile | undefined,
): Promise<number> {
  const { runInBothWorlds } = await import("../sim/real/both-worlds.ts");
  const { describeComparison } = await import("../sim/real/compare.ts");
  const lines = trace && {
    onPlan: (allowed: Plan) => trace.write({ plan: allowed }),
    onEvent: (event: TraceEvent) => trace.write(event),
  };
  try {
    const comparison = await runInBothWorlds(plan, terminal, lines);
    if (comparison === undefined) return 1;
    const { simulated, real } = comparison;
    trace?.write({ report: { ...simulated, ...real, hash: "" } });
    terminal.out(json ? `${JSON.stringify(comparison)}\n` : describeComparison(comparison));
    return simulated.violations.length + real.violations.length === 0 ? 0 : 1;
  } finally {
    trace?.close();
  }
}

function progress(terminal: Terminal): (simulation: Simulation, wallMs: number) => void {
  let toldMs = 0;
  return (simulation, wallMs) => {
    if (wallMs - toldMs < PROGRESS_MS) return;
    toldMs = wallMs;
    const virtual = (simulation.virtualMs / 1_000).toFixed(0);
    terminal.err(`${simulation.phase}: ${virtual} s of virtual time\n`);
  };
}

class TraceFile {
  readonly #name: string;
  readonly #file: number;
  #lines: string[] = [];

  constructor(name: string, folder: string) {
    this.#name = name;
    const path = outputFile("trace", name, folder);
    this.#file = writing("trace", name, () => openSync(path, "w"));
  }

  write(line: object): void {
    this.#lines.push(JSON.stringify(line));
    if (this.#lines.length >= TRACE_CHUNK_LINES) this.#flush();
  }

  close(): void {
    this.#flush();
    closeSync(this.#file);
  }

  #flush(): void {
    const lines = this.#lines;
    this.#lines = [];
    if (lines.length === 0) return;
    writing("trace", this.#name, () => writeSync(this.#file, `${lines.join("\n")}\n`));
  }
}
