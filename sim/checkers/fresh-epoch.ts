/** S-M3. */
import type { CreateChecker } from "./checker.ts";

export const freshEpoch: CreateChecker = () => {
  const last = new Map<number, number>();
  return {
    name: "S-M3",
    statement: "every start of a node takes an epoch above all earlier ones while its disk is kept",
    isFitForReal: true,
    on: {
      start: ({ node, epoch, disk }, report) => {
        const former = last.get(node);
        last.set(node, epoch);
        if (disk !== "kept" || former === undefined || epoch > former) return;
        report(`n${node} started with epoch ${epoch} after ${former}`, [node]);
      },
    },
  };
};
