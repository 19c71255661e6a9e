/** What the measurements need of a cluster, whatever program its agents are. */
import type { Views } from "./views.ts";

export interface Cluster {
  readonly subject: string;
  readonly names: readonly string[];
  readonly views: Views;
  signal(name: string, signal: "SIGKILL" | "SIGSTOP" | "SIGCONT"): void;
}

/** Adds one value to a row of the report. */
export type Add = (
  what: string,
  subject: string,
  value: number,
  unit: "ms" | "s" | "members" | "changes" | "agents",
) => void;

/** Resolves once every agent holds every other alive, and they have had a moment of calm. */
export async function settled(cluster: Cluster, timeoutMs: number): Promise<void> {
  const now = performance.now();
  for (const name of cluster.names) await cluster.views.until(name, "alive", now, timeoutMs);
  await sleep(CALM_MS);
}

/** Deaths that agents have claimed since then of members that nothing had happened to. */
export function falseDeaths(cluster: Cluster, struck: string, from: number): number {
  return cluster.views.changes(from, performance.now()).filter(({ observer, member, state }) => {
    return state === "dead" && member !== struck && observer !== struck;
  }).length;
}

/** Lets probes and gossip settle between two disturbances. */
export const CALM_MS = 1_500;

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
