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

/** Gives what to say of it in words, a line for each program. */
export async function measureFault(
  clusters: readonly Cluster[],
  lan: Lan,
  struck: { readonly at: number; readonly name: string },
  fault: Fault,
  add: Add,
): Promise<string[]> {
  for (const cluster of clusters) await settled(cluster, TIMEOUT_MS);
  const struckAt = performance.now();
  lan.strike(struck.at, fault);
  await sleep(SETTLE_MS + STABLE_MS);
  const addTo =
    (cluster: Cluster): Tell =>
    (what, value, unit) =>
      add(`${NAMES[fault]}: ${what}`, cluster.subject, value, unit);
  const said = clusters.map(
    (cluster) => `${NAMES[fault]}: ${judge(cluster, struck.name, struckAt, addTo(cluster))}`,
  );
  const healedAt = performance.now();
  lan.heal();
  const healed = clusters.map(async (cluster) => {
    let last = 0;
    for (const name of cluster.names) {
      last = Math.max(last, ...(await cluster.views.until(name, "alive", healedAt, TIMEOUT_MS)));
    }
    addTo(cluster)("healed, alive everywhere", last / 1e3, "s");
  });
  await Promise.all(healed);
  return said;
}

type Tell = (what: string, value: number, unit: Parameters<Add>[3]) => void;

function judge(cluster: Cluster, struck: string, struckAt: number, add: Tell): string {
  const { views, names, subject } = cluster;
  const now = performance.now();
  const last = views.changes(struckAt, now).at(-1)?.at ?? struckAt;
  const late = views.changes(struckAt + SETTLE_MS, now).length;
  const states = names.filter((name) => name !== struck).map((name) => views.state(name, struck));
  const groups = [...Map.groupBy(states, (state) => state)];
  const largest = Math.max(...groups.map(([, { length }]) => length));
  add("last change of any view", (last - struckAt) / 1e3, "s");
  add("changes once it must be stable", late, "changes");
  add("agents that disagree on the struck one", states.length - largest, "agents");
  add("others declared dead", falseDeaths(cluster, struck, struckAt), "members");
  const held = groups.map(([state, { length }]) => `${state} at ${length}`).join(", ");
  const isStable = late === 0 && groups.length === 1;
  return `${subject} ${isStable ? "stable" : "NOT STABLE"}, struck one ${held}`;
}
