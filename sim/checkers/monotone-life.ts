/** S-M1. */
import type { CreateChecker } from "./checker.ts";
import { compareLives, describeLife, type Life } from "./life.ts";

export const monotoneLife: CreateChecker = ({ nodes }) => {
  /** By process, so that one that starts anew is forgotten at once. */
  const lives = new Map<number, Map<number, Life>>();
  return {
    name: "S-M1",
    statement: "what a process holds of a member never goes back to an earlier life of it",
    isFitForReal: true,
    on: {
      // A new process starts from what its disk and its peers tell it.
      start: ({ node }) => {
        lives.delete(node);
      },
      belief: ({ node, subject, epoch, incarnation }, report) => {
        if (subject < 0 || node >= nodes) return;
        const held = lives.get(node) ?? new Map<number, Life>();
        lives.set(node, held);
        const former = held.get(subject);
        const life = { epoch, incarnation };
        held.set(subject, life);
        if (former === undefined || compareLives(life, former) >= 0) return;
        report(
          `n${node} went from ${describeLife(former)} of n${subject} back to ${describeLife(life)}`,
          [node, subject],
        );
      },
    },
  };
};
