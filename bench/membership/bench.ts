/**
 * What a mesh of real agents on this host makes of joins, kills, stops, broken networks and busy
 * processors, beside Serf with its LAN profile in the same run. Parts: "4 agents" and "12 agents"
 * (news of joins, registrations, kills, restarts and stops), "network" (one machine of eight cut
 * one way, or losing 80%: each machine is a network namespace), "processor" (sixteen agents while
 * other processes keep all cores busy; --seconds, 300 by default). --only NAME measures one part.
 */
import type { BenchOptions, Outcome } from "../harness/bench.ts";
import { findProgram, versionOf } from "../harness/machine.ts";
import { Measurements } from "../harness/report.ts";
import { type Add, type Cluster, settled, sleep } from "./cluster.ts";
import { measureFault } from "./faults.ts";
import { type Fault, Lan, whyNoLan } from "./lan.ts";
import { Mesh, OWN_NAME } from "./mesh.ts";
import { measureJoin, measureNews } from "./news.ts";
import { measurePause } from "./pause.ts";
import { SerfCluster } from "./serf.ts";
import { measureStarvation } from "./starvation.ts";

const SIZES = [4, 12];
const DEFAULT_ROUNDS = 3;
const TIMEOUT_MS = 120_000;
const MACHINES = 8;
const FAULTS: readonly Fault[] = ["deaf", "mute", "loss in", "loss out", "loss both"];
const STARVED_AGENTS = 16;
const STARVED_SECONDS = 300;

interface Setting {
  readonly options: BenchOptions;
  /** The path of Serf, if it is installed. */
  readonly serf: string | undefined;
  readonly add: Add;
}

export async function run(options: BenchOptions): Promise<Outcome> {
  const measurements = new Measurements();
  const serf = findProgram("serf");
  const add: Add = (what, subject, value, unit) =>
    measurements.add(subject, { case: what, unit, better: "lower" }, value);
  const setting: Setting = { options, serf, add };
  const isWanted = (part: string) => options.only === undefined || part === options.only;
  const skipped = [];
  const said: string[] = [];
  for (const size of SIZES) {
    if (isWanted(`${size} agents`)) await measureSize(size, setting);
  }
  if (isWanted("network")) {
    const why = whyNoLan();
    if (why === undefined) said.push(...(await measureNetwork(setting)));
    else skipped.push({ subject: "faults of the network", why });
  }
  if (isWanted("processor")) await measureProcessor(setting);
  if (serf === undefined) {
    skipped.push({ subject: "serf", why: "not installed: apt-get install serf" });
  }
  const notes = [
    "all agents on this host; joins, registrations, kills and restarts are asked for every 5 ms",
    `${OWN_NAME}: --dev agents; "median" and "worst" are over the agents of one round`,
    `network: ${OWN_NAME} with identities, ${MACHINES} namespaces, both programs at the same time;`,
    "  stable: 90 s after the fault began no view of anybody changes for 30 s, and all others agree",
    "serf: LAN profile; an agent counts from the moment it writes the event",
    ...said,
  ];
  const versions: Record<string, string> =
    serf === undefined ? {} : { serf: versionOf(serf, "version") };
  return { rows: measurements.rows(), skipped, versions, notes };
}

async function measureSize(size: number, { options, serf, add }: Setting): Promise<void> {
  const rounds = options.rounds ?? DEFAULT_ROUNDS;
  const names = namesOf(size);
  const addSized: Add = (what, subject, value, unit) =>
    add(`${size} agents, ${what}`, subject, value, unit);
  {
    await using mesh = await Mesh.make();
    options.progress(`starting ${size} agents`);
    for (const name of names.slice(0, -1)) await mesh.add(name);
    await settled(mesh, TIMEOUT_MS);
    await measureJoin(mesh, names.at(-1) ?? "", addSized);
    const port = await mesh.server();
    for (let round = 0; round < rounds; round += 1) {
      options.progress(`${size} agents, round ${round + 1} of ${rounds}`);
      await settled(mesh, TIMEOUT_MS);
      await measureNews(mesh, `s${round}`, port, addSized);
      await settled(mesh, TIMEOUT_MS);
      await measurePause(mesh, names[1] ?? "", addSized);
    }
  }
  if (serf === undefined) return;
  options.progress(`serf, ${size} agents`);
  await using cluster = new SerfCluster(serf);
  for (const name of names) await cluster.add(name);
  await settled(cluster, TIMEOUT_MS);
  await measurePause(cluster, names[1] ?? "", addSized);
  await settled(cluster, TIMEOUT_MS);
  const victim = names.at(-1) ?? "";
  const killedAt = performance.now();
  cluster.signal(victim, "SIGKILL");
  const dead = await cluster.views.until(victim, "dead", killedAt, TIMEOUT_MS);
  addSized("killed: dead everywhere (worst)", "serf", Math.max(...dead), "ms");
}

async function measureNetwork({ options, serf, add }: Setting): Promise<string[]> {
  using lan = new Lan(MACHINES);
  await using mesh = await Mesh.make(lan);
  await using cluster = serf === undefined ? undefined : new SerfCluster(serf, lan);
  options.progress(`starting agents on ${MACHINES} machines`);
  const names = namesOf(MACHINES);
  for (const name of names) {
    await mesh.add(name);
    await cluster?.add(name);
  }
  const clusters: Cluster[] = cluster === undefined ? [mesh] : [mesh, cluster];
  const struck = { at: MACHINES - 1, name: names.at(-1) ?? "" };
  const said: string[] = [];
  for (const fault of FAULTS) {
    options.progress(`network: ${fault}`);
    said.push(...(await measureFault(clusters, lan, struck, fault, add)));
  }
  return said;
}

async function measureProcessor({ options, serf, add }: Setting): Promise<void> {
  await using mesh = await Mesh.make();
  await using cluster = serf === undefined ? undefined : new SerfCluster(serf);
  options.progress(`starting ${STARVED_AGENTS} agents`);
  for (const name of namesOf(STARVED_AGENTS)) {
    await mesh.add(name);
    await cluster?.add(name);
  }
  const seconds = options.seconds ?? STARVED_SECONDS;
  options.progress(`keeping the processors busy for ${seconds} s`);
  await measureStarvation(cluster === undefined ? [mesh] : [mesh, cluster], seconds, add);
  await sleep(1_000);
}

function namesOf(count: number): string[] {
  return Array.from({ length: count }, (_, at) => `n${at}`);
}
