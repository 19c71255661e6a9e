/** S-R5. */
import type { CreateChecker } from "./checker.ts";

/** A request has a deadline of 10 s; after it the router needs a moment, and a slow machine more. */
const OUTCOME_MS_MAX = 11_500;

/** A process that does not run cannot answer its application in time, */
const IMPAIRING = new Set(["pause", "slow", "starve"]);
/** and one that never runs again never. */
const STUCK = "broken pause";

interface Open {
  readonly node: number;
  readonly at: number;
  ends: number;
}

export const oneOutcome: CreateChecker = () => {
  const open = new Map<string, Open>();
  const impaired = new Map<number, number>();
  const stuck = new Set<number>();
  return {
    name: "S-R5",
    statement: "every request ends exactly once, by its deadline at the latest",
    isFitForReal: true,
    on: {
      request: ({ node, request, at }) => {
        open.set(request, { node, at, ends: 0 });
      },
      outcome: ({ node, request, at }, report) => {
        const known = open.get(request);
        if (known === undefined) return;
        known.ends += 1;
        const ms = (at - known.at) / 1_000;
        if (known.ends > 1)
          report(`request ${request} of n${node} ended ${known.ends} times`, [node]);
        else if (ms > OUTCOME_MS_MAX && !impaired.has(node)) {
          report(`request ${request} of n${node} ended after ${ms} ms`, [node]);
        }
      },
      fault: ({ fault, on, left }) => {
        if (fault === STUCK) for (const node of left) stuck.add(node);
        if (!IMPAIRING.has(fault)) return;
        for (const node of left) {
          const count = (impaired.get(node) ?? 0) + (on ? 1 : 0);
          if (count > 0) impaired.set(node, count);
        }
      },
      stop: ({ node }) => {
        for (const [request, known] of open) if (known.node === node) open.delete(request);
      },
    },
    atEnd: (now, report) => {
      for (const [request, { node, at, ends }] of open) {
        if (ends > 0 || stuck.has(node) || now - at < OUTCOME_MS_MAX * 1_000) continue;
        report(`request ${request} of n${node} never ended`, [node]);
      }
    },
  };
};
