/**
 * The plans on which the model of the broadcast and the real class are compared: one network of three
 * zones, 20 to 60 ms across, or a LAN, and in each scenario one thing that goes wrong with it.
 */
import { Draws } from "../engine/draws.ts";
import type { NetworkShape, RoadShape } from "../network/paths.ts";
import { PLAN_VERSION, type Plan, type PlanEvent } from "../plan.ts";

export const BROADCAST_SCENARIOS = [
  "lan",
  "calm",
  "loss1",
  "loss5",
  "killed",
  "partition",
] as const;
export type BroadcastScenario = (typeof BROADCAST_SCENARIOS)[number];

const ZONES = 3;
const KILLED_SHARE = 0.2;
/** Larger meshes begin formed: their joining would take longer than all the rest. */
const FORMED_NODES = 256;
/** When the fault comes (between two probes), and how long a partition stays. */
const FAULT_MS = 15_130;
const PARTITION_MS = 20_000;

export function broadcastPlan(
  scenario: BroadcastScenario,
  nodes: number,
  seed: number,
  virtualMs: number,
): Plan {
  const loss = scenario === "loss1" ? 0.01 : scenario === "loss5" ? 0.05 : 0;
  return {
    ...{ version: PLAN_VERSION, seed, profile: `broadcast ${scenario}`, nodes, zones: ZONES },
    ...{ joinMs: 3_000 + 20 * Math.min(nodes, FORMED_NODES), virtualMs, convergeMs: 120_000 },
    isFormed: nodes > FORMED_NODES,
    ...{ preset: "lan", membership: {}, push: true, leaseMs: 12 * 3_600_000 },
    network: networkOf(scenario === "lan", loss),
    ...{ clockOffsetMs: 50, clockDriftPpm: 20 },
    workload: {
      ...{ services: 8, instancesPerNode: 1, requestsPerSecond: 0, keyed: 0, unsafe: 0 },
    },
    events: eventsOf(scenario, nodes, seed),
  };
}

function networkOf(isLan: boolean, loss: number): NetworkShape {
  const road = (baseUs: number, jitterUs: number): RoadShape => ({
    ...{ baseUs, jitterUs, loss, bytesPerSecond: 0 },
  });
  return {
    sameZone: isLan ? road(200, 100) : road(20_000, 4_000),
    otherZone: isLan ? road(600, 200) : road(50_000, 10_000),
    giveUpMs: 120_000,
    ...{ gossipLoss: 0, gossipDuplicates: 0, gossipLateMs: 0 },
  };
}

function eventsOf(scenario: BroadcastScenario, nodes: number, seed: number): PlanEvent[] {
  const draws = new Draws(seed, 0xb40a);
  const atMs = FAULT_MS;
  if (scenario === "killed") {
    const killed = draws.distinct(Math.ceil(nodes * KILLED_SHARE), nodes);
    return killed.map((node) => ({
      ...{ atMs, kind: "crash", node, forMs: 0, how: "kill", disk: "kept" },
    }));
  }
  if (scenario !== "partition") return [];
  const left = draws.distinct(Math.floor(nodes / 2), nodes);
  return [{ atMs, kind: "partition", left, forMs: PARTITION_MS, oneWay: false }];
}
