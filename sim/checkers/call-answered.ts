/** L-A7. */
import type { CreateChecker } from "./checker.ts";
import { Excuses } from "./excuses.ts";
import { QUIET_MS } from "./quiet.ts";

export const callAnswered: CreateChecker = () => {
  const excuses = new Excuses();
  const open = new Map<string, number>();
  return {
    name: "L-A7",
    statement: "in quiet times every call of an actor is answered, whatever happened before",
    countsCases: true,
    on: {
      start: (event) => excuses.onStart(event),
      stop: (event) => excuses.onStop(event),
      fault: (event) => excuses.onFault(event),
      healed: (event) => excuses.onHealed(event),
      call: ({ at, call }) => {
        open.set(call, at);
      },
      called: ({ node, call, actor, error }, report) => {
        const since = (open.get(call) ?? 0) - QUIET_MS * 1_000;
        open.delete(call);
        if (since < 0 || !excuses.isQuiet(since) || !excuses.isSound(node, since)) return;
        report.judged();
        if (error !== "")
          report(`call ${call} of ${actor} from n${node} ended with ${error}`, [node]);
      },
    },
  };
};
