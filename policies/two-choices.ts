/**
 * The better of two instances that were drawn by chance. A half-open breaker wins, because its
 * probes must reach the instance for it ever to return, and they are few. Otherwise the lower cost
 * wins, but only if it is clearly lower: differences within the band are noise, and following noise
 * would send all requests of a quiet client to one instance.
 */
import type { Choice } from "../core/router/policy.ts";
import type { Millis } from "../core/types.ts";

/** The second must cost less than this share of the first to be preferred. */
const BAND = 0.8;

export function chooseOfTwo<Candidate extends Choice>(
  first: Candidate,
  second: Candidate,
  now: Millis,
): Candidate {
  if (first.breaker.state(now) === "half-open") return first;
  if (second.breaker.state(now) === "half-open") return second;
  const firstMs = first.latency.costMs(first.share, now);
  return second.latency.costMs(second.share, now) < firstMs * BAND ? second : first;
}
