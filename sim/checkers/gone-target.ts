/** S-R2. While another machine speaks with the key of one that is gone, it is not gone for anybody. */
import type { CreateChecker } from "./checker.ts";
import { Excuses } from "./excuses.ts";

/** On top of the detection: the news has to reach the router. */
const SPREAD_MS = 5_000;

export const goneTarget: CreateChecker = ({ detectMs }) => {
  const excuses = new Excuses();
  const goneSince = new Map<number, number>();
  return {
    name: "S-R2",
    statement:
      "nobody sound sends to a node that was gone for longer than a death may stay unknown",
    on: {
      start: (event) => {
        excuses.onStart(event);
        goneSince.delete(event.node);
      },
      stop: (event) => {
        excuses.onStop(event);
        goneSince.set(event.node, event.at);
      },
      fault: (event) => {
        excuses.onFault(event);
        const { fault, on, left, at } = event;
        if (fault !== "clone") return;
        for (const node of left) {
          if (goneSince.has(node)) goneSince.set(node, on ? Number.POSITIVE_INFINITY : at);
        }
      },
      record: ({ node, request, attempts }, report) => {
        for (const { at, target, instance } of attempts) {
          const since = goneSince.get(target);
          if (since === undefined || at - since < (detectMs + SPREAD_MS) * 1_000) continue;
          if (!excuses.isSound(node, since) || !excuses.areConnected(node, target, since)) continue;
          const ms = (at - since) / 1_000;
          report(`n${node} sent ${request} to ${instance} on n${target}, gone for ${ms} ms`, [
            node,
            target,
          ]);
        }
      },
    },
  };
};
