/**
 * The CPU-starvation experiment of the Lifeguard paper (arXiv:1707.00788, figure 1): 100 members,
 * some of them on machines whose only processor is taken up by other processes. The protocols are
 * as their sources have them; what the paper does not give is how much of the processor was left.
 * That is calibrated, once, so that plain SWIM errs as often as in the paper's figure, and then it
 * is the same for everybody.
 */

import type { Starvation } from "../engine/starvation.ts";
import type { KeyRing } from "../keys.ts";
import { LIFEGUARD, SWIM } from "./config.ts";
import { runGrapevine } from "./run-grapevine.ts";
import { runSwim } from "./run-swim.ts";
import type { TrialResult, TrialShape } from "./trial.ts";

export const SUBJECTS = ["grapevine", "lifeguard", "swim"] as const;
export type Subject = (typeof SUBJECTS)[number];

const NODES = 100;
export const ANOMALIES = [1, 4, 8, 16, 32] as const;
export const STARVE_MS = 300_000;
/** Longer than the longest suspicion of any subject. */
const TAIL_MS = 80_000;
const CRASHES = 4;

/**
 * Eight milliseconds of processor each second or so, and half a millisecond of it for each event:
 * 0.8%, what one process gets beside 128 others, in slices as long as a scheduler of the time gave
 * them. About seventeen events a slice are fewer than come in while rumours go round, so queues
 * grow to many seconds. Timers that expired run before what waits in the sockets.
 */
const CALIBRATED: Starvation = {
  ...{ blockMs: 1_000, runMs: 8, costUs: 475 },
  resume: "timers",
};

/** Read off figure 1 by eye; the figure begins at 4. */
export const PAPER: Readonly<
  Record<number, { readonly swim: number; readonly lifeguard: number }>
> = {
  4: { swim: 370, lifeguard: 0 },
  8: { swim: 950, lifeguard: 0 },
  16: { swim: 1_780, lifeguard: 100 },
  32: { swim: 3_310, lifeguard: 1_270 },
};

export interface SubjectResult extends TrialResult {
  /** Of the simulator's own invariants; only the production code is watched by them. */
  readonly violations: readonly string[];
}

export function shapeOf(seed: number, anomalies: number, starveMs: number): TrialShape {
  return {
    ...{ seed, anomalies, starveMs, nodes: NODES, tailMs: TAIL_MS, crashes: CRASHES },
    starvation: CALIBRATED,
  };
}

export function runSubject(subject: Subject, shape: TrialShape, ring: KeyRing): SubjectResult {
  if (subject === "grapevine") return runGrapevine(shape, ring);
  return { ...runSwim(subject === "swim" ? SWIM : LIFEGUARD, shape), violations: [] };
}

export interface Summary {
  /** Means of the trials. */
  readonly falsePositives: number;
  readonly falsePositivesAtSound: number;
  readonly starvedDeclared: number;
  readonly messages: number;
  readonly megabytes: number;
  /** Of all crashes. */
  readonly firstMsP50: number;
  readonly firstMsP99: number;
  readonly fullMsP50: number;
  readonly fullMsP99: number;
  readonly undetected: number;
  readonly violations: number;
}

export function summarize(results: readonly SubjectResult[]): Summary {
  const mean = (of: (result: SubjectResult) => number) => sum(results, of) / results.length;
  const first = results.flatMap(({ firstMs }) => firstMs);
  const full = results.flatMap(({ fullMs }) => fullMs);
  return {
    falsePositives: mean((result) => result.falsePositives),
    falsePositivesAtSound: mean((result) => result.falsePositivesAtSound),
    starvedDeclared: mean((result) => result.starvedDeclared),
    messages: mean((result) => result.messages),
    megabytes: mean((result) => result.bytes) / 1e6,
    ...{ firstMsP50: quantile(first, 0.5), firstMsP99: quantile(first, 0.99) },
    ...{ fullMsP50: quantile(full, 0.5), fullMsP99: quantile(full, 0.99) },
    undetected: sum(results, (result) => result.undetected),
    violations: sum(results, (result) => result.violations.length),
  };
}

function sum(results: readonly SubjectResult[], of: (result: SubjectResult) => number): number {
  return results.reduce((total, result) => total + of(result), 0);
}

/** The value below or at which the share of all lies; -1 for none. */
function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((one, other) => one - other);
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? -1;
}
