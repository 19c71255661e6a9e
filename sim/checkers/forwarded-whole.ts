/**
 * S-D9. A document of a later version has fields that this one does not know. Whoever forwards it
 * must forward them as well: everybody stores the very bytes that its owner stores.
 */
import type { CreateChecker } from "./checker.ts";

export const forwardedWhole: CreateChecker = ({ nodes }) => {
  const later = new Set<string>();
  const hashes = new Map<string, number>();
  /** Two hands with one key, or one that lies, sign two documents with one number. */
  const exempt = new Set<number>();
  return {
    name: "S-D9",
    statement: "a document of a later version is passed on byte for byte",
    countsCases: true,
    on: {
      fault: ({ fault, left }) => {
        if (fault !== "clone" && !fault.startsWith("byzantine")) return;
        for (const node of left) exempt.add(node);
      },
      published: ({ node, part, epoch, seq, isLater }) => {
        if (isLater) later.add(`${node}/${part} ${epoch}.${seq}`);
      },
      stored: ({ node, owner, part, epoch, seq, hash }, report) => {
        if (later.size === 0 || node === owner || owner >= nodes || exempt.has(owner)) return;
        const key = `${owner}/${part} ${epoch}.${seq}`;
        if (!later.has(key)) return;
        report.judged();
        const known = hashes.get(key);
        hashes.set(key, hash);
        if (known === undefined || known === hash) return;
        report(`n${node} stores ${epoch}.${seq} of n${owner} with other bytes`, [node, owner]);
      },
    },
  };
};
