/**
 * The plans that the simulator's figures come from. Each is a formed mesh on a LAN (two hundred
 * microseconds inside a zone, half a millisecond between zones) with nothing wrong but what the case
 * is about, so that a figure has one cause.
 */
import type { NetworkShape } from "../../sim/network/paths.ts";
import { PLAN_VERSION, type Plan, type PlanEvent } from "../../sim/plan.ts";
import { drawPlan } from "../../sim/profiles.ts";

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

export interface SimCase {
  readonly summary: string;
  readonly plan: (seed: number) => Plan;
  /** Takes many minutes: measured only where it is asked for by name. */
  readonly isLong?: boolean;
}

export const CASES: Readonly<Record<string, SimCase>> = {
  "speed-64": {
    summary: "64 nodes, nothing wrong, ten minutes",
    plan: (seed) => drawPlan({ profile: "calm", seed, nodes: 64, minutes: 10 }),
  },
  "speed-64-hour": {
    summary: "64 nodes, nothing wrong, an hour: the start and the compiling weigh little",
    plan: (seed) => drawPlan({ profile: "calm", seed, nodes: 64, minutes: 60 }),
  },
  "speed-64-mixed": {
    summary: "64 nodes, faults of all kinds, ten minutes",
    plan: (seed) => drawPlan({ profile: "mixed", seed, nodes: 64, minutes: 10 }),
  },
  "speed-1000": {
    summary: "1,000 nodes that join and then work, two minutes",
    plan: (seed) => drawPlan({ profile: "calm", seed, nodes: 1_000, minutes: 2 }),
  },
  "speed-1000-long": {
    summary: "1,000 nodes, nothing wrong, twenty minutes: their joining weighs less",
    plan: (seed) => drawPlan({ profile: "calm", seed, nodes: 1_000, minutes: 20 }),
  },
  "large-10000": {
    summary: "10,000 nodes, a registration every ten seconds, five minutes",
    plan: (seed) => lan(seed, 10_000, 5 * MINUTE, registrations(30, 10 * SECOND, 10_000)),
    isLong: true,
  },
  "crash-1000": {
    summary: "1,000 nodes; ten are killed, their sockets closed",
    plan: (seed) => lan(seed, 1_000, MINUTE, crashes(10, 5 * SECOND, "kill")),
  },
  "silent-1000": {
    summary: "1,000 nodes; ten machines lose power",
    plan: (seed) => lan(seed, 1_000, MINUTE, crashes(10, 4 * SECOND, "power")),
  },
  "spread-1000": {
    summary: "1,000 nodes; a registration every second",
    plan: (seed) => lan(seed, 1_000, MINUTE, registrations(50, SECOND, 1_000)),
  },
  "heal-1000": {
    summary: "1,000 nodes; halves apart for a minute, registrations on both sides",
    plan: (seed) =>
      lan(seed, 1_000, 70 * SECOND, [
        apart(500, 5 * SECOND, MINUTE),
        ...registrations(50, SECOND, 1_000),
      ]),
  },
  "heal-10000": {
    summary: "10,000 nodes; forty of them are apart for 15 seconds, registrations on both sides",
    plan: (seed) =>
      lan(seed, 10_000, 25 * SECOND, [
        apart(40, 5 * SECOND, 15 * SECOND),
        ...registrations(24, SECOND, 10_000),
        { atMs: 10 * SECOND, kind: "register", node: 7, service: "s0", id: "cut-off" },
      ]),
    isLong: true,
  },
  "loss-1000": {
    summary: "1,000 nodes, 1% of packets lost, two hours",
    plan: (seed) => lossy(lan(seed, 1_000, 2 * HOUR, [])),
    isLong: true,
  },
  "loss-64": {
    summary: "64 nodes, 1% of packets lost, twenty-four hours",
    plan: (seed) => lossy(lan(seed, 64, 24 * HOUR, [])),
    isLong: true,
  },
};

function lan(seed: number, nodes: number, virtualMs: number, events: readonly PlanEvent[]): Plan {
  const road = { baseUs: 200, jitterUs: 50, loss: 0, bytesPerSecond: 0 };
  const quiet = { gossipLoss: 0, gossipDuplicates: 0, gossipLateMs: 0 };
  const otherZone = { ...road, baseUs: 500 };
  const drawn = drawPlan({ profile: "calm", seed, nodes, minutes: 1 });
  return {
    ...drawn,
    ...{ version: PLAN_VERSION, profile: "bench", isFormed: true, joinMs: 10 * SECOND },
    ...{ virtualMs, convergeMs: 180 * SECOND, preset: "lan", membership: {}, push: true },
    network: { ...drawn.network, ...quiet, sameZone: road, otherZone, giveUpMs: 120 * SECOND },
    workload: { ...drawn.workload, callers: 16, callsPerSecond: 0, requestsPerSecond: 2 },
    events: [...events].sort((one, other) => one.atMs - other.atMs),
  };
}

function lossy(plan: Plan): Plan {
  const { network } = plan;
  const lost: NetworkShape = {
    ...network,
    sameZone: { ...network.sameZone, loss: 0.01 },
    otherZone: { ...network.otherZone, loss: 0.01 },
    gossipLoss: 0.01,
  };
  return { ...plan, network: lost };
}

function registrations(count: number, everyMs: number, nodes: number): PlanEvent[] {
  return Array.from({ length: count }, (_, at) => ({
    ...{ atMs: (at + 1) * everyMs, kind: "register", node: (at * 7_919) % nodes },
    ...{ service: `s${at % 8}`, id: `x${at}` },
  }));
}

function crashes(count: number, everyMs: number, how: "kill" | "power"): PlanEvent[] {
  return Array.from({ length: count }, (_, at) => ({
    ...{ atMs: 2 * SECOND + at * everyMs, kind: "crash", node: 20 + at * 13 },
    ...{ forMs: 0, how, disk: "kept" },
  }));
}

/** The first `count` nodes are cut from the others. */
function apart(count: number, atMs: number, forMs: number): PlanEvent {
  const left = Array.from({ length: count }, (_, node) => node);
  return { atMs, kind: "partition", left, forMs, oneWay: false };
}
