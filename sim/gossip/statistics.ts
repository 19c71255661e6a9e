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

/**
 * Several seeds' figures as one: every delivery counts alike. Which peers of whom a fault strikes is
 * a seed's luck, and moves the duplicates of twenty nodes by a tenth in either direction.
 */
export function pooled(seeds: readonly BroadcastFigures[]): BroadcastFigures {
  const delaysMs = seeds.flatMap((seed) => seed.delaysMs).sort((one, other) => one - other);
  const mean = (
    name: "reached" | "duplicatesPerDelivery",
    weight: (seed: BroadcastFigures) => number,
  ) => {
    const total = seeds.reduce((sum, seed) => sum + weight(seed), 0);
    return seeds.reduce((sum, seed) => sum + seed[name] * weight(seed), 0) / total;
  };
  return {
    probes: seeds.reduce((sum, seed) => sum + seed.probes, 0),
    reached: mean("reached", (seed) => seed.probes),
    ...{ p50: quantile(delaysMs, 0.5), p90: quantile(delaysMs, 0.9) },
    ...{ p99: quantile(delaysMs, 0.99), delaysMs },
    duplicatesPerDelivery: mean("duplicatesPerDelivery", (seed) => seed.delaysMs.length),
  };
}

/** How far the model may be from the real class on one plan. Shares of the real figure. */
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
