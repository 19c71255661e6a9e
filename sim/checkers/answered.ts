/**
 * L-R4, and with it that no breaker stays open (L-B5 as callers feel it): judged where nothing has
 * gone wrong for so long that even a breaker at its longest has closed again.
 */
import type { CreateChecker } from "./checker.ts";
import { Excuses } from "./excuses.ts";
import { Offers } from "./offers.ts";
import { QUIET_MS } from "./quiet.ts";

interface Asked {
  readonly at: number;
  readonly service: string;
}

export const answered: CreateChecker = () => {
  const excuses = new Excuses();
  const open = new Map<string, Asked>();
  const offers = new Offers();
  return {
    name: "L-R4",
    statement: "in quiet times a request for a service that somebody offers is answered",
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
      request: ({ at, request, service }) => {
        open.set(request, { at, service });
      },
      outcome: ({ node, request, status, error }, report) => {
        const asked = open.get(request);
        open.delete(request);
        if (asked === undefined) return;
        const since = asked.at - QUIET_MS * 1_000;
        if (since < 0 || !excuses.isQuiet(since) || !excuses.isSound(node, since)) return;
        const isOffered = [...offers.of(asked.service).values()].some((nodes) =>
          [...nodes].some(
            ([host, { isThere, at }]) => isThere && at < since && excuses.isSound(host, since),
          ),
        );
        if (!isOffered) return;
        report.judged();
        if (error === "" && status < 500) return;
        const how = error === "" ? `status ${status}` : error;
        report(`request ${request} of n${node} to ${asked.service} ended with ${how}`, [node]);
      },
    },
  };
};
