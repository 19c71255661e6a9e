/**
 * S-M12. Only the member itself can contradict its death, so that it is what makes a view swing. The
 * first times it may do so at once; from then on everybody must get a moment's rest in between.
 */
import type { CreateChecker } from "./checker.ts";
import { lifeKey } from "./life.ts";

const WINDOW_US = 120_000_000;
/** Deaths within the window of which all but the last were refuted at once. */
const FREE = 5;
const PAUSE_US = 2_000_000 * 0.98;

export const damped: CreateChecker = ({ nodes }) => {
  /** When each life was first called dead. */
  const deaths = new Map<string, number>();
  const refuted = new Map<number, number[]>();
  return {
    name: "S-M12",
    statement: "a member that keeps being found dead pauses before it contradicts that again",
    on: {
      start: ({ node }) => {
        refuted.delete(node);
      },
      accused: (event) => {
        if (event.verdict !== "dead") return;
        const key = lifeKey(event.subject, event);
        if (!deaths.has(key)) deaths.set(key, event.at);
      },
      said: ({ at, node, epoch, incarnation, left }, report) => {
        if (node >= nodes || incarnation === 0 || left) return;
        const diedAt = deaths.get(lifeKey(node, { epoch, incarnation: incarnation - 1 }));
        if (diedAt === undefined) return;
        const recent = (refuted.get(node) ?? []).filter((each) => at - each < WINDOW_US);
        recent.push(at);
        refuted.set(node, recent);
        if (recent.length <= FREE || at - diedAt >= PAUSE_US) return;
        const ms = (at - diedAt) / 1_000;
        report(`n${node} refuted its death number ${recent.length} after only ${ms} ms`, [node]);
      },
    },
  };
};
