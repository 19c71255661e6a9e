/** S-M1. */
import type { CreateChecker } from "./checker.ts";
import { compareLives, describeLife, type Life } from "./life.ts";

export const monotoneLife: CreateChecker = ({ nodes }) => {
  const lives = new Map<number, Life>();
  return {
    name: "S-M1",
    statement: "what a process holds of a member never goes back to an earlier life of it",
    isFitForReal: true,
    on: {
      // A new process starts from what its disk and its peers tell it.
      start: ({ node }) => {
        for (let subject = 0; subject < nodes; subject += 1) lives.delete(node * nodes + subject);
      },
      belief: ({ node, subject, epoch, incarnation }, report) => {
        if (subject < 0 || node >= nodes) return;
        const pair = node * nodes + subject;
        const former = lives.get(pair);
        const life = { epoch, incarnation };
        lives.set(pair, life);
        if (former === undefined || compareLives(life, former) >= 0) return;
        report(
          `n${node} went from ${describeLife(former)} of n${subject} back to ${describeLife(life)}`,
          [node, subject],
        );
      },
    },
  };
};
