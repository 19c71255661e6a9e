import type { Millis } from "../core/types.ts";

/** The earlier of two moments, of which either may never come. */
export function earlier(one: Millis | undefined, other: Millis | undefined): Millis | undefined {
  if (one === undefined) return other;
  if (other === undefined) return one;
  return one < other ? one : other;
}
