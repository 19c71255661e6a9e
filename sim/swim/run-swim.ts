/** A trial with the SWIM peer as the subject. */
import { streamKey } from "../engine/draws.ts";
import { STARVATION, Starver } from "../engine/starvation.ts";
import { World } from "../engine/world.ts";
import { Paths } from "../network/paths.ts";
import { Cluster } from "./cluster.ts";
import type { SwimConfig } from "./config.ts";
import { drawSchedule, Tally, TRIAL_NETWORK, type TrialResult, type TrialShape } from "./trial.ts";

/** Members know each other from the start; their tickers spread out. */
const SETTLE_MS = 10_000;

export function runSwim(config: SwimConfig, shape: TrialShape): TrialResult {
  const { seed, nodes, starvation, starveMs, tailMs } = shape;
  const world = new World(seed);
  const schedule = drawSchedule(shape);
  const tally = new Tally(shape, schedule);
  const paths = new Paths(seed, TRIAL_NETWORK, () => 0, world);
  const onMode = (viewer: number, subject: number, mode: string) => {
    if (mode === "dead") tally.onDead(viewer, subject, world.now / 1_000);
  };
  const cluster = new Cluster({ world, paths, config, nodes, onMode });
  world.runUntil(SETTLE_MS * 1_000);
  const startUs = world.now;
  const before = { sent: cluster.datagrams.sent, bytes: cluster.datagrams.sentBytes };
  const starvers = schedule.starved.map(
    (node) => new Starver(world, cluster.lane(node), streamKey(seed, STARVATION, node), starvation),
  );
  world.plan(startUs + starveMs * 1_000, undefined, "fault", () => {
    for (const starver of starvers) starver.end();
  });
  for (const { node, atMs } of schedule.crashes) {
    world.plan(startUs + atMs * 1_000, undefined, "fault", () => {
      cluster.stop(node);
      tally.onCrash(node, world.now / 1_000);
    });
  }
  world.runUntil(startUs + (starveMs + tailMs) * 1_000);
  const { sent, sentBytes } = cluster.datagrams;
  return tally.result(sent - before.sent, sentBytes - before.bytes);
}
