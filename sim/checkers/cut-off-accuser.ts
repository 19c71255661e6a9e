/**
 * S-M15. A node that nothing reaches cannot know whether the fault is its own. Only suspicions are
 * judged: what it had accused before it was cut off may still run into a verdict.
 */
import type { CreateChecker } from "./checker.ts";

/** Silence that is noticed at the slowest probes, and what was under way when the road was cut. */
const NOTICED_MS = 10_000;

export const cutOffAccuser: CreateChecker = ({ nodes }) => {
  /** Who is cut off from all others, by the fault that does it. */
  const cutOff = new Map<number, { readonly node: number; readonly at: number }>();
  /** Who lies, or has a double elsewhere that speaks in its name. */
  const excused = new Map<number, number>();
  return {
    name: "S-M15",
    statement: "a node that is cut off from all others accuses nobody",
    on: {
      start: ({ node }) => {
        // A double was made after the cut, and is not behind it.
        if (node >= nodes) cutOff.clear();
      },
      fault: ({ id, on, fault, left: [node, ...more], at }) => {
        cutOff.delete(id);
        excused.delete(id);
        if (!on || node === undefined || more.length > 0) return;
        if (fault === "partition" || fault === "broken cut") cutOff.set(id, { node, at });
        if (fault === "clone" || fault.startsWith("byzantine")) excused.set(id, node);
      },
      accused: ({ node, subject, at, verdict, basis }, report) => {
        if ([...excused.values()].includes(node)) return;
        for (const cut of cutOff.values()) {
          const ms = (at - cut.at) / 1_000;
          if (cut.node !== node || verdict !== "suspect" || ms < NOTICED_MS) continue;
          report(`n${node} accused n${subject} (${basis}) after it had been alone for ${ms} ms`, [
            node,
            subject,
          ]);
        }
      },
    },
  };
};
