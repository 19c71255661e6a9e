/**
 * L-M7. For each start it is remembered who has heard of it until the bound is over; so it costs a
 * look at one small table for what nodes come to believe, and nothing per pair.
 */
import type { CreateChecker, Report } from "./checker.ts";
import { Excuses } from "./excuses.ts";

interface Return {
  readonly node: number;
  readonly epoch: number;
  readonly at: number;
  readonly heard: Set<number>;
}

export const rejoined: CreateChecker = ({ detectMs, nodes }) => {
  const excuses = new Excuses();
  const running = new Set<number>();
  const waiting = new Map<number, Return>();
  /** In the order in which they are due. */
  let due: Return[] = [];
  const judge = (now: number, report: Report) => {
    while (due[0] !== undefined && now - due[0].at > detectMs * 1_000) {
      const { node, at, heard } = due[0];
      due = due.slice(1);
      if (waiting.get(node)?.at !== at) continue;
      waiting.delete(node);
      if (!excuses.isSound(node, at)) continue;
      report.judged();
      for (const viewer of running) {
        if (viewer === node || heard.has(viewer) || !excuses.isSound(viewer, at)) continue;
        if (!excuses.areConnected(viewer, node, at)) continue;
        report(`n${viewer} has not heard of n${node}, which runs again for ${detectMs} ms`, [
          viewer,
          node,
        ]);
      }
    }
  };
  return {
    name: "L-M7",
    statement: "a member that runs again is alive for every sound node within the bound",
    countsCases: true,
    on: {
      start: (event, report) => {
        judge(event.at, report);
        excuses.onStart(event);
        const { node, epoch, at } = event;
        if (node >= nodes) return;
        const isReturn = at > 0 && running.size > 0;
        running.add(node);
        if (!isReturn) return;
        const entry = { node, epoch, at, heard: new Set<number>() };
        waiting.set(node, entry);
        due.push(entry);
      },
      stop: (event, report) => {
        judge(event.at, report);
        excuses.onStop(event);
        running.delete(event.node);
        waiting.delete(event.node);
      },
      fault: (event, report) => {
        judge(event.at, report);
        excuses.onFault(event);
      },
      belief: ({ at, node, subject, belief, epoch }, report) => {
        judge(at, report);
        const entry = waiting.get(subject);
        if (entry !== undefined && belief === "alive" && epoch >= entry.epoch)
          entry.heard.add(node);
      },
    },
    atEnd: (now, report) => judge(now, report),
  };
};
