/**
 * S-M12. A member on a bad road may be found dead and come back a few times; then it has to hold
 * back until its road is well, instead of coming and going for ever. Without that it can die every
 * eight seconds: a suspicion, a death, a refutation.
 */
import type { CreateChecker } from "./checker.ts";

const WINDOW_US = 120_000_000;
const DEATHS_MAX = 8;

export const flapping: CreateChecker = ({ nodes }) => {
  const deaths = new Map<number, number[]>();
  return {
    name: "S-M12",
    statement: "nobody sees one life of a process die again and again: it holds back instead",
    on: {
      start: ({ node }) => {
        for (let other = 0; other < nodes; other += 1) {
          deaths.delete(node * nodes + other);
          deaths.delete(other * nodes + node);
        }
      },
      belief: ({ at, node, subject, belief }, report) => {
        if (belief !== "dead" || subject < 0 || node >= nodes) return;
        const pair = node * nodes + subject;
        const recent = (deaths.get(pair) ?? []).filter((each) => at - each < WINDOW_US);
        recent.push(at);
        deaths.set(pair, recent);
        if (recent.length <= DEATHS_MAX) return;
        report(`n${node} saw n${subject} die ${recent.length} times in two minutes`, [
          node,
          subject,
        ]);
        deaths.delete(pair);
      },
    },
  };
};
