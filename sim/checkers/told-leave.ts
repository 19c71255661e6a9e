/** L-M14. */
import type { Belief } from "../trace.ts";
import type { CreateChecker, Report } from "./checker.ts";
import { Excuses } from "./excuses.ts";

/** Sooner than any suspicion of a silent member could end. */
const TOLD_MS = 3_000;

interface Departure {
  readonly node: number;
  readonly since: number;
  readonly at: number;
}

export const toldLeave: CreateChecker = ({ nodes }) => {
  const excuses = new Excuses();
  const beliefs = new Map<number, Belief>();
  const leavingSince = new Map<number, number>();
  const running = new Set<number>();
  let due: Departure[] = [];
  const judge = (now: number, report: Report) => {
    if (due.length === 0 || (due[0] as Departure).at > now) return;
    for (const { node, since } of due.filter(({ at }) => at <= now)) {
      for (const viewer of running) {
        const belief = beliefs.get(viewer * nodes + node);
        if (belief !== "alive" && belief !== "suspect") continue;
        if (!excuses.isSound(viewer, since) || !excuses.areConnected(viewer, node, since)) continue;
        report(`n${viewer} believes n${node} ${belief} ${TOLD_MS} ms after it has left`, [
          viewer,
          node,
        ]);
      }
    }
    due = due.filter(({ at }) => at > now);
  };
  return {
    name: "L-M14",
    statement: "who leaves in order is known to be gone at once, not when silence tells",
    on: {
      start: (event, report) => {
        judge(event.at, report);
        excuses.onStart(event);
        if (event.node >= nodes) return;
        running.add(event.node);
        due = due.filter(({ node }) => node !== event.node);
        for (let of = 0; of < nodes; of += 1) beliefs.delete(event.node * nodes + of);
      },
      leaving: ({ node, at }) => {
        leavingSince.set(node, at);
      },
      stop: (event, report) => {
        const { node, at, how } = event;
        judge(at, report);
        const since = leavingSince.get(node);
        // A leaver that something else happened to could not tell.
        const isExcused = since === undefined || !excuses.isSound(node, since);
        excuses.onStop(event);
        running.delete(node);
        leavingSince.delete(node);
        if (how !== "left" || node >= nodes || isExcused) return;
        due.push({ node, since, at: at + TOLD_MS * 1_000 });
      },
      fault: (event, report) => {
        judge(event.at, report);
        // The departure itself is a fault of the plan.
        if (event.fault !== "leave") excuses.onFault(event);
      },
      belief: ({ at, node, subject, belief }, report) => {
        judge(at, report);
        if (subject >= 0 && node < nodes) beliefs.set(node * nodes + subject, belief);
      },
    },
  };
};
