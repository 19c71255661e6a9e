/**
 * What an agent costs before it does anything: its start, the first request over a new link, and
 * its memory alone, per link, per idle client connection, per registered instance and per idle
 * actor. Memory is resident memory of the process after things have settled, and the per-item
 * figures are what many items add, so that they include what the collector has not given back.
 */
import { connect, type Socket } from "node:net";
import { type AgentProcess, Fleet, get } from "../../test/integration/fleet.ts";
import type { BenchOptions, Outcome } from "../harness/bench.ts";
import { ask, residentBytes, Workplace } from "../harness/processes.ts";
import { Measurements } from "../harness/report.ts";
import { firstMessage } from "../rpc/subjects.ts";

const OWN_NAME = "grapevine";
const DEFAULT_ROUNDS = 3;
const CONNECTIONS = 2_000;
const INSTANCES = 500;
const LINKS = 4;
const ACTORS = 50_000;
/** Made before the first look at the memory: compiled code and pools are not counted. */
const FIRST_ACTORS = 2_000;
const SETTLE_MS = 1_500;

type Add = (name: string, unit: string, value: number) => void;

export async function run(options: BenchOptions): Promise<Outcome> {
  const measurements = new Measurements();
  const add: Add = (name, unit, value) =>
    measurements.add(OWN_NAME, { case: name, unit, better: "lower" }, value);
  const rounds = options.rounds ?? DEFAULT_ROUNDS;
  for (let round = 0; round < rounds; round += 1) {
    options.progress(`round ${round + 1} of ${rounds}`);
    await measureRound(add);
  }
  const notes = [
    `connections: ${CONNECTIONS} that have sent one request each; instances: ${INSTANCES};`,
    `  links: ${LINKS}, each of one agent to another, with what else a member costs;`,
    `  actors: ${ACTORS}, each called once, with a number for state`,
  ];
  return { rows: measurements.rows(), skipped: [], versions: {}, notes };
}

async function measureRound(add: Add): Promise<void> {
  await using fleet = new Fleet();
  const port = await fleet.server((_request, response) => response.end("ok"));
  const agent = await fleet.agent("front");
  add("start of an agent, to its ready line", "ms", agent.readyMs);
  await settle();
  const alone = residentBytes([agent.pid]);
  add("memory of an agent alone", "MB", alone / 1e6);
  await measureFirstRequest(fleet, agent, port, add);
  await measureLinks(fleet, agent, port, add);
  await measureConnections(agent, add);
  await measureInstances(fleet, agent, add);
  await measureActors(add);
}

async function measureFirstRequest(
  fleet: Fleet,
  agent: AgentProcess,
  port: number,
  add: Add,
): Promise<void> {
  const back = await fleet.agent("back", { join: agent.bind });
  await register(fleet, back, "far", port);
  await register(fleet, agent, "near", port);
  await get(agent, "http://near.mesh/");
  await untilServed(fleet, agent, "far");
  const startedAt = performance.now();
  const { status } = await get(agent, "http://far.mesh/");
  if (status !== 200) throw new Error(`the first request got ${status}`);
  const firstMs = performance.now() - startedAt;
  const secondAt = performance.now();
  await get(agent, "http://far.mesh/");
  add(
    "first request over a new link, less a second one",
    "ms",
    firstMs - (performance.now() - secondAt),
  );
}

async function measureLinks(
  fleet: Fleet,
  agent: AgentProcess,
  port: number,
  add: Add,
): Promise<void> {
  await settle();
  const before = residentBytes([agent.pid]);
  for (let at = 0; at < LINKS; at += 1) {
    const peer = await fleet.agent(`peer${at}`, { join: agent.bind });
    await register(fleet, peer, `far${at}`, port);
    await untilServed(fleet, agent, `far${at}`);
    await get(agent, `http://far${at}.mesh/`);
  }
  await settle();
  add("memory per member with a link", "kB", (residentBytes([agent.pid]) - before) / LINKS / 1e3);
}

async function measureConnections(agent: AgentProcess, add: Add): Promise<void> {
  const before = residentBytes([agent.pid]);
  const sockets: Socket[] = [];
  for (let at = 0; at < CONNECTIONS; at += 1) sockets.push(await idleConnection(agent));
  await settle();
  const grown = residentBytes([agent.pid]) - before;
  add("memory per idle client connection", "kB", grown / CONNECTIONS / 1e3);
  for (const socket of sockets) socket.destroy();
}

/** A connection that has had one answer. */
function idleConnection(agent: AgentProcess): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const [host, port] = agent.proxy.split(":");
    const socket = connect({ host, port: Number(port) });
    socket.once("error", reject);
    socket.once("data", () => resolve(socket));
    socket.write("GET / HTTP/1.1\r\nhost: near.mesh\r\n\r\n");
  });
}

async function measureInstances(fleet: Fleet, agent: AgentProcess, add: Add): Promise<void> {
  await settle();
  const before = residentBytes([agent.pid]);
  const startedAt = performance.now();
  for (let at = 0; at < INSTANCES; at += 1) await register(fleet, agent, `own${at}`, 9_000 + at);
  add("registering an instance", "ms", (performance.now() - startedAt) / INSTANCES);
  await settle();
  const grown = residentBytes([agent.pid]) - before;
  add("memory per registered instance", "kB", grown / INSTANCES / 1e3);
}

async function measureActors(add: Add): Promise<void> {
  await using place = new Workplace();
  const env = { ...process.env, TMPDIR: place.directory };
  const host = place.fork(new URL("actors.ts", import.meta.url), [], { env });
  await firstMessage(host);
  await ask(host, { count: FIRST_ACTORS });
  await settle();
  const before = residentBytes([host.pid ?? 0]);
  await ask(host, { count: ACTORS });
  await settle();
  const grown = residentBytes([host.pid ?? 0]) - before;
  add("memory per idle actor", "kB", grown / ACTORS / 1e3);
}

async function register(
  fleet: Fleet,
  agent: AgentProcess,
  name: string,
  port: number,
): Promise<void> {
  await fleet.api(agent, "PUT", `/v1/services/default/${name}/_`, { ports: [{ port }] });
}

/** Waits for the directory without sending a request, which would open the link. */
async function untilServed(fleet: Fleet, agent: AgentProcess, name: string): Promise<void> {
  for (;;) {
    const services = (await fleet.api(agent, "GET", "/v1/services")) as { readonly name: string }[];
    if (services.some((service) => service.name === name)) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

function settle(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
}
