/** L-M6. */
import type { Belief } from "../trace.ts";
import type { CreateChecker, Report } from "./checker.ts";
import { Excuses } from "./excuses.ts";

interface Due {
  readonly node: number;
  readonly stoppedAt: number;
  readonly at: number;
}

export const completeness: CreateChecker = ({ detectMs, nodes }) => {
  const excuses = new Excuses();
  const beliefs = new Map<number, Belief>();
  const running = new Set<number>();
  let due: Due[] = [];
  const judge = (now: number, report: Report) => {
    const ripe = due.filter(({ at }) => at <= now);
    if (ripe.length === 0) return;
    due = due.filter(({ at }) => at > now);
    for (const { node, stoppedAt } of ripe) {
      for (const viewer of running) {
        const belief = beliefs.get(viewer * nodes + node);
        if (belief !== "alive" && belief !== "suspect") continue;
        if (!excuses.isSound(viewer, stoppedAt)) continue;
        if (!excuses.areConnected(viewer, node, stoppedAt)) continue;
        report(`n${viewer} still believes n${node} ${belief} ${detectMs} ms after it was gone`, [
          viewer,
          node,
        ]);
      }
    }
  };
  return {
    name: "L-M6",
    statement: "a member that is gone is dead or gone for every sound node within the bound",
    isFitForReal: true,
    on: {
      start: (event, report) => {
        judge(event.at, report);
        excuses.onStart(event);
        if (event.node >= nodes) return;
        running.add(event.node);
        due = due.filter(({ node }) => node !== event.node);
        for (let subject = 0; subject < nodes; subject += 1) {
          beliefs.delete(event.node * nodes + subject);
        }
      },
      stop: (event, report) => {
        judge(event.at, report);
        excuses.onStop(event);
        const { node, at } = event;
        if (node >= nodes) return;
        running.delete(node);
        due.push({ node, stoppedAt: at, at: at + detectMs * 1_000 });
      },
      fault: (event, report) => {
        judge(event.at, report);
        excuses.onFault(event);
      },
      belief: ({ at, node, subject, belief }, report) => {
        judge(at, report);
        if (subject >= 0 && node < nodes) beliefs.set(node * nodes + subject, belief);
      },
    },
    atEnd: (now, report) => judge(now, report),
  };
};
