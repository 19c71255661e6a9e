/**
 * S-D6. Judged by the clock of the node that stores, right or wrong: a wrong one may make it refuse
 * or keep for longer, never take what its own rules forbid. Whoever is held alive is exempt, so that
 * a bad clock cannot empty a directory.
 */
import { CLOCK_TOLERANCE_MS } from "../../core/trust/certificate.ts";
import type { TraceEventOf } from "../trace.ts";
import type { CreateChecker, Report } from "./checker.ts";

/** Clocks are set while a packet is under way. */
const SLACK_MS = 1_000;

export const lease: CreateChecker = ({ nodes }) => {
  const leases = new Map<string, number>();
  const present = new Set<number>();
  /** What a node heard of a member in the same turn is told after what it stored. */
  let doubtful: TraceEventOf<"stored">[] = [];
  const judge = (now: number, report: Report) => {
    if (doubtful.length === 0 || (doubtful[0] as TraceEventOf<"stored">).at >= now) return;
    for (const { node, owner, epoch, seq } of doubtful) {
      if (node === owner || present.has(node * nodes + owner)) continue;
      report(`n${node} took ${epoch}.${seq} of n${owner}, which is over and not there`, [
        node,
        owner,
      ]);
    }
    doubtful = [];
  };
  return {
    name: "S-D6",
    statement: "no document is taken after its lease unless its owner is held alive",
    on: {
      start: ({ at, node }, report) => {
        judge(at, report);
        for (let owner = 0; owner < nodes; owner += 1) present.delete(node * nodes + owner);
      },
      belief: ({ at, node, subject, belief }, report) => {
        judge(at, report);
        if (subject < 0 || node >= nodes) return;
        const pair = node * nodes + subject;
        if (belief === "alive" || belief === "suspect") present.add(pair);
        else present.delete(pair);
      },
      published: ({ node, part, epoch, seq, notAfter }) => {
        leases.set(`${node}/${part}/${epoch}.${seq}`, notAfter);
      },
      stored: (event, report) => {
        judge(event.at, report);
        const { node, owner, part, epoch, seq, wallMs } = event;
        if (node >= nodes || owner < 0 || owner >= nodes) return;
        const notAfter = leases.get(`${owner}/${part}/${epoch}.${seq}`);
        if (notAfter === undefined) return;
        if (notAfter + CLOCK_TOLERANCE_MS + SLACK_MS < wallMs) doubtful.push(event);
      },
    },
  };
};
