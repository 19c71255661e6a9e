/**
 * S-D2. A document whose lease is over by the node's own clock may have been dropped: what is taken
 * after that replaces nothing.
 */
import { CLOCK_TOLERANCE_MS } from "../../core/trust/certificate.ts";
import type { CreateChecker } from "./checker.ts";

interface Stored {
  readonly epoch: number;
  readonly seq: number;
}

export const monotoneStore: CreateChecker = () => {
  const stored = new Map<number, Map<string, Stored>>();
  const leases = new Map<string, number>();
  return {
    name: "S-D2",
    statement: "a process replaces a document only by a later one of the same owner and part",
    on: {
      start: ({ node }) => {
        stored.set(node, new Map());
      },
      published: ({ node, part, epoch, seq, notAfter }) => {
        leases.set(`${node}/${part}/${epoch}.${seq}`, notAfter);
      },
      stored: ({ node, owner, part, epoch, seq, wallMs }, report) => {
        const parts = stored.get(node) ?? new Map<string, Stored>();
        stored.set(node, parts);
        const key = `${owner}/${part}`;
        const former = parts.get(key);
        parts.set(key, { epoch, seq });
        if (former === undefined) return;
        const isLater = epoch > former.epoch || (epoch === former.epoch && seq >= former.seq);
        const notAfter = leases.get(`${key}/${former.epoch}.${former.seq}`);
        const isOver = notAfter !== undefined && notAfter + CLOCK_TOLERANCE_MS < wallMs;
        if (isLater || isOver) return;
        report(
          `n${node} replaced part ${part} of n${owner} at ${former.epoch}.${former.seq} ` +
            `by ${epoch}.${seq}`,
          [node, owner],
        );
      },
    },
  };
};
