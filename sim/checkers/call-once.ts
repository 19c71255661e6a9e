/** S-A6. */
import type { CreateChecker } from "./checker.ts";

export const callOnce: CreateChecker = () => {
  const ran = new Map<string, string>();
  const denied = new Set<string>();
  return {
    name: "S-A6",
    statement: "a call of an actor runs at most once; one that did not run is told apart",
    on: {
      turn: ({ node, actor, call, on }, report) => {
        if (!on || call === "") return;
        const former = ran.get(call);
        const here = `${actor} on n${node}`;
        ran.set(call, here);
        if (former !== undefined) report(`call ${call} ran at ${former} and at ${here}`, [node]);
        if (denied.has(call))
          report(`call ${call} ran at ${here} after its caller heard it did not`);
      },
      called: ({ node, call, error, executed }, report) => {
        const where = ran.get(call);
        if (error === "" && where === undefined) {
          report(`call ${call} of n${node} was answered, and never ran`, [node]);
        }
        if (error === "" || executed !== "no") return;
        denied.add(call);
        if (where === undefined) return;
        report(`call ${call} of n${node} ended with ${error}, not executed; it ran at ${where}`, [
          node,
        ]);
      },
    },
  };
};
