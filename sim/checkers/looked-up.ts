/**
 * L-D11. What an application finds when it looks a service up, judged in quiet times only: while
 * faults go on, who is there is a matter of opinion, and the other checkers judge what comes of it.
 */
import type { CreateChecker } from "./checker.ts";
import { Excuses } from "./excuses.ts";
import { Offers } from "./offers.ts";
import { QUIET_MS } from "./quiet.ts";

export const lookedUp: CreateChecker = () => {
  const excuses = new Excuses();
  const offers = new Offers();
  return {
    name: "L-D11",
    statement: "in quiet times a look-up lists what has been offered for a while, and nothing else",
    countsCases: true,
    on: {
      start: (event) => {
        excuses.onStart(event);
        offers.onStart(event);
      },
      stop: (event) => excuses.onStop(event),
      fault: (event) => excuses.onFault(event),
      healed: (event) => excuses.onHealed(event),
      registered: (event) => offers.on(event),
      deregistered: (event) => offers.on(event),
      lookup: ({ at, node, service, instances }, report) => {
        const since = at - QUIET_MS * 1_000;
        if (since < 0 || !excuses.isQuiet(since) || !excuses.isSound(node, since)) return;
        report.judged();
        const listed = new Set(instances);
        for (const [instance, nodes] of offers.of(service)) {
          const known = [...nodes].filter(([host]) => excuses.isSound(host, since));
          const isOffered = known.some(([, { isThere, at: from }]) => isThere && from < since);
          if (isOffered && !listed.has(instance)) {
            report(`n${node} does not find ${instance}`, [node]);
          }
          const isGone =
            known.length === nodes.size &&
            known.every(([, { isThere, at: from }]) => !isThere && from < since);
          if (isGone && listed.has(instance)) {
            report(`n${node} finds ${instance}, which was taken back`, [node]);
          }
        }
      },
    },
  };
};
