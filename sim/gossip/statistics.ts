/** Figures of a broadcast, and how far two of them lie apart. */

export interface BroadcastFigures {
  readonly probes: number;
  /** Part of the processes that ran from the publication to the end which got the message. */
  readonly reached: number;
  /** From the publication to the first arrival, in milliseconds. */
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly duplicatesPerDelivery: number;
  /** All delays in rising order. */
  readonly delaysMs: readonly number[];
}

export function quantile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

/** Kolmogorov and Smirnov's distance: the largest gap between two distributions; both sorted. */
export function ksDistance(one: readonly number[], other: readonly number[]): number {
  let here = 0;
  let there = 0;
  let largest = 0;
  while (here < one.length && there < other.length) {
    const at = Math.min(one[here] as number, other[there] as number);
    while (here < one.length && (one[here] as number) <= at) here += 1;
    while (there < other.length && (other[there] as number) <= at) there += 1;
    largest = Math.max(largest, Math.abs(here / one.length - there / other.length));
  }
  return largest;
}

/** How far the model may be from the real class on one plan and seed. Shares of the real figure. */
export const TOLERANCES = {
  /** Part of the processes reached, as a difference. */
  reached: 0.01,
  p50: 0.15,
  p90: 0.15,
  p99: 0.25,
  duplicatesPerDelivery: 0.2,
  /** Between the distributions of delays. */
  ks: 0.12,
} as const;

/** What is out of tolerance; empty if the model agrees with the real class. */
export function disagreement(real: BroadcastFigures, model: BroadcastFigures): string[] {
  const found: string[] = [];
  const check = (name: string, difference: number, most: number) => {
    if (!(difference <= most)) found.push(`${name}: ${difference.toFixed(3)} is above ${most}`);
  };
  check("reached", Math.abs(real.reached - model.reached), TOLERANCES.reached);
  for (const name of ["p50", "p90", "p99", "duplicatesPerDelivery"] as const) {
    check(name, Math.abs(model[name] / real[name] - 1), TOLERANCES[name]);
  }
  check("ks", ksDistance(real.delaysMs, model.delaysMs), TOLERANCES.ks);
  return found;
}
