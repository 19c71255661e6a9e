/** Runs a plan with real keys and no ambient time or chance, and measures how long that took. */
import type { Plan } from "../../sim/plan.ts";
import { type Report, Simulation } from "../../sim/simulation.ts";
import type { TraceEvent } from "../../sim/trace.ts";
import { withoutAmbient } from "./ambient.ts";
import { createKeyRing } from "./keys.ts";

/** Virtual time between two looks at the real world. */
const SLICE_MS = 1_000;

export interface RunOptions {
  readonly onTrace?: (event: TraceEvent) => void;
  /** Called between slices of virtual time; true ends the run early. */
  readonly onProgress?: (simulation: Simulation, wallMs: number) => boolean;
  /** Writes this block of events down. */
  readonly watchBlock?: number;
}

export interface PlanRun {
  readonly report: Report;
  /** The rolling hash after each block of events, for comparing two runs. */
  readonly blocks: readonly string[];
  /** The events of the block that was watched. */
  readonly watched: readonly string[];
}

export function runPlan(plan: Plan, options: RunOptions = {}): PlanRun {
  const { onTrace, onProgress } = options;
  const ring = createKeyRing();
  const startedAt = performance.now();
  const simulation = withoutAmbient(
    () => new Simulation(plan, { ring, ...(onTrace === undefined ? {} : { onTrace }) }),
  );
  const { world } = simulation.fleet;
  const watched = options.watchBlock === undefined ? [] : world.watchBlock(options.watchBlock);
  while (!simulation.isOver) {
    withoutAmbient(() => simulation.advance(SLICE_MS));
    if (onProgress?.(simulation, performance.now() - startedAt) === true) break;
  }
  const report = { ...simulation.report(), wallMs: Math.round(performance.now() - startedAt) };
  return { report, blocks: world.blocks, watched };
}
