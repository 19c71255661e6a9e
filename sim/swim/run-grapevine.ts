/** A trial with the production membership as the subject: the same schedule as a simulator's plan. */
import type { KeyRing } from "../keys.ts";
import type { Agent } from "../node/agent.ts";
import { PLAN_VERSION, type Plan, type PlanEvent } from "../plan.ts";
import { Simulation } from "../simulation.ts";
import { drawSchedule, Tally, TRIAL_NETWORK, type TrialResult, type TrialShape } from "./trial.ts";

const JOIN_MS = 5_000;
/** From the beginning of the faults: the mesh settles first. */
const SETTLE_MS = 25_000;
const ADVANCE_MS = 1_000;

export interface GrapevineTrial extends TrialResult {
  /** Of the simulator's own invariants. */
  readonly violations: readonly string[];
}

export function runGrapevine(shape: TrialShape, ring: KeyRing): GrapevineTrial {
  const schedule = drawSchedule(shape);
  const tally = new Tally(shape, schedule);
  const simulation = new Simulation(planOf(shape), {
    ring,
    onTrace: (event) => {
      const { at } = event;
      if (event.kind === "stop") tally.onCrash(event.node, at / 1_000);
      else if (event.kind === "belief" && event.belief === "dead") {
        tally.onDead(event.node, event.subject, at / 1_000);
      }
    },
  });
  const until = JOIN_MS + SETTLE_MS;
  while (simulation.virtualMs < until)
    simulation.advance(Math.min(ADVANCE_MS, until - simulation.virtualMs));
  // Those that lose power on the way have sent something, too.
  const agents = simulation.fleet.hosts.flatMap(({ agent }) => agent ?? []);
  const before = sent(agents);
  while (["join", "faults"].includes(simulation.phase)) simulation.advance(ADVANCE_MS);
  const after = sent(agents);
  const { violations } = simulation.report();
  return {
    ...tally.result(after.packets - before.packets, after.bytes - before.bytes),
    violations: violations.map(({ checker, detail }) => `${checker}: ${detail}`),
  };
}

function planOf(shape: TrialShape): Plan {
  const { seed, nodes, starvation, starveMs, tailMs } = shape;
  const { starved, crashes } = drawSchedule(shape);
  const events: PlanEvent[] = [
    ...starved.map(
      (node): PlanEvent => ({
        ...{ atMs: SETTLE_MS, kind: "starve", node, forMs: starveMs },
        ...starvation,
      }),
    ),
    ...crashes.map(
      ({ node, atMs }): PlanEvent => ({
        ...{ atMs: SETTLE_MS + atMs, kind: "crash", node, forMs: 0, how: "power", disk: "kept" },
      }),
    ),
  ];
  return {
    ...{ version: PLAN_VERSION, seed, profile: "starvation", nodes, zones: 1, joinMs: JOIN_MS },
    ...{ virtualMs: SETTLE_MS + starveMs + tailMs, convergeMs: 60_000, preset: "lan" },
    ...{ membership: {}, push: true, leaseMs: 12 * 3_600_000, network: TRIAL_NETWORK },
    ...{ clockOffsetMs: 0, clockDriftPpm: 0, events },
    workload: { services: 1, instancesPerNode: 0, requestsPerSecond: 0, keyed: 0, unsafe: 0 },
  };
}

function sent(agents: readonly Agent[]): { readonly packets: number; readonly bytes: number } {
  let packets = 0;
  let bytes = 0;
  for (const { control } of agents) {
    packets += control.sentPackets;
    bytes += control.sentBytes;
  }
  return { packets, bytes };
}
