/**
 * L-M13. Judged when the clone is switched off. Excused is a pair of which one did not run, or was
 * touched by another fault, for part of that time, and one that was together too shortly.
 */
import type { CreateChecker } from "./checker.ts";
import { Excuses } from "./excuses.ts";

const NOTICE_US = 15_000_000;

export const noticedClone: CreateChecker = ({ nodes }) => {
  const excuses = new Excuses();
  const noticed = new Set<number>();
  const clones = new Map<number, { readonly node: number; readonly at: number }>();
  return {
    name: "L-M13",
    statement: "two processes with one identity are noticed by one of them within the bound",
    on: {
      start: (event) => excuses.onStart(event),
      stop: (event) => excuses.onStop(event),
      duplicate: ({ subject }) => {
        noticed.add(subject);
      },
      fault: (event, report) => {
        if (event.fault !== "clone") {
          excuses.onFault(event);
          return;
        }
        const [node = nodes] = event.left;
        if (event.on) {
          noticed.delete(node);
          clones.set(event.id, { node, at: event.at });
          return;
        }
        const clone = clones.get(event.id);
        if (clone === undefined || event.at - clone.at < NOTICE_US || noticed.has(node)) return;
        if (!excuses.isSound(node, clone.at) || !excuses.isQuiet(clone.at)) return;
        const ms = (event.at - clone.at) / 1_000;
        report(`nobody noticed in ${ms} ms that n${node} ran twice`, [node]);
      },
    },
  };
};
