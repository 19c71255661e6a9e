/**
 * What the client saw, turned into the demo's figures. A fault counts as routed around when the
 * last request that it disturbed has ended: one that failed, or took longer than the calm traffic
 * before it ever did (three times its 99th percentile, at least SLOW_MS_MIN).
 */
export interface Outcome {
  /** Unix milliseconds when the request was sent. */
  readonly at: number;
  readonly ms: number;
  readonly status: number;
  /** The instances that served it: "shop-b orders-c". */
  readonly by: string;
  readonly error?: string;
}

export interface Phase {
  readonly title: string;
  readonly startedAt: number;
  /** For a phase that brings new instances: part of their names. */
  readonly awaits?: string;
}

export interface PhaseResult {
  readonly title: string;
  readonly requests: number;
  readonly failures: number;
  readonly medianMs: number;
  readonly worstMs: number;
  /** Milliseconds from the fault to the end of the last disturbed request; 0: none was. */
  readonly disturbedMs: number;
  /** Milliseconds until the first answer from the awaited instances. */
  readonly servedAfterMs: number | undefined;
}

const SLOW_MS_MIN = 50;
/** The first phase warms everything up, the second shows what is usual. */
export const CALM_PHASE = 1;

export function failed(outcome: Outcome): boolean {
  return outcome.status < 200 || outcome.status > 299;
}

export function measure(
  phases: readonly Phase[],
  outcomes: readonly Outcome[],
): readonly PhaseResult[] {
  const inPhase = phases.map((phase, index) => {
    const until = phases[index + 1]?.startedAt ?? Number.POSITIVE_INFINITY;
    return outcomes.filter(
      // A request belongs to the phase in which it ended: a fault hits those already under way.
      ({ at, ms }) => at + ms >= phase.startedAt && at + ms < until,
    );
  });
  const calm = percentile(times(inPhase[CALM_PHASE] ?? []), 0.99);
  const slowMs = Math.max(SLOW_MS_MIN, 3 * calm);
  return phases.map((phase, index) => {
    const own = inPhase[index] ?? [];
    const disturbed = own.filter((outcome) => failed(outcome) || outcome.ms > slowMs);
    const ends = disturbed.map(({ at, ms }) => at + ms - phase.startedAt);
    const awaited = phase.awaits;
    const first = awaited === undefined ? undefined : own.find(({ by }) => by.includes(awaited));
    return {
      title: phase.title,
      requests: own.length,
      failures: own.filter(failed).length,
      medianMs: percentile(times(own), 0.5),
      worstMs: Math.max(0, ...times(own)),
      disturbedMs: index <= CALM_PHASE ? 0 : Math.max(0, ...ends),
      servedAfterMs: first === undefined ? undefined : first.at + first.ms - phase.startedAt,
    };
  });
}

export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((one, other) => one - other);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}

function times(outcomes: readonly Outcome[]): number[] {
  return outcomes.map(({ ms }) => ms);
}
