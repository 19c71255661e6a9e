/**
 * How long news takes through a mesh of real agents on this host: all see all, a killed agent is
 * dead everywhere and gets no more requests, a restarted one is back, a new service can be used
 * from every agent. Beside Serf with its LAN profile, of which only the first two can be asked.
 */
import type { BenchOptions, Outcome } from "../harness/bench.ts";
import { findProgram, versionOf } from "../harness/machine.ts";
import { Measurements, median } from "../harness/report.ts";
import { Mesh } from "./mesh.ts";
import { SerfCluster } from "./serf.ts";

const SIZES = [4, 12];
const DEFAULT_ROUNDS = 3;
const OWN_NAME = "grapevine";
/** Lets probes and gossip settle between two disturbances. */
const CALM_MS = 1_500;
/** Requests flow for so long before the kill. */
const ROUTED_BEFORE_MS = 300;
const SERF_TIMEOUT_MS = 60_000;

type Add = (size: number, what: string, subject: string, valueMs: number) => void;

export async function run(options: BenchOptions): Promise<Outcome> {
  const measurements = new Measurements();
  const add: Add = (size, what, subject, valueMs) =>
    measurements.add(
      subject,
      { case: `${size} agents, ${what}`, unit: "ms", better: "lower" },
      valueMs,
    );
  const rounds = options.rounds ?? DEFAULT_ROUNDS;
  for (const size of SIZES) await measureMesh(size, rounds, add, options);
  const serf = findProgram("serf");
  const versions: Record<string, string> = {};
  const skipped = [];
  if (serf === undefined) {
    skipped.push({ subject: "serf", why: "not installed: apt-get install serf" });
  } else {
    versions["serf"] = versionOf(serf, "version");
    for (const size of SIZES) await measureSerf(serf, size, add, options);
  }
  const notes = [
    "all agents on this host; each agent is asked every 5 ms, so that is how exact figures are",
    `${OWN_NAME}: --dev agents; "median" and "worst" are over the agents of one round`,
    "serf: LAN profile; an agent counts from the moment it writes the event",
  ];
  return { rows: measurements.rows(), skipped, versions, notes };
}

async function measureMesh(
  size: number,
  rounds: number,
  add: Add,
  options: BenchOptions,
): Promise<void> {
  await using mesh = new Mesh();
  const names = Array.from({ length: size }, (_, at) => `n${at}`);
  options.progress(`starting ${size} agents`);
  for (const name of names.slice(0, -1)) await mesh.add(name);
  await mesh.untilSeen(names.slice(0, -1), "alive", performance.now());
  await calm();
  const spread = (what: string, values: readonly number[]) => {
    add(size, `${what} (median)`, OWN_NAME, median(values));
    add(size, `${what} (worst)`, OWN_NAME, Math.max(...values));
  };
  await mesh.add(names.at(-1) ?? "");
  spread("one joins: ready line to alive everywhere", await mesh.untilSeen(names, "alive", now()));
  const port = await mesh.server();
  for (let round = 0; round < rounds; round += 1) {
    options.progress(`${size} agents, round ${round + 1} of ${rounds}`);
    await calm();
    await measureRound(mesh, `s${round}`, port, spread, (ms) =>
      add(size, "killed: last request that was routed there", OWN_NAME, ms),
    );
  }
}

async function measureRound(
  mesh: Mesh,
  service: string,
  port: number,
  spread: (what: string, values: readonly number[]) => void,
  addRouted: (afterMs: number) => void,
): Promise<void> {
  const [through] = mesh.agents;
  const [victim, other] = mesh.agents.slice(-2);
  if (through === undefined || victim === undefined || other === undefined) return;
  const names = mesh.agents.map(({ name }) => name);
  await mesh.register(victim, service, port);
  spread("registered: usable everywhere", await mesh.untilUsable(service, now()));
  await mesh.register(other, service, port);
  await calm();
  let killedAt = Number.POSITIVE_INFINITY;
  const routing = mesh.lastRoutedTo(victim.name, service, through, () => killedAt);
  await new Promise((resolve) => setTimeout(resolve, ROUTED_BEFORE_MS));
  killedAt = now();
  await mesh.kill(victim);
  const dead = await mesh.untilSeen([victim.name], "dead", killedAt);
  const routed = await routing;
  spread("killed: dead everywhere", dead);
  addRouted(routed.afterMs);
  if (routed.failures > 0) throw new Error(`${routed.failures} requests failed after a kill`);
  await mesh.add(victim.name);
  spread("restarted: ready line to alive everywhere", await mesh.untilSeen(names, "alive", now()));
}

async function measureSerf(
  program: string,
  size: number,
  add: Add,
  options: BenchOptions,
): Promise<void> {
  options.progress(`serf, ${size} agents`);
  await using cluster = new SerfCluster(program);
  for (let at = 0; at < size; at += 1) {
    await cluster.add(`n${at}`);
    if (at === 0) await new Promise((resolve) => setTimeout(resolve, 500));
  }
  await cluster.until("Join", cluster.names, SERF_TIMEOUT_MS);
  await calm();
  const killedAt = now();
  const victim = cluster.names.at(-1) ?? "";
  cluster.kill(victim);
  await cluster.until("Failed", [victim], SERF_TIMEOUT_MS);
  add(size, "killed: dead everywhere (worst)", "serf", now() - killedAt);
}

function calm(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, CALM_MS));
}

function now(): number {
  return performance.now();
}
