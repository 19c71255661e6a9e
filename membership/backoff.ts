/** The pause before attempt `failures + 1`: doubling from first to longest, jittered by a half. */
import type { Random } from "../core/seams.ts";

export function backoffMs(
  firstMs: number,
  longestMs: number,
  failures: number,
  random: Random,
): number {
  const full = Math.min(longestMs, firstMs * 2 ** Math.min(failures, 30));
  return full * (0.5 + random.float() / 2);
}
