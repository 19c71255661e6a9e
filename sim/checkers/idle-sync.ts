/**
 * S-D7. What a kernel held back behind a cut is sent at the latest as long after the cut as that
 * lasted; until then an old question may still be answered with documents. So it is judged only where
 * the rest began later than that.
 */
import type { CreateChecker } from "./checker.ts";

/** The first pause of a kernel, and the way. */
const SLACK_US = 2_000_000;

export const idleSync: CreateChecker = () => {
  const began = new Map<number, number>();
  let longest = 0;
  let healedAt = 0;
  let hasBroken = false;
  let isIdle = false;
  return {
    name: "S-D7",
    statement: "nodes that hold the same hand each other no documents",
    countsCases: true,
    on: {
      fault: ({ at, id, on }) => {
        if (on) began.set(id, at);
        else longest = Math.max(longest, at - (began.get(id) ?? at));
      },
      healed: ({ at, broken }) => {
        healedAt = at;
        hasBroken = broken.length > 0;
      },
      rested: ({ at }) => {
        isIdle = at - healedAt > longest + SLACK_US || longest === 0;
      },
      published: () => {
        isIdle = false;
      },
      settled: ({ node, handed }, report) => {
        if (!isIdle || hasBroken || handed === undefined) return;
        report.judged();
        if (handed > 0) report(`n${node} sent ${handed} packets of documents at rest`, [node]);
      },
    },
  };
};
