/**
 * What a plan holds besides its faults and may do without: work, loss of packets, clocks that differ.
 * Each step names what it takes away; where there is nothing to take the plan comes back as it was.
 */
import type { RoadShape } from "./network/paths.ts";
import type { Plan, Workload } from "./plan.ts";

type Calmer = readonly [what: string, step: (plan: Plan) => Plan];

export const CALMER: readonly Calmer[] = [
  ["no calls of actors", (plan) => without(plan, "callsPerSecond")],
  ["no bursts of requests", (plan) => without(plan, "burstsPerSecond")],
  ["no requests", (plan) => without(plan, "requestsPerSecond")],
  ["clocks that are right", (plan) => ({ ...plan, clockDriftPpm: 0, clockOffsetMs: 0 })],
  [
    "a broadcast that loses nothing",
    (plan) => {
      const calm = { gossipLoss: 0, gossipDuplicates: 0, gossipLateMs: 0 };
      return { ...plan, network: { ...plan.network, ...calm } };
    },
  ],
  [
    "roads that lose nothing",
    (plan) => {
      const { sameZone, otherZone } = plan.network;
      const whole = (road: RoadShape): RoadShape => ({ ...road, loss: 0 });
      const network = { ...plan.network, sameZone: whole(sameZone), otherZone: whole(otherZone) };
      return { ...plan, network };
    },
  ],
  [
    "machines that stay broken",
    (plan) => ((plan.broken ?? []).length === 0 ? plan : { ...plan, broken: [] }),
  ],
  ["the preset's own parameters", (plan) => ({ ...plan, membership: {} })],
];

function without(plan: Plan, rate: keyof Workload): Plan {
  const { workload } = plan;
  return (workload[rate] ?? 0) > 0 ? { ...plan, workload: { ...workload, [rate]: 0 } } : plan;
}
