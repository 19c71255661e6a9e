/**
 * S-M15. A node that nothing reaches cannot know whether the fault is its own. Only suspicions are
 * judged: what it had accused before it was cut off may still run into a verdict. Not judged is who
 * had lost or delayed packets shortly before: when those arrive is settled when they are sent, and so
 * they come through the cut.
 */
import type { CreateChecker } from "./checker.ts";

/** Silence of 1.25 intervals is noticed; some time for what was under way when the road was cut. */
const NOTICED_INTERVALS = 2;
const UNDER_WAY_MS = 1_000;
const DELAYED_MS = 10_000;

export const cutOffAccuser: CreateChecker = ({ nodes, probeIntervalMs }) => {
  const noticedMs = NOTICED_INTERVALS * probeIntervalMs + UNDER_WAY_MS;
  /** Who is cut off from all others, by the fault that does it. */
  const cutOff = new Map<number, { readonly node: number; readonly at: number }>();
  /** Other faults that last, and when one ended last for a node. */
  const others = new Map<number, readonly number[]>();
  const troubledAt = new Map<number, number>();
  const isTroubled = (node: number, at: number) =>
    at - (troubledAt.get(node) ?? Number.NEGATIVE_INFINITY) < DELAYED_MS * 1_000 ||
    [...others.values()].some((struck) => struck.includes(node));
  return {
    name: "S-M15",
    statement: "a node that is cut off from all others accuses nobody",
    countsCases: true,
    on: {
      start: ({ node }) => {
        // A double was made after the cut, and is not behind it.
        if (node >= nodes) cutOff.clear();
      },
      fault: ({ id, on, fault, left, right, at }, report) => {
        if (!on) {
          cutOff.delete(id);
          for (const node of others.get(id) ?? []) troubledAt.set(node, at);
          others.delete(id);
          return;
        }
        const [node] = left;
        const isCut = fault === "partition" || fault === "broken cut";
        if (!isCut) others.set(id, [...left, ...(right ?? [])]);
        else if (left.length === 1 && node !== undefined && !isTroubled(node, at)) {
          report.judged();
          cutOff.set(id, { node, at });
        }
      },
      accused: ({ node, subject, at, verdict, basis }, report) => {
        for (const cut of cutOff.values()) {
          const ms = (at - cut.at) / 1_000;
          if (cut.node !== node || verdict !== "suspect" || ms < noticedMs) continue;
          if (isTroubled(node, at)) continue;
          report(`n${node} accused n${subject} (${basis}) after it had been alone for ${ms} ms`, [
            node,
            subject,
          ]);
        }
      },
    },
  };
};
