/** `grapevine sim run --real`: one plan, first in virtual time, then with agents on this host. */
import { GrapevineError } from "../../../core/errors.ts";
import type { Plan } from "../../../sim/plan.ts";
import type { TraceEvent } from "../../../sim/trace.ts";
import type { Terminal } from "../../terminal.ts";
import { runPlanInSlices } from "../run-plan.ts";
import type { Comparison } from "./compare.ts";
import { Dialers } from "./dialers.ts";
import { realPlan } from "./real-plan.ts";
import { type RealPhase, runForReal } from "./real-run.ts";

const PROGRESS_MS = 5_000;
const STOPPING: readonly NodeJS.Signals[] = ["SIGINT", "SIGTERM", "SIGHUP"];

export interface RealTrace {
  onPlan(plan: Plan): void;
  onEvent(event: TraceEvent): void;
}

/** Undefined if somebody stopped it. Throws `invalid_argument` for what cannot be run here. */
export async function runInBothWorlds(
  given: Plan,
  terminal: Terminal,
  trace: RealTrace | undefined,
): Promise<Comparison | undefined> {
  if (!Dialers.isPossible) {
    throw new GrapevineError(
      "invalid_argument",
      "--real needs Linux: its relay learns from /proc which agent opened a connection",
    );
  }
  const { plan, leftOut, notes } = realPlan(given);
  const stop = new AbortController();
  const onStop = () => stop.abort();
  for (const signal of STOPPING) process.on(signal, onStop);
  terminal.signal.addEventListener("abort", onStop);
  try {
    terminal.err("simulated: running\n");
    const run = await runPlanInSlices(plan, {}, () => stop.signal.aborted);
    if (run === undefined) return undefined;
    trace?.onPlan(plan);
    const real = await runForReal(plan, {
      ...{ signal: stop.signal, onProgress: progress(terminal, plan) },
      ...(trace === undefined ? {} : { onTrace: (event: TraceEvent) => trace.onEvent(event) }),
    });
    if (real === undefined) return undefined;
    const { seed, profile, nodes } = plan;
    return { seed, profile, nodes, leftOut, notes, simulated: run.report, real };
  } finally {
    for (const signal of STOPPING) process.off(signal, onStop);
    terminal.signal.removeEventListener("abort", onStop);
  }
}

function progress(terminal: Terminal, plan: Plan): (phase: RealPhase, ms: number) => void {
  let told: RealPhase | undefined;
  let toldMs = 0;
  return (phase, ms) => {
    if (phase === told && ms - toldMs < PROGRESS_MS) return;
    told = phase;
    toldMs = ms;
    const much = phase === "faults" ? ` (they last ${plan.virtualMs / 1_000} s)` : "";
    terminal.err(`real, ${phase}: ${(ms / 1_000).toFixed(0)} s${much}\n`);
  };
}
