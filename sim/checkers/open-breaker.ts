/** S-B3. */
import type { CreateChecker } from "./checker.ts";

export const openBreaker: CreateChecker = () => ({
  name: "S-B3",
  statement: "an instance whose breaker is open gets no attempt",
  isFitForReal: true,
  on: {
    record: ({ node, request, attempts }, report) => {
      for (const { instance, target, breaker } of attempts) {
        if (breaker !== "open") continue;
        report(`n${node} sent request ${request} to ${instance} through an open breaker`, [
          node,
          target,
        ]);
      }
    },
  },
});
