/**
 * L-M14. The word of a leaver spreads as a rumour, and a rumour may miss one node in many; that one
 * hears of it when tables are compared. So nearly all must know at once, and all soon after.
 */
import type { Belief } from "../trace.ts";
import type { CreateChecker, Report } from "./checker.ts";
import { Excuses } from "./excuses.ts";

/** Sooner than any suspicion of a silent member could end, and so many may have been missed. */
const TOLD_MS = 3_000;
const MISSED_SHARE = 0.05;
/** Longer than the pause between two comparisons of tables. */
const COMPARED_MS = 25_000;

interface Departure {
  readonly node: number;
  readonly since: number;
  readonly at: number;
  readonly afterMs: number;
  readonly missedMax: number;
}

export const toldLeave: CreateChecker = ({ nodes }) => {
  const excuses = new Excuses();
  const beliefs = new Map<number, Belief>();
  const leavingSince = new Map<number, number>();
  const running = new Set<number>();
  let due: Departure[] = [];
  const judge = (now: number, report: Report) => {
    if (due.length === 0 || (due[0] as Departure).at > now) return;
    for (const { node, since, afterMs, missedMax } of due.filter(({ at }) => at <= now)) {
      const missed: number[] = [];
      for (const viewer of running) {
        const belief = beliefs.get(viewer * nodes + node);
        if (belief !== "alive" && belief !== "suspect") continue;
        if (!excuses.isSound(viewer, since) || !excuses.areConnected(viewer, node, since)) continue;
        missed.push(viewer);
      }
      if (missed.length <= missedMax) continue;
      const names = missed.map((viewer) => `n${viewer}`).join(" ");
      report(`${names} hold n${node} alive ${afterMs} ms after it has left`, [...missed, node]);
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
        const missedMax = Math.max(1, Math.floor(nodes * MISSED_SHARE));
        due.push({ node, since, at: at + TOLD_MS * 1_000, afterMs: TOLD_MS, missedMax });
        const late = { at: at + COMPARED_MS * 1_000, afterMs: COMPARED_MS, missedMax: 0 };
        due.push({ node, since, ...late });
        due.sort((one, other) => one.at - other.at);
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
