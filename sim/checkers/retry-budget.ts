/** S-T1. */
import type { CreateChecker } from "./checker.ts";

/** The budget of policies/retry.ts: a share of the requests of the window, and a floor. */
const SHARE = 0.2;
const FLOOR_PER_SECOND = 10;
const WINDOW_US = 10_000_000;
/** Buckets of a second at both ends. */
const SLACK_US = 2_000_000;

interface Counted {
  readonly at: number;
  readonly repeats: number;
}

export const retryBudget: CreateChecker = () => {
  const windows = new Map<string, Counted[]>();
  return {
    name: "S-T1",
    statement: "in any window the repeats of a caller stay within its share of requests and floor",
    isFitForReal: true,
    on: {
      record: ({ at, node, service, attempts }, report) => {
        const key = `${node} ${service}`;
        const counted = windows.get(key) ?? [];
        windows.set(key, counted);
        counted.push({ at, repeats: Math.max(0, attempts.length - 1) });
        while (counted.length > 0 && at - (counted[0] as Counted).at > WINDOW_US) counted.shift();
        const repeats = counted.reduce((sum, each) => sum + each.repeats, 0);
        const floor = (FLOOR_PER_SECOND * (WINDOW_US + SLACK_US)) / 1_000_000;
        if (repeats <= SHARE * counted.length + floor) return;
        report(`n${node} repeated ${repeats} of ${counted.length} requests to ${service}`, [node]);
      },
    },
  };
};
