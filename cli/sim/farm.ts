/**
 * Runs many seeds on all processors and keeps what they tell together: virtual time, faults, marks,
 * the slowest convergence, and for each way of failing the smallest plan that shows it.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { missing } from "../../sim/coverage.ts";
import { drawPlan, type ProfileChoice } from "../../sim/profiles.ts";
import type { FarmResult, FarmTask } from "./farm-worker.ts";

export interface FarmOptions {
  readonly choices: readonly ProfileChoice[];
  readonly workers: number;
  /** No run is begun after this much real time. */
  readonly limitMs: number;
  /** Failing plans are written here. */
  readonly directory: string;
  /** A run ends with its first violation, and no other is begun after it. */
  readonly untilFailure: boolean;
  /** True: no further run is begun. */
  isStopped(): boolean;
  onResult(result: FarmResult, done: number): void;
}

export interface FarmFailure {
  /** What kind of failure: the names of the invariants. */
  readonly signature: string;
  readonly count: number;
  readonly seed: number;
  readonly profile: string;
  readonly events: number;
  readonly detail: string;
  /** Where the smallest plan lies. */
  readonly plan: string;
}

export interface FarmSummary {
  readonly seeds: number;
  readonly skipped: number;
  readonly wallMs: number;
  readonly virtualHours: number;
  readonly events: number;
  readonly faults: Readonly<Record<string, number>>;
  readonly marks: Readonly<Record<string, number>>;
  /** How often each invariant had something to judge. */
  readonly judged: Readonly<Record<string, number>>;
  /** What should happen in a farm of all profiles, and did not. */
  readonly missing: readonly string[];
  readonly requests: number;
  readonly slowestConvergence: {
    readonly ms: number;
    readonly profile: string;
    readonly seed: number;
  };
  readonly failures: readonly FarmFailure[];
}

export async function runFarm(options: FarmOptions): Promise<FarmSummary> {
  const tally = new Tally(options.directory);
  const queue = [...options.choices];
  const startedAt = performance.now();
  let hasFailed = false;
  const isEnough = () => options.isStopped() || (options.untilFailure && hasFailed);
  const mayBegin = () => !isEnough() && performance.now() - startedAt < options.limitMs;
  const take = () => (mayBegin() ? queue.shift() : undefined);
  const count = Math.max(1, Math.min(options.workers, queue.length));
  await Promise.all(
    Array.from({ length: count }, () =>
      work(take, options.untilFailure, (result) => {
        tally.add(result);
        hasFailed ||= result.report === undefined || result.report.violations.length > 0;
        options.onResult(result, tally.seeds);
      }),
    ),
  );
  return tally.summary(queue.length, Math.round(performance.now() - startedAt));
}

async function work(
  take: () => ProfileChoice | undefined,
  untilViolation: boolean,
  onResult: (result: FarmResult) => void,
): Promise<void> {
  const worker = new Worker(new URL("./farm-worker.ts", import.meta.url));
  try {
    for (let choice = take(); choice !== undefined; choice = take()) {
      const answer = Promise.withResolvers<FarmResult>();
      worker.once("message", answer.resolve);
      worker.once("error", answer.reject);
      worker.postMessage({ choice, untilViolation } satisfies FarmTask);
      onResult(await answer.promise);
      worker.off("error", answer.reject);
    }
  } finally {
    await worker.terminate();
  }
}

class Tally {
  seeds = 0;
  readonly #directory: string;
  #virtualMs = 0;
  #events = 0;
  #requests = 0;
  readonly #faults = new Map<string, number>();
  readonly #marks = new Map<string, number>();
  readonly #judged = new Map<string, number>();
  readonly #failures = new Map<string, FarmFailure>();
  #slowest = { ms: 0, profile: "", seed: 0 };

  constructor(directory: string) {
    this.#directory = directory;
  }

  add(result: FarmResult): void {
    this.seeds += 1;
    const { report, judged, choice } = result;
    if (report !== undefined) {
      this.#virtualMs += report.virtualMs;
      this.#events += report.events;
      this.#requests += report.metrics["requests"] ?? 0;
      count(this.#faults, report.faults);
      count(this.#marks, report.marks);
      count(this.#judged, judged);
      const ms = report.metrics["convergedMs"] ?? 0;
      const { profile, seed } = choice;
      if (ms > this.#slowest.ms) this.#slowest = { ms, profile, seed };
    }
    this.#keepFailure(result);
  }

  summary(skipped: number, wallMs: number): FarmSummary {
    const faults = sorted(this.#faults);
    const marks = sorted(this.#marks);
    const judged = sorted(this.#judged);
    return {
      ...{ seeds: this.seeds, skipped, wallMs },
      virtualHours: Number((this.#virtualMs / 3_600_000).toFixed(2)),
      ...{ events: this.#events, faults, marks, judged },
      missing: missing({ faults, marks, judged }),
      ...{ requests: this.#requests, slowestConvergence: this.#slowest },
      failures: [...this.#failures.values()],
    };
  }

  #keepFailure({ choice, report, failure }: FarmResult): void {
    const violations = report?.violations ?? [];
    if (failure === undefined && violations.length === 0) return;
    const names = [...new Set(violations.map(({ checker }) => checker))].sort();
    const signature = failure === undefined ? names.join(" ") : "crash";
    const plan = drawPlan(choice);
    const known = this.#failures.get(signature);
    const isSmaller = known === undefined || plan.events.length < known.events;
    if (!isSmaller) {
      this.#failures.set(signature, { ...known, count: known.count + 1 });
      return;
    }
    const name = `${signature.replaceAll(" ", "-").toLowerCase()}.json`;
    const path = join(this.#directory, name);
    mkdirSync(this.#directory, { recursive: true });
    writeFileSync(path, `${JSON.stringify(plan, undefined, 1)}\n`);
    this.#failures.set(signature, {
      ...{ signature, count: (known?.count ?? 0) + 1, seed: choice.seed, profile: choice.profile },
      ...{ events: plan.events.length, detail: failure ?? violations[0]?.detail ?? "", plan: path },
    });
  }
}

function count(into: Map<string, number>, counts: Readonly<Record<string, number>>): void {
  for (const [name, each] of Object.entries(counts)) into.set(name, (into.get(name) ?? 0) + each);
}

function sorted(counts: ReadonlyMap<string, number>): Record<string, number> {
  return Object.fromEntries([...counts].sort(([one], [other]) => (one < other ? -1 : 1)));
}
