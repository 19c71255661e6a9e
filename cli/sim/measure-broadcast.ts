/** Runs a plan with a measured broadcast: the model, or the real GossipSub class. */
import { ProbedBroadcast } from "../../sim/gossip/probe.ts";
import { RealGossip } from "../../sim/gossip/real.ts";
import type { BroadcastFigures } from "../../sim/gossip/statistics.ts";
import { Gossip } from "../../sim/node/gossip.ts";
import type { Plan } from "../../sim/plan.ts";
import { ground } from "./ambient.ts";
import { type PlanRun, runPlanInSlices } from "./run-plan.ts";

/** The mesh has settled: probes begin so long after the last node has started. */
const SETTLE_MS = 5_000;

export interface BroadcastRun extends PlanRun {
  readonly figures: BroadcastFigures;
  /** Processor time of the run alone. */
  readonly cpuMs: number;
}

export async function measureBroadcast(
  plan: Plan,
  kind: "model" | "gossipsub",
  probeEveryMs: number,
): Promise<BroadcastRun> {
  let probed: ProbedBroadcast | undefined;
  const times = {
    fromMs: plan.joinMs + SETTLE_MS,
    untilMs: plan.joinMs + plan.virtualMs - SETTLE_MS,
    everyMs: probeEveryMs,
  };
  const before = process.cpuUsage();
  const run = await runPlanInSlices(
    plan,
    {
      broadcast: (world, paths) => {
        const inner = kind === "model" ? new Gossip(world, paths) : new RealGossip(world, ground);
        probed = new ProbedBroadcast(world, inner, times);
        return probed;
      },
    },
    () => false,
  );
  const { user, system } = process.cpuUsage(before);
  if (run === undefined || probed === undefined) throw new Error("assertion failed: it ran");
  return { ...run, figures: probed.figures(), cpuMs: (user + system) / 1_000 };
}
