/** S-M11. */
import type { CreateChecker } from "./checker.ts";

export const mirror: CreateChecker = () => ({
  name: "S-M11",
  statement: "at rest what a node routes by is what its directory and its members say",
  on: {
    settled: ({ node, unmirrored }, report) => {
      for (const fault of unmirrored) report(fault, [node]);
    },
  },
});
