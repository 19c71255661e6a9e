/**
 * The simulator's model of the broadcast beside the real GossipSub class, on the same plans: who is
 * reached, how fast, at how many duplicates, how far apart the two distributions of delays are, and
 * what each costs. `--nodes` (64), `--only SCENARIO`, `--rounds` seeds (2), `--seconds` of faults (50).
 */
import { measureBroadcast } from "../../cli/sim/measure-broadcast.ts";
import {
  BROADCAST_SCENARIOS,
  type BroadcastScenario,
  broadcastPlan,
} from "../../sim/gossip/scenarios.ts";
import {
  type BroadcastFigures,
  disagreement,
  ksDistance,
  TOLERANCES,
} from "../../sim/gossip/statistics.ts";
import type { BenchOptions, Outcome } from "../harness/bench.ts";
import { Measurements } from "../harness/report.ts";

const DEFAULT_NODES = 64;
const DEFAULT_SEEDS = 2;
const DEFAULT_SECONDS = 50;
const PROBE_EVERY_MS = 500;
const SUBJECTS = { model: "model", gossipsub: "@libp2p/gossipsub" } as const;

type Add = (
  subject: string,
  name: string,
  unit: string,
  better: "higher" | "lower",
  value: number,
) => void;

export async function run(options: BenchOptions): Promise<Outcome> {
  const measurements = new Measurements();
  const nodes = options.nodes ?? DEFAULT_NODES;
  const seconds = options.seconds ?? DEFAULT_SECONDS;
  const scenarios = BROADCAST_SCENARIOS.filter(
    (each) => options.only === undefined || options.only === each,
  );
  if (scenarios.length === 0) {
    throw new Error(`--only wants one of ${BROADCAST_SCENARIOS.join(", ")}`);
  }
  const apart: string[] = [];
  for (let seed = 1; seed <= (options.rounds ?? DEFAULT_SEEDS); seed += 1) {
    for (const scenario of scenarios) {
      options.progress(`${scenario}, ${nodes} nodes, seed ${seed}`);
      const add: Add = (subject, name, unit, better, value) =>
        measurements.add(subject, { case: `${scenario}: ${name}`, unit, better }, value);
      const found = await compare(scenario, nodes, seed, seconds * 1_000, add);
      apart.push(...found.map((what) => `${scenario}, seed ${seed}: ${what}`));
    }
  }
  const notes = [
    `${nodes} nodes; a probe of 1 KiB every ${PROBE_EVERY_MS} ms for ${seconds - 10} s; each round is a seed`,
    `tolerances: ${Object.entries(TOLERANCES)
      .map(([name, value]) => `${name} ${value}`)
      .join(", ")}`,
    apart.length === 0 ? "the model is within them everywhere" : `OUT OF THEM: ${apart.join("; ")}`,
  ];
  return { rows: measurements.rows(), skipped: [], versions: {}, notes };
}

async function compare(
  scenario: BroadcastScenario,
  nodes: number,
  seed: number,
  virtualMs: number,
  add: Add,
): Promise<string[]> {
  const plan = broadcastPlan(scenario, nodes, seed, virtualMs);
  const both: Partial<Record<keyof typeof SUBJECTS, BroadcastFigures>> = {};
  for (const kind of ["model", "gossipsub"] as const) {
    const { figures, report, cpuMs } = await measureBroadcast(plan, kind, PROBE_EVERY_MS);
    both[kind] = figures;
    const subject = SUBJECTS[kind];
    add(subject, "reached", "%", "higher", figures.reached * 100);
    for (const name of ["p50", "p90", "p99"] as const) {
      add(subject, name, "ms", "lower", figures[name]);
    }
    add(subject, "duplicates", "per delivery", "lower", figures.duplicatesPerDelivery);
    add(subject, "processor time", "s", "lower", cpuMs / 1_000);
    if (report.violations.length > 0) {
      const what = report.violations.map(({ checker, detail }) => `${checker}: ${detail}`);
      throw new Error(`${scenario}, seed ${seed}, ${subject} violates ${what.join("; ")}`);
    }
  }
  const { model, gossipsub } = both as Record<keyof typeof SUBJECTS, BroadcastFigures>;
  add(SUBJECTS.model, "KS distance", "", "lower", ksDistance(gossipsub.delaysMs, model.delaysMs));
  return disagreement(gossipsub, model);
}
