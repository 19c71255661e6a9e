/** S-D8. */
import type { CreateChecker } from "./checker.ts";

export const poison: CreateChecker = () => {
  const poisoned = new Set<string>();
  return {
    name: "S-D8",
    statement: "a document that its owner signed and that is wrong in itself enters no store",
    countsCases: true,
    on: {
      poisoned: ({ node, epoch, seq }, report) => {
        report.judged();
        poisoned.add(`${node} ${epoch}.${seq}`);
      },
      stored: ({ node, owner, epoch, seq }, report) => {
        if (poisoned.size === 0 || !poisoned.has(`${owner} ${epoch}.${seq}`)) return;
        report(`n${node} took ${epoch}.${seq} of n${owner}, which is poison`, [node, owner]);
      },
    },
  };
};
