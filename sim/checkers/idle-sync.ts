/** S-D7. */
import type { CreateChecker } from "./checker.ts";

export const idleSync: CreateChecker = () => {
  let isIdle = false;
  let hasBroken = false;
  return {
    name: "S-D7",
    statement: "nodes that hold the same hand each other no documents",
    countsCases: true,
    on: {
      healed: ({ broken }) => {
        hasBroken = broken.length > 0;
      },
      rested: () => {
        isIdle = true;
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
