/** S-D2. */
import type { CreateChecker } from "./checker.ts";

export const monotoneStore: CreateChecker = () => {
  const stored = new Map<number, Map<string, { epoch: number; seq: number }>>();
  return {
    name: "S-D2",
    statement: "a process replaces a document only by a later one of the same owner and part",
    on: {
      start: ({ node }) => {
        stored.set(node, new Map());
      },
      stored: ({ node, owner, part, epoch, seq }, report) => {
        const parts = stored.get(node) ?? new Map<string, { epoch: number; seq: number }>();
        stored.set(node, parts);
        const key = `${owner}/${part}`;
        const former = parts.get(key);
        parts.set(key, { epoch, seq });
        if (former === undefined) return;
        const isLater = epoch > former.epoch || (epoch === former.epoch && seq >= former.seq);
        if (isLater) return;
        report(
          `n${node} replaced part ${part} of n${owner} at ${former.epoch}.${former.seq} ` +
            `by ${epoch}.${seq}`,
          [node, owner],
        );
      },
    },
  };
};
