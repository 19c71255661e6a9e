/**
 * S-M5. A mesh that is cut in two again and again is not judged: whoever is accused each time damps
 * itself, which S-M12 asks for, and is dead for its own side until the cuts end.
 */
import type { CreateChecker } from "./checker.ts";
import { Excuses } from "./excuses.ts";

export const accuracy: CreateChecker = ({ detectMs, nodes }) => {
  const excuses = new Excuses();
  return {
    name: "S-M5",
    statement: "nobody sound believes a member dead that has been running, sound and connected",
    isFitForReal: true,
    on: {
      start: (event) => excuses.onStart(event),
      stop: (event) => excuses.onStop(event),
      fault: (event) => excuses.onFault(event),
      belief: ({ at, node, subject, belief, why }, report) => {
        if (belief !== "dead" || subject < 0 || node >= nodes) return;
        const since = at - detectMs * 1_000;
        if (!excuses.isSound(subject, since) || !excuses.isSound(node, since)) return;
        if (!excuses.areConnected(node, subject, since) || excuses.isShaken(at)) return;
        report(`n${node} believes n${subject} dead (${why}), which runs and is well`, [
          node,
          subject,
        ]);
      },
    },
  };
};
