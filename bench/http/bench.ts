/**
 * HTTP through two agents with an encrypted link, beside pairs of proxies with mutual TLS: 1 KB
 * answers, keep-alive, 1, 16 and 64 connections. Client, service and both sides share one machine,
 * so the figures are of the whole chain and only their ratios say something about the pairs.
 */
import type { ChildProcess } from "node:child_process";
import { Fleet } from "../../test/integration/fleet.ts";
import type { BenchOptions, Outcome } from "../harness/bench.ts";
import { createCertificates } from "../harness/certificates.ts";
import { ask, Workplace } from "../harness/processes.ts";
import { Measurements } from "../harness/report.ts";
import { inTurn } from "../harness/rounds.ts";
import type { LoadOrder, LoadResult } from "./client.ts";
import { OWN_NAME, type Pair, SERVICE_HOST, startAgents, startProxies } from "./pairs.ts";

const CONNECTIONS = [64, 16, 1];
const DEFAULT_ROUNDS = 5;
const DEFAULT_SECONDS = 1.5;
/** Before each run: new connections, pools and handshakes. */
const WARM_UP_MS = 250;
/** Once for each subject: compilers and caches. */
const FIRST_WARM_UP_MS = 3_000;
/** Clients that ask the service itself: what the rest of the chain can do at most. */
const DIRECT = "no proxy";

export async function run(options: BenchOptions): Promise<Outcome> {
  await using place = new Workplace();
  await using fleet = new Fleet();
  createCertificates(place.directory);
  const service = place.fork(new URL("service.ts", import.meta.url));
  const { port } = await new Promise<{ port: number }>((resolve) =>
    service.once("message", resolve),
  );
  const client = place.fork(new URL("client.ts", import.meta.url));
  const { pairs, skipped, versions } = await startProxies(place, port);
  const direct: Pair = { name: DIRECT, port, pids: [] };
  const subjects = [await startAgents(fleet, port), ...pairs, direct];
  for (const subject of subjects) {
    options.progress(`warming up ${subject.name}`);
    await load(client, subject, 64, FIRST_WARM_UP_MS, 0.1);
  }
  const measurements = new Measurements();
  const rounds = options.rounds ?? DEFAULT_ROUNDS;
  for (const [subject, round] of inTurn(subjects, rounds)) {
    options.progress(`round ${round + 1} of ${rounds}: ${subject.name}`);
    for (const connections of CONNECTIONS) {
      const seconds = options.seconds ?? DEFAULT_SECONDS;
      const result = await load(client, subject, connections, WARM_UP_MS, seconds);
      record(measurements, subject, connections, result);
    }
  }
  return { rows: measurements.rows(), skipped, versions, notes: notes() };
}

function load(
  client: ChildProcess,
  { port, pids }: Pair,
  connections: number,
  warmUpMs: number,
  seconds: number,
): Promise<LoadResult> {
  const order: LoadOrder = { port, pids, host: SERVICE_HOST, connections, warmUpMs, seconds };
  return ask<LoadResult>(client, order);
}

function record(
  measurements: Measurements,
  { name, pids }: Pair,
  connections: number,
  { completed, seconds, p50Us, p99Us, cpuUs }: LoadResult,
): void {
  const clients = connections === 1 ? "1 connection" : `${connections} connections`;
  const of = (what: string, unit: string, better: "higher" | "lower") => ({
    case: `${clients}, ${what}`,
    unit,
    better,
  });
  const cpuUsPerOp = pids.length === 0 ? undefined : cpuUs / completed;
  measurements.add(name, of("throughput", "req/s", "higher"), completed / seconds, cpuUsPerOp);
  measurements.add(name, of("p50", "µs", "lower"), p50Us);
  measurements.add(name, of("p99", "µs", "lower"), p99Us);
}

function notes(): string[] {
  return [
    "1 KB answers, each checked by status, length and bytes; client and service on the same machine",
    `${OWN_NAME}: two agents, one link (Noise, ChaCha20-Poly1305), records and metrics as always`,
    "peers: pairs with one worker each, keep-alive pools, mutual TLS 1.3, certificates verified;",
    "  configurations in bench/http/peers/",
    "CPU µs/op: both processes of a pair, without client and service",
  ];
}
