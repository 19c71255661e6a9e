/**
 * How long news takes through a calm mesh: all see all, a killed agent is dead everywhere and gets
 * no more requests, a restarted one is back, a new service can be used from every agent.
 */
import { median } from "../harness/report.ts";
import { type Add, CALM_MS, sleep } from "./cluster.ts";
import type { Mesh } from "./mesh.ts";

/** Requests flow for so long before the kill. */
const ROUTED_BEFORE_MS = 300;

type Spread = (what: string, values: readonly number[]) => void;

/** The last agent joins the others. */
export async function measureJoin(mesh: Mesh, last: string, add: Add): Promise<void> {
  await mesh.add(last);
  const since = performance.now();
  spreadOf(mesh, add)(
    "one joins: ready line to alive everywhere",
    await mesh.untilSeen(mesh.names, "alive", since),
  );
}

/** A registration, a kill and a restart of the last agent. */
export async function measureNews(
  mesh: Mesh,
  service: string,
  port: number,
  add: Add,
): Promise<void> {
  const spread = spreadOf(mesh, add);
  const [through] = mesh.agents;
  const [victim, other] = mesh.agents.slice(-2);
  if (through === undefined || victim === undefined || other === undefined) return;
  const names = mesh.names;
  await mesh.register(victim, service, port);
  const registeredAt = performance.now();
  spread("registered: usable everywhere", await mesh.untilUsable(service, registeredAt));
  await mesh.register(other, service, port);
  await sleep(CALM_MS);
  let killedAt = Number.POSITIVE_INFINITY;
  const routing = mesh.lastRoutedTo(victim.name, service, through, () => killedAt);
  await sleep(ROUTED_BEFORE_MS);
  killedAt = performance.now();
  await mesh.kill(victim);
  spread("killed: dead everywhere", await mesh.untilSeen([victim.name], "dead", killedAt));
  const routed = await routing;
  add("killed: last request that was routed there", mesh.subject, routed.afterMs, "ms");
  if (routed.failures > 0) throw new Error(`${routed.failures} requests failed after a kill`);
  await mesh.add(victim.name);
  const readyAt = performance.now();
  spread(
    "restarted: ready line to alive everywhere",
    await mesh.untilSeen(names, "alive", readyAt),
  );
}

function spreadOf(mesh: Mesh, add: Add): Spread {
  return (what, values) => {
    add(`${what} (median)`, mesh.subject, median(values), "ms");
    add(`${what} (worst)`, mesh.subject, Math.max(...values), "ms");
  };
}
