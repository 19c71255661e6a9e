/**
 * L-B5. A probe that its caller gave up by a deadline says nothing of the instance, so the breaker
 * stays half-open and lets another one through: then the time of that one counts. A probe is told of
 * when its request ends, so whether one was under way at a moment is known only some time later.
 */
import { BREAKER_DEFAULTS } from "../../policies/breaker.ts";
import type { CreateChecker } from "./checker.ts";

/** The longest that it may stay open, by a slow clock. */
const OPEN_US = BREAKER_DEFAULTS.openMaxMs * (1 + BREAKER_DEFAULTS.openJitter) * 1_000 * 1.01;
/** Attempts end by their deadline, actors' calls and requests alike; their process may be slow. */
const PROBE_US = 30_000_000;

export const stuckBreaker: CreateChecker = () => {
  const since = new Map<string, number>();
  /** What a half-open breaker held back though no probe was told of for long, and when. */
  const doubtful = new Map<string, { readonly at: number; readonly report: () => void }>();
  /** Breakers of one caller and service. */
  const siblings = new Map<string, Set<string>>();
  return {
    name: "L-B5",
    statement:
      "no breaker keeps attempts back for longer than its open time and that of its probes",
    countsCases: true,
    on: {
      start: ({ node }) => {
        for (const key of [...since.keys()]) {
          if (!key.startsWith(`${node} `)) continue;
          since.delete(key);
          doubtful.delete(key);
        }
      },
      // A process that stands still lets its attempts wait, too.
      resumed: ({ node, at }) => {
        for (const key of since.keys()) if (key.startsWith(`${node} `)) since.set(key, at);
      },
      record: ({ at, node, service, attempts }) => {
        const probe = attempts.find(({ breaker }) => breaker === "half-open");
        if (probe === undefined) return;
        for (const key of siblings.get(`${node} ${service}`) ?? []) {
          since.set(key, at);
          if (probe.at <= (doubtful.get(key)?.at ?? 0)) doubtful.delete(key);
        }
      },
      breaker: ({ at, node, service, breaker, from, to }, report) => {
        const key = `${node} ${breaker}`;
        const name = `${node} ${service}`;
        siblings.set(name, (siblings.get(name) ?? new Set()).add(key));
        if (to !== "held back") {
          since.set(key, at);
          return;
        }
        report.judged();
        const forUs = at - (since.get(key) ?? at);
        if (forUs <= (from === "open" ? OPEN_US : PROBE_US)) return;
        const what = `has kept attempts back for ${forUs / 1_000} ms, ${from}`;
        const tell = () => report(`breaker ${breaker} of n${node} for ${service} ${what}`, [node]);
        since.set(key, at);
        const known = doubtful.get(key);
        known?.report();
        if (from === "open") tell();
        else doubtful.set(key, { at, report: tell });
      },
    },
    atEnd: () => {
      for (const each of doubtful.values()) each.report();
    },
  };
};
