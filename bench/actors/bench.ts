/**
 * Calls of actors, 1, 16 and 128 under way at once: within one process; through the local socket of
 * one agent; and from host to host over an encrypted link, by embedded nodes and by programs at the
 * sockets of two agents. Only the last kind has its like elsewhere: there the payload is that of the
 * rpc benchmark, and so are the peers.
 */
import { type AgentProcess, Fleet } from "../../test/integration/fleet.ts";
import type { BenchOptions, Outcome } from "../harness/bench.ts";
import { ask, Workplace } from "../harness/processes.ts";
import { PAYLOAD_BYTES } from "../rpc/caller.ts";
import { measureDepths } from "../rpc/depths.ts";
import type { RpcResult } from "../rpc/side.ts";
import { firstMessage, type RpcSubject, startNodePeer, startOthers } from "../rpc/subjects.ts";

const OWN_NAME = "grapevine actors";
const REMOTE = "remote";

export async function run(options: BenchOptions): Promise<Outcome> {
  await using place = new Workplace();
  await using fleet = new Fleet();
  const remote = { name: OWN_NAME, where: REMOTE, module: "nodes" };
  const own = [
    await startLocal(place),
    await startSockets(place, "socket", await fleet.agent("both")),
    await startNodePeer(place, remote),
  ];
  const near = await fleet.agent("near");
  const far = await fleet.agent("far", { join: near.bind });
  own.push(await startSockets(place, REMOTE, near, far));
  const { subjects, skipped, versions } = await startOthers(place, REMOTE);
  const rows = await measureDepths([...own, ...subjects], options);
  return { rows, skipped, versions, notes: notes() };
}

async function startLocal(place: Workplace): Promise<RpcSubject> {
  const env = { ...process.env, TMPDIR: place.directory };
  const child = place.fork(new URL("local.ts", import.meta.url), [], { env });
  await firstMessage(child);
  const run: RpcSubject["run"] = (order) => ask<RpcResult>(child, order);
  return { name: OWN_NAME, where: "local", pids: [child.pid ?? 0], run };
}

/** A caller at the socket of one agent, a host at that of another or of the same. */
function startSockets(
  place: Workplace,
  where: string,
  caller: AgentProcess,
  host = caller,
): Promise<RpcSubject> {
  return startNodePeer(place, {
    ...{ name: caller === host ? OWN_NAME : `${OWN_NAME}, two sockets`, where, module: "sockets" },
    clientEnv: { GRAPEVINE_SOCKET: caller.socket },
    serverEnv: { GRAPEVINE_SOCKET: host.socket },
    pids: [...new Set([caller.pid, host.pid])],
  });
}

function notes(): string[] {
  return [
    "local: caller and host in one process, a number each way, every total checked",
    "socket: caller and host are programs at the socket of one agent (three processes)",
    `${REMOTE}: ${OWN_NAME}: two embedded nodes, one link (Noise, ChaCha20-Poly1305);`,
    "  two sockets: programs at two agents with one link between them (four processes);",
    "  all others in plaintext, configured as in bench/rpc/peers/",
    `socket and ${REMOTE}: ${PAYLOAD_BYTES} bytes each way, every reply checked; same machine`,
    "CPU µs/op: all processes of a subject together",
  ];
}
