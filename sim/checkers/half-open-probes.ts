/**
 * S-B2. Counted are attempts that were answered: one that the client gave up hands its place to
 * another. A breaker that trips stays open for a second at least, so attempts that began within
 * less than that belong to one half-open breaker.
 */
import { BREAKER_DEFAULTS } from "../../policies/breaker.ts";
import type { CreateChecker } from "./checker.ts";

/** Clocks of nodes run up to this much faster or slower, and times are rounded. */
const SAME_TURN_US = BREAKER_DEFAULTS.openBaseMs * 990;
/** Records come when their requests are over; older starts cannot matter any more. */
const KEPT_US = 30_000_000;

export const halfOpenProbes: CreateChecker = () => {
  const starts = new Map<string, number[]>();
  return {
    name: "S-B2",
    statement: "a half-open breaker lets through no more attempts than it probes with",
    on: {
      start: ({ node }) => {
        for (const key of starts.keys()) if (key.startsWith(`${node} `)) starts.delete(key);
      },
      record: ({ at, node, attempts }, report) => {
        for (const attempt of attempts) {
          if (attempt.breaker !== "half-open" || attempt.outcome !== "answered") continue;
          const key = `${node} ${attempt.target} ${attempt.instance}`;
          const known = (starts.get(key) ?? []).filter((each) => at - each < KEPT_US);
          known.push(attempt.at);
          known.sort((one, other) => one - other);
          starts.set(key, known);
          const { probes } = BREAKER_DEFAULTS;
          const isTooMany = known.some((each, index) => {
            const last = known[index + probes];
            return last !== undefined && last - each < SAME_TURN_US;
          });
          if (!isTooMany) continue;
          report(`n${node} probed ${attempt.instance} more than ${probes} times at once`, [
            node,
            attempt.target,
          ]);
          starts.delete(key);
        }
      },
    },
  };
};
