/** Runs a plan with a measured broadcast: the model, or the real GossipSub class. */
import { ProbedBroadcast } from "../../sim/gossip/probe.ts";
import { RealGossip } from "../../sim/gossip/real.ts";
import type { BroadcastFigures } from "../../sim/gossip/statistics.ts";
import { Gossip } from "../../sim/node/gossip.ts";
import type { Plan } from "../../sim/plan.ts";
import type { Report, Simulation } from "../../sim/simulation.ts";
import { ground } from "./ambient.ts";
import { runPlanInSlices } from "./run-plan.ts";

/** The mesh has settled: probes begin so long after the last node has started. */
const SETTLE_MS = 5_000;

export interface BroadcastRun {
  readonly report: Report;
  /** The rolling hash after each block of events. */
  readonly blocks: readonly string[];
  readonly figures: BroadcastFigures;
  /** Processor time of the run alone. */
  readonly cpuMs: number;
}

/** `isWhole`: goes on after the last probe, until the plan is healed and all has been judged. */
export async function measureBroadcast(
  plan: Plan,
  kind: "model" | "gossipsub",
  probeEveryMs: number,
  isWhole = false,
): Promise<BroadcastRun> {
  let probed: ProbedBroadcast | undefined;
  let simulation: Simulation | undefined;
  const times = {
    fromMs: plan.joinMs + SETTLE_MS,
    untilMs: plan.joinMs + plan.virtualMs - SETTLE_MS,
    everyMs: probeEveryMs,
  };
  const before = process.cpuUsage();
  await runPlanInSlices(
    plan,
    {
      onProgress: (running) => {
        simulation = running;
      },
      broadcast: (world, paths) => {
        const inner =
          kind === "model"
            ? new Gossip(world, paths)
            : new RealGossip(world, ground, plan.isFormed === true);
        probed = new ProbedBroadcast(world, inner, times);
        return probed;
      },
    },
    () => !isWhole && probed?.isCounted === true,
  );
  const { user, system } = process.cpuUsage(before);
  if (simulation === undefined || probed === undefined) throw new Error("assertion failed: it ran");
  return {
    ...{ report: simulation.report(), blocks: simulation.fleet.world.blocks },
    ...{ figures: probed.figures(), cpuMs: (user + system) / 1_000 },
  };
}
