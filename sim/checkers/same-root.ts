/** S-D1. */
import type { CreateChecker } from "./checker.ts";

export const sameRoot: CreateChecker = () => {
  const byContents = new Map<number, { readonly node: number; readonly root: string }>();
  const byRoot = new Map<string, { readonly node: number; readonly contents: number }>();
  return {
    name: "S-D1",
    statement: "two stores have one fingerprint if and only if they hold the same documents",
    countsCases: true,
    on: {
      settled: ({ node, root, contents }, report) => {
        if (contents === undefined) return;
        report.judged();
        const same = byContents.get(contents);
        if (same !== undefined && same.root !== root) {
          report(`n${node} and n${same.node} hold the same and have ${root} and ${same.root}`, [
            node,
            same.node,
          ]);
        }
        const equal = byRoot.get(root);
        if (equal !== undefined && equal.contents !== contents) {
          report(`n${node} and n${equal.node} have fingerprint ${root} of different documents`, [
            node,
            equal.node,
          ]);
        }
        byContents.set(contents, { node, root });
        byRoot.set(root, { node, contents });
      },
    },
  };
};
