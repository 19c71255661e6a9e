/**
 * L-R4, and with it that no breaker stays open (L-B5 as callers feel it): judged where nothing has
 * gone wrong for so long that even a breaker at its longest has closed again.
 */
import type { CreateChecker } from "./checker.ts";
import { Excuses } from "./excuses.ts";
import { QUIET_MS } from "./quiet.ts";

interface Asked {
  readonly at: number;
  readonly service: string;
}

export const answered: CreateChecker = () => {
  const excuses = new Excuses();
  const open = new Map<string, Asked>();
  /** Who offers a service, and since when. */
  const offers = new Map<string, Map<number, number>>();
  const started = new Set<number>();
  return {
    name: "L-R4",
    statement: "in quiet times a request for a service that somebody offers is answered",
    countsCases: true,
    on: {
      start: (event) => {
        excuses.onStart(event);
        const { node, disk } = event;
        // Who has lost its disk offers nothing of before; the first registrations come before the first start.
        if (disk !== "kept" && started.has(node))
          for (const nodes of offers.values()) nodes.delete(node);
        started.add(node);
      },
      stop: (event) => excuses.onStop(event),
      fault: (event) => excuses.onFault(event),
      healed: (event) => excuses.onHealed(event),
      registered: ({ at, node, instance }) => {
        const service = instance.slice(0, instance.lastIndexOf("/"));
        const nodes = offers.get(service) ?? new Map<number, number>();
        offers.set(service, nodes);
        if (!nodes.has(node)) nodes.set(node, at);
      },
      deregistered: ({ node, instance }) => {
        // Another instance may be left; that the node counts for less only makes this milder.
        offers.get(instance.slice(0, instance.lastIndexOf("/")))?.delete(node);
      },
      request: ({ at, request, service }) => {
        open.set(request, { at, service });
      },
      outcome: ({ node, request, status, error }, report) => {
        const asked = open.get(request);
        open.delete(request);
        if (asked === undefined) return;
        const since = asked.at - QUIET_MS * 1_000;
        if (since < 0 || !excuses.isQuiet(since) || !excuses.isSound(node, since)) return;
        const hosts = [...(offers.get(asked.service) ?? [])];
        if (!hosts.some(([host, from]) => from < since && excuses.isSound(host, since))) return;
        report.judged();
        if (error === "" && status < 500) return;
        const how = error === "" ? `status ${status}` : error;
        report(`request ${request} of n${node} to ${asked.service} ended with ${how}`, [node]);
      },
    },
  };
};
