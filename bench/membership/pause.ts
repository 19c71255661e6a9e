/** A process that is stopped, and continued after all hold it dead. */
import { type Add, type Cluster, falseDeaths, sleep } from "./cluster.ts";

const TIMEOUT_MS = 120_000;
/** Stopped for so long after all have noticed. */
const PAUSED_ON_MS = 3_000;

export async function measurePause(cluster: Cluster, victim: string, add: Add): Promise<void> {
  const { views, subject } = cluster;
  const stoppedAt = performance.now();
  cluster.signal(victim, "SIGSTOP");
  const dead = await views.until(victim, "dead", stoppedAt, TIMEOUT_MS);
  add("stopped: dead everywhere (worst)", subject, Math.max(...dead), "ms");
  await sleep(PAUSED_ON_MS);
  const continuedAt = performance.now();
  cluster.signal(victim, "SIGCONT");
  const alive = await views.until(victim, "alive", continuedAt, TIMEOUT_MS);
  add("continued: alive everywhere (worst)", subject, Math.max(...alive), "ms");
  await sleep(PAUSED_ON_MS);
  add(
    "stopped and continued: others declared dead",
    subject,
    falseDeaths(cluster, victim, stoppedAt),
    "members",
  );
  for (const name of cluster.names) await views.until(name, "alive", continuedAt, TIMEOUT_MS);
}
