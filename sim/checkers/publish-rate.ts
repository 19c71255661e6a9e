/** S-D10. */
import { DIRECTORY_DEFAULTS } from "../../membership/directory.ts";
import type { CreateChecker } from "./checker.ts";

/** After quiet time some publications may follow each other closely. */
const BURST = 5;
const WINDOW_US = 10_000_000;
/** An own statement of another process may have to be outrun at once. */
const SLACK = 3;

export const publishRate: CreateChecker = ({ nodes }) => {
  const published = new Map<number, number[]>();
  const most = BURST + SLACK + WINDOW_US / (DIRECTORY_DEFAULTS.publishIntervalMs * 1_000);
  return {
    name: "S-D10",
    statement: "an owner publishes at its pace, however often its content changes",
    on: {
      start: ({ node }) => {
        published.delete(node);
      },
      published: ({ at, node, part }, report) => {
        if (part !== 0 || node >= nodes) return;
        const recent = (published.get(node) ?? []).filter((each) => at - each < WINDOW_US);
        recent.push(at);
        published.set(node, recent);
        if (recent.length <= most) return;
        report(`n${node} published ${recent.length} documents in ${WINDOW_US / 1e6} s`, [node]);
        published.delete(node);
      },
    },
  };
};
