/**
 * Processors that others keep busy: two endless loops per core beside the agents. Nobody fails, so
 * every death that is declared is false; at the end one agent is killed, to show that the patience
 * has not become blindness.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { cpus } from "node:os";
import { type Add, type Cluster, falseDeaths, settled, sleep } from "./cluster.ts";

const LOOPS_PER_CORE = 2;
const TIMEOUT_MS = 120_000;

export async function measureStarvation(
  clusters: readonly Cluster[],
  seconds: number,
  add: Add,
): Promise<void> {
  for (const cluster of clusters) await settled(cluster, TIMEOUT_MS);
  const count = `${clusters[0]?.names.length} agents, processors kept busy`;
  using _ = new BusyLoops(cpus().length * LOOPS_PER_CORE);
  const startedAt = performance.now();
  await sleep(seconds * 1_000);
  for (const cluster of clusters) {
    const { subject, views } = cluster;
    add(`${count}: declared dead`, subject, falseDeaths(cluster, "", startedAt), "members");
    const suspicions = views
      .changes(startedAt, performance.now())
      .filter(({ state }) => state === "suspect");
    if (subject !== "serf") add(`${count}: suspected`, subject, suspicions.length, "members");
  }
  for (const cluster of clusters) {
    const { subject, views, names } = cluster;
    const victim = names.at(-1) ?? "";
    const killedAt = performance.now();
    cluster.signal(victim, "SIGKILL");
    const dead = await views.until(victim, "dead", killedAt, TIMEOUT_MS);
    add(`${count}, one killed: dead everywhere (worst)`, subject, Math.max(...dead), "ms");
  }
}

class BusyLoops implements Disposable {
  readonly #loops: ChildProcess[];

  constructor(count: number) {
    this.#loops = Array.from({ length: count }, () =>
      spawn(process.execPath, ["-e", "for (;;);"], { stdio: "ignore" }),
    );
  }

  [Symbol.dispose](): void {
    for (const loop of this.#loops) loop.kill("SIGKILL");
  }
}
