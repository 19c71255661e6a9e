/**
 * Faults of the network that last: one machine of several hears nothing, is heard by nobody, or
 * loses four packets of five. Agents of all programs run on the same machines at the same time, so
 * that the very same fault strikes them. A view is stable if, after SETTLE_MS, nobody's view of
 * anybody changes for STABLE_MS, and all others hold the struck machine in one and the same state.
 */
import { type Add, type Cluster, falseDeaths, settled, sleep } from "./cluster.ts";
import type { Fault, Lan } from "./lan.ts";

const SETTLE_MS = 90_000;
const STABLE_MS = 30_000;
const TIMEOUT_MS = 180_000;

const NAMES: Readonly<Record<Fault, string>> = {
  deaf: "one way: nothing reaches one machine",
  mute: "one way: nothing leaves one machine",
  "loss in": "80% loss of what one machine is sent",
  "loss out": "80% loss of what one machine sends",
  "loss both": "80% loss both ways at one machine",
};

export async function measureFault(
  clusters: readonly Cluster[],
  lan: Lan,
  struck: { readonly at: number; readonly name: string },
  fault: Fault,
  add: Add,
): Promise<void> {
  for (const cluster of clusters) await settled(cluster, TIMEOUT_MS);
  const struckAt = performance.now();
  lan.strike(struck.at, fault);
  await sleep(SETTLE_MS + STABLE_MS);
  const stableFrom = struckAt + SETTLE_MS;
  for (const cluster of clusters) {
    judge(cluster, struck.name, struckAt, stableFrom, (what, value, unit) =>
      add(`${NAMES[fault]}: ${what}`, cluster.subject, value, unit),
    );
  }
  const healedAt = performance.now();
  lan.heal(struck.at);
  const healed = clusters.map(async (cluster) => {
    const times = [];
    for (const name of cluster.names) {
      times.push(...(await cluster.views.until(name, "alive", healedAt, TIMEOUT_MS)));
    }
    add(
      `${NAMES[fault]}: healed, alive everywhere`,
      cluster.subject,
      Math.max(...times) / 1e3,
      "s",
    );
  });
  await Promise.all(healed);
}

function judge(
  cluster: Cluster,
  struck: string,
  struckAt: number,
  stableFrom: number,
  add: (what: string, value: number, unit: Parameters<Add>[3]) => void,
): void {
  const { views, names } = cluster;
  const now = performance.now();
  const last = views.changes(struckAt, now).at(-1)?.at ?? struckAt;
  add("last change of any view", (last - struckAt) / 1e3, "s");
  add("changes once it must be stable", views.changes(stableFrom, now).length, "changes");
  const states = names.filter((name) => name !== struck).map((name) => views.state(name, struck));
  const counts = [...Map.groupBy(states, (state) => state).values()].map(({ length }) => length);
  add("agents that disagree on the struck one", states.length - Math.max(...counts), "agents");
  add("others declared dead", falseDeaths(cluster, struck, struckAt), "members");
  process.stderr.write(`${cluster.subject}: ${states.join()}\n`);
  for (const change of views.changes(struckAt, now)) {
    if (process.env["GV_TRACE"])
      process.stderr.write(
        `${((change.at - struckAt) / 1e3).toFixed(1)} ${change.observer} ${change.member} ${change.state}\n`,
      );
  }
}
