/**
 * S-D7. What a kernel held back behind a cut is sent at the latest as long after the cut as that
 * lasted; until then an old question may still be answered with documents. A resend that meets the
 * next cut is lost, too, so cuts that follow each other sooner than that count as one. It is judged
 * only where the rest began later than the longest of them.
 */
import type { CreateChecker } from "./checker.ts";

/** The first pause of a kernel, and the way. */
const SLACK_US = 2_000_000;
/** No kernel pauses for longer. */
const RESEND_US_MAX = 120_000_000;
const CUTS: readonly string[] = ["partition", "partition one way", "swizzle", "broken cut"];

export const idleSync: CreateChecker = () => {
  const began = new Map<number, number>();
  const cuts = new Set<number>();
  /** Cuts that follow each other so closely that one resend may meet them all. */
  let stretch = { from: 0, to: Number.NEGATIVE_INFINITY };
  let longest = 0;
  let healedAt = 0;
  let hasBroken = false;
  let isIdle = false;
  return {
    name: "S-D7",
    statement: "nodes that hold the same hand each other no documents",
    countsCases: true,
    on: {
      fault: ({ at, id, on, fault }) => {
        if (on) began.set(id, at);
        else longest = Math.max(longest, at - (began.get(id) ?? at));
        if (on && CUTS.includes(fault)) {
          const isApart = at - stretch.to > stretch.to - stretch.from + SLACK_US;
          if (cuts.size === 0 && isApart) stretch = { from: at, to: at };
          cuts.add(id);
        } else if (cuts.delete(id)) {
          stretch.to = at;
          longest = Math.max(longest, Math.min(RESEND_US_MAX, at - stretch.from));
        }
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
