/** S-M10. */
import type { CreateChecker } from "./checker.ts";

/** A stall of at least this must be noticed; after it comes the time to read what waited. */
const STALL_MS = 1_000;
const RECHECK_MS = 500;

export const stalledAccuser: CreateChecker = () => {
  const pausedAt = new Map<number, number>();
  const resumedAt = new Map<number, number>();
  return {
    name: "S-M10",
    statement: "a process that stood still accuses nobody before it has read what waited for it",
    on: {
      start: ({ node }) => {
        resumedAt.delete(node);
      },
      paused: ({ node, at }) => {
        pausedAt.set(node, at);
      },
      resumed: ({ node, at }) => {
        if (at - (pausedAt.get(node) ?? at) >= STALL_MS * 1_000) resumedAt.set(node, at);
      },
      accused: ({ node, subject, at, verdict, basis }, report) => {
        const since = resumedAt.get(node);
        // A refusal is an answer that was asked for and given after the stall.
        if (basis === "refused") return;
        if (since === undefined || at - since >= RECHECK_MS * 1_000 || verdict === "forgotten") {
          return;
        }
        const ms = (at - since) / 1_000;
        report(`n${node} accused n${subject} (${verdict}) ${ms} ms after it had stood still`, [
          node,
          subject,
        ]);
      },
    },
  };
};
