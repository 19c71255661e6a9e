/** S-D3. */
import type { CreateChecker } from "./checker.ts";

export const documentProvenance: CreateChecker = ({ nodes }) => {
  const published = new Set<string>();
  return {
    name: "S-D3",
    statement: "every document that is stored was signed by its owner",
    on: {
      published: ({ node, part, epoch, seq }) => {
        published.add(`${node}/${part}/${epoch}.${seq}`);
      },
      stored: ({ node, owner, part, epoch, seq }, report) => {
        if (owner < 0 || owner >= nodes) return;
        if (published.has(`${owner}/${part}/${epoch}.${seq}`)) return;
        report(`n${node} stores ${epoch}.${seq} of n${owner}, which never signed it`, [
          node,
          owner,
        ]);
      },
    },
  };
};
