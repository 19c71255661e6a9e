/** S-R1. */
import type { Belief } from "../trace.ts";
import type { CreateChecker } from "./checker.ts";

interface Held {
  readonly at: number;
  readonly belief: Belief;
}

/** Beliefs remembered per pair: records come when their request is over. */
const HELD_MAX = 8;
/** Times of attempts are rounded to the clock of the node. */
const ROUNDING_US = 1_000;

export const deadTarget: CreateChecker = ({ nodes }) => {
  const held = new Map<number, Map<number, Held[]>>();
  return {
    name: "S-R1",
    statement: "no attempt is sent to a member that the caller believes dead or gone",
    isFitForReal: true,
    on: {
      start: ({ node }) => {
        held.delete(node);
      },
      belief: ({ at, node, subject, belief }) => {
        if (subject < 0 || node >= nodes) return;
        const mine = held.get(node) ?? new Map<number, Held[]>();
        held.set(node, mine);
        const beliefs = mine.get(subject) ?? [];
        mine.set(subject, beliefs);
        beliefs.push({ at, belief });
        if (beliefs.length > HELD_MAX) beliefs.shift();
      },
      record: ({ node, attempts, request }, report) => {
        for (const { at, target, instance } of attempts) {
          const beliefs = held.get(node)?.get(target) ?? [];
          const index = beliefs.findLastIndex((each) => each.at <= at - ROUNDING_US);
          const known = beliefs[index];
          const next = beliefs[index + 1];
          if (known === undefined || (known.belief !== "dead" && known.belief !== "left")) continue;
          if (next !== undefined && next.at <= at + ROUNDING_US) continue;
          report(
            `n${node} sent request ${request} to ${instance} on n${target}, which it held ` +
              `${known.belief} since ${known.at / 1_000} ms`,
            [node, target],
          );
        }
      },
    },
  };
};
