/** Runs a plan with real keys and no ambient time or chance, and measures how long that took. */
import type { BroadcastMaker } from "../../sim/node/broadcast.ts";
import type { Plan } from "../../sim/plan.ts";
import { type Report, Simulation } from "../../sim/simulation.ts";
import type { TraceEvent } from "../../sim/trace.ts";
import { withoutAmbient } from "./ambient.ts";
import { createKeyRing } from "./keys.ts";

/** Virtual time between two looks at the real world. */
const SLICE_MS = 1_000;

export interface RunOptions {
  readonly onTrace?: (event: TraceEvent) => void;
  /** Called between slices of virtual time. */
  readonly onProgress?: (simulation: Simulation, wallMs: number) => void;
  /** Ends with the first second in which an invariant is violated. */
  readonly untilViolation?: boolean;
  /** Writes this block of events down. */
  readonly watchBlock?: number;
  /** Instead of the model of the broadcast. */
  readonly broadcast?: BroadcastMaker;
}

export interface PlanRun {
  readonly report: Report;
  /** How often each invariant had something to judge. */
  readonly judged: Readonly<Record<string, number>>;
  /** The rolling hash after each block of events, for comparing two runs. */
  readonly blocks: readonly string[];
  /** The events of the block that was watched. */
  readonly watched: readonly string[];
}

export function runPlan(plan: Plan, options: RunOptions = {}): PlanRun {
  const run = new Run(plan, options);
  while (!run.isOver && !(options.untilViolation === true && run.hasViolation)) run.advance();
  return run.result();
}

/** As runPlan, but hears signals on the way; undefined if `isStopped` says so. */
export async function runPlanInSlices(
  plan: Plan,
  options: RunOptions,
  isStopped: () => boolean,
): Promise<PlanRun | undefined> {
  const run = new Run(plan, options);
  while (!run.isOver) {
    await inMacrotask(() => run.advance());
    if (isStopped()) return undefined;
  }
  return run.result();
}

/** On a stack of its own: signals are heard in between, and the second tier needs it. */
async function inMacrotask(body: () => void): Promise<void> {
  const done = Promise.withResolvers<void>();
  setImmediate(() => {
    try {
      body();
      done.resolve();
    } catch (error) {
      done.reject(error);
    }
  });
  await done.promise;
}

class Run {
  readonly #simulation: Simulation;
  readonly #options: RunOptions;
  readonly #watched: readonly string[];
  #wallMs = 0;

  constructor(plan: Plan, options: RunOptions) {
    this.#options = options;
    const { onTrace, broadcast, watchBlock } = options;
    const ring = createKeyRing();
    this.#simulation = this.#measured(
      () =>
        new Simulation(plan, {
          ring,
          ...(onTrace === undefined ? {} : { onTrace }),
          ...(broadcast === undefined ? {} : { broadcast }),
        }),
    );
    const { world } = this.#simulation.fleet;
    this.#watched = watchBlock === undefined ? [] : world.watchBlock(watchBlock);
  }

  get hasViolation(): boolean {
    return this.#simulation.hasViolation;
  }

  get isOver(): boolean {
    return this.#simulation.isOver;
  }

  advance(): void {
    this.#measured(() => this.#simulation.advance(SLICE_MS));
    this.#options.onProgress?.(this.#simulation, this.#wallMs);
  }

  result(): PlanRun {
    const report = { ...this.#simulation.report(), wallMs: Math.round(this.#wallMs) };
    const { judged, fleet } = this.#simulation;
    return { report, judged, blocks: fleet.world.blocks, watched: this.#watched };
  }

  #measured<Result>(body: () => Result): Result {
    const startedAt = performance.now();
    try {
      return withoutAmbient(body);
    } finally {
      this.#wallMs += performance.now() - startedAt;
    }
  }
}
