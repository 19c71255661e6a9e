/** S-R3. */
import type { CreateChecker } from "./checker.ts";

export const offeredTarget: CreateChecker = () => {
  const offered = new Set<string>();
  return {
    name: "S-R3",
    statement: "no attempt is sent to an instance that its node never offered",
    isFitForReal: true,
    on: {
      registered: ({ node, instance }) => {
        offered.add(`${node} ${instance}`);
      },
      record: ({ node, attempts, request }, report) => {
        for (const { target, instance } of attempts) {
          if (target < 0 || offered.has(`${target} ${instance}`)) continue;
          report(`n${node} sent request ${request} to ${instance}, which n${target} never had`, [
            node,
            target,
          ]);
        }
      },
    },
  };
};
