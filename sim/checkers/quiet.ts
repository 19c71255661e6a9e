/** How long after the last fault nothing of it may be felt any more. */

/** The longest time that a breaker stays open, jitter included, and a little. */
export const QUIET_MS = 50_000;
