/** The subjects of both benchmarks of calls: pairs of processes that take orders for load. */
import type { ChildProcess } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { findProgram, versionOf } from "../harness/machine.ts";
import { ask, freePort, type Workplace } from "../harness/processes.ts";
import type { Skipped } from "../harness/report.ts";
import type { Served } from "./caller.ts";
import type { RpcOrder, RpcResult } from "./side.ts";

export interface RpcSubject {
  readonly name: string;
  /** What kind of call it makes, where a benchmark compares several kinds. */
  readonly where?: string;
  readonly pids: readonly number[];
  run(order: RpcOrder): Promise<RpcResult>;
}

const SIDE = new URL("side.ts", import.meta.url);
const ESCRIPT = fileURLToPath(new URL("peers/echo.escript", import.meta.url));

/** A subject whose two sides are Node programs. */
export interface NodePeer {
  /** In the report. */
  readonly name: string;
  readonly where?: string;
  /** As side.ts knows it. */
  readonly module: string;
  readonly serverEnv?: Readonly<Record<string, string>>;
  readonly clientEnv?: Readonly<Record<string, string>>;
  /** Processes beside the two sides whose work belongs to the call. */
  readonly pids?: readonly number[];
}

/** What calls of Grapevine are measured beside, and the packages that each needs. */
const OTHERS = [
  { name: "moleculer", module: "moleculer", npm: ["moleculer"] },
  { name: "grpc-js", module: "grpc", npm: ["@grpc/grpc-js", "@grpc/proto-loader"] },
] as const;

export async function startOthers(
  place: Workplace,
  where?: string,
): Promise<{ subjects: RpcSubject[]; skipped: Skipped[]; versions: Record<string, string> }> {
  const subjects: RpcSubject[] = [];
  const skipped: Skipped[] = [];
  const versions: Record<string, string> = {};
  const placed = where === undefined ? {} : { where };
  for (const { name, module, npm } of OTHERS) {
    const missing = npm.filter((each) => packageVersion(each) === undefined);
    if (missing.length > 0) {
      skipped.push({ subject: name, why: `not installed: npm install ${missing.join(" ")}` });
      continue;
    }
    for (const each of npm) versions[each] = packageVersion(each) ?? "";
    subjects.push(await startNodePeer(place, { name, module, ...placed }));
  }
  const escript = findProgram("escript");
  if (escript === undefined) {
    skipped.push({ subject: "erlang", why: "not installed: apt-get install erlang-base" });
  } else {
    const release = 'io:format("OTP ~s~n", [erlang:system_info(otp_release)]), halt().';
    versions["erlang"] = versionOf("erl", "-noshell", "-eval", release);
    subjects.push({ ...(await startErlang(place, escript)), ...placed });
  }
  return { subjects, skipped, versions };
}

/** Read from disk: many packages do not let their manifest be imported. */
function packageVersion(name: string): string | undefined {
  try {
    const path = new URL(`../../node_modules/${name}/package.json`, import.meta.url);
    const manifest: unknown = JSON.parse(readFileSync(path, "utf8"));
    return String((manifest as { version?: unknown }).version);
  } catch {
    return undefined;
  }
}

export async function startNodePeer(place: Workplace, peer: NodePeer): Promise<RpcSubject> {
  // What they keep in temporary folders goes with the benchmark's own.
  const env = { ...process.env, TMPDIR: place.directory };
  const server = place.fork(SIDE, ["server", peer.module], { env: { ...env, ...peer.serverEnv } });
  const { contact } = await firstMessage<Served>(server);
  const args = ["client", peer.module, JSON.stringify(contact)];
  const client = place.fork(SIDE, args, { env: { ...env, ...peer.clientEnv } });
  await firstMessage(client);
  const pids = [server, client].map(({ pid = 0 }) => pid);
  return {
    name: peer.name,
    ...(peer.where === undefined ? {} : { where: peer.where }),
    pids: [...pids, ...(peer.pids ?? [])],
    run: (order) => ask<RpcResult>(client, order),
  };
}

export function firstMessage<Message>(child: ChildProcess): Promise<Message> {
  return new Promise((resolve, reject) => {
    child.once("message", (message) => resolve(message as Message));
    child.once("exit", (code) => reject(new Error(`a side ended with ${code} before it was up`)));
  });
}

/** Two nodes that find each other without epmd, whose daemon would outlive the benchmark. */
async function startErlang(place: Workplace, escript: string): Promise<RpcSubject> {
  const port = await freePort();
  const flags = (name: string, more: string) => ({
    ERL_FLAGS:
      `-name ${name}@127.0.0.1 -setcookie bench -start_epmd false -erl_epmd_port ${port} ` +
      `-kernel inet_dist_use_interface {127,0,0,1} ${more}`,
    HOME: place.directory,
  });
  const server = place.talk(escript, [ESCRIPT, "server"], flags("server", ""));
  await server.line();
  const client = place.talk(
    escript,
    [ESCRIPT, "client", "server@127.0.0.1"],
    flags("client", "-dist_listen false"),
  );
  await client.line();
  return {
    name: "erlang",
    pids: [server.pid, client.pid],
    async run({ depth, warmUpMs, seconds }) {
      client.say(`${depth} ${warmUpMs} ${Math.round(seconds * 1_000)}\n`);
      const [total = 0, counted = 0, micros = 0] = (await client.line()).split(" ").map(Number);
      return { total, counted, seconds: micros / 1_000_000 };
    },
  };
}
