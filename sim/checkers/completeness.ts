/**
 * L-M6. Who starts later has to learn of the dead from others, within the same bound. While another
 * machine speaks with the key of one that is gone it is there for everybody: the time begins anew.
 */
import type { Belief } from "../trace.ts";
import type { CreateChecker, Report } from "./checker.ts";
import { Excuses } from "./excuses.ts";

interface Due {
  readonly node: number;
  readonly stoppedAt: number;
  readonly at: number;
  /** Whom it is due from; undefined: from all that run. */
  readonly viewer: number | undefined;
}

export const completeness: CreateChecker = ({ detectMs, nodes }) => {
  const excuses = new Excuses();
  const beliefs = new Map<number, Map<number, Belief>>();
  const running = new Set<number>();
  const gone = new Set<number>();
  let due: Due[] = [];
  const judge = (now: number, report: Report) => {
    // In the order of their moments: what nodes come to believe costs one comparison.
    if (due[0] === undefined || due[0].at > now) return;
    const ripe = due.filter(({ at }) => at <= now);
    due = due.filter(({ at }) => at > now);
    for (const { node, stoppedAt, viewer: only } of ripe) {
      for (const viewer of only === undefined ? running : [only]) {
        const belief = beliefs.get(viewer)?.get(node);
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
        gone.delete(event.node);
        due = due.filter(({ node }) => node !== event.node);
        beliefs.delete(event.node);
        const { at: stoppedAt, node: viewer } = event;
        const at = stoppedAt + detectMs * 1_000;
        for (const node of gone) due.push({ node, stoppedAt, at, viewer });
      },
      stop: (event, report) => {
        judge(event.at, report);
        excuses.onStop(event);
        const { node, at } = event;
        if (node >= nodes) return;
        running.delete(node);
        gone.add(node);
        due.push(dueFromAll(node, at, detectMs));
      },
      fault: (event, report) => {
        judge(event.at, report);
        excuses.onFault(event);
        if (event.fault !== "clone") return;
        const cloned = new Set(event.left.filter((node) => gone.has(node)));
        due = due.filter(({ node }) => !cloned.has(node));
        if (!event.on) for (const node of cloned) due.push(dueFromAll(node, event.at, detectMs));
      },
      belief: ({ at, node, subject, belief }, report) => {
        judge(at, report);
        if (subject < 0 || node >= nodes) return;
        const held = beliefs.get(node) ?? new Map<number, Belief>();
        beliefs.set(node, held);
        held.set(subject, belief);
      },
    },
    atEnd: (now, report) => judge(now, report),
  };
};

function dueFromAll(node: number, stoppedAt: number, detectMs: number): Due {
  return { node, stoppedAt, at: stoppedAt + detectMs * 1_000, viewer: undefined };
}
