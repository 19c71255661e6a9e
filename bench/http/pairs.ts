/**
 * The pairs that are compared: an application's request goes in at the front, encrypted to the back,
 * and from there to the service. Grapevine's pair is two real agents; the others are proxies as one
 * configures them for the job, each with one worker, keep-alive pools on both hops, and both sides'
 * certificates verified. Their configurations are the files in peers/.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type AgentProcess, eventually, type Fleet, get } from "../../test/integration/fleet.ts";
import { BACK_NAME } from "../harness/certificates.ts";
import { findProgram, versionOf } from "../harness/machine.ts";
import { freePort, type Workplace } from "../harness/processes.ts";
import type { Skipped } from "../harness/report.ts";

export interface Pair {
  readonly name: string;
  /** Where clients connect. */
  readonly port: number;
  readonly pids: readonly number[];
}

export interface Pairs {
  readonly pairs: Pair[];
  readonly skipped: Skipped[];
  readonly versions: Record<string, string>;
}

/** The name under which clients ask for the service, whatever the pair. */
export const SERVICE_HOST = "bench.mesh";
export const OWN_NAME = "grapevine";

interface Proxy {
  readonly name: string;
  readonly program: string;
  readonly version: string;
  /** Of what goes between the two. */
  readonly protocol: string;
  readonly files: { readonly front: string; readonly back: string };
  /** The command line, from the path of a configuration. */
  readonly args: (config: string) => readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

const haproxy = (name: string, protocol: string): Proxy => ({
  name,
  program: "haproxy",
  version: "-v",
  protocol,
  files: { front: "haproxy-front.cfg", back: "haproxy-back.cfg" },
  args: (config) => ["-db", "-q", "-f", config],
});

const PROXIES: readonly Proxy[] = [
  haproxy("haproxy h1", "http/1.1"),
  haproxy("haproxy h2", "h2"),
  {
    name: "nginx",
    program: "nginx",
    version: "-v",
    protocol: "http/1.1",
    files: { front: "nginx-front.conf", back: "nginx-back.conf" },
    args: (config) => ["-e", "stderr", "-c", config],
  },
  {
    name: "caddy",
    program: "caddy",
    version: "version",
    protocol: "http/1.1",
    files: { front: "front.Caddyfile", back: "back.Caddyfile" },
    args: (config) => ["run", "--adapter", "caddyfile", "--config", config],
    env: { GOMAXPROCS: "1" },
  },
];

export async function startProxies(place: Workplace, servicePort: number): Promise<Pairs> {
  const found: Pairs = { pairs: [], skipped: [], versions: {} };
  for (const proxy of PROXIES) {
    const program = findProgram(proxy.program);
    if (program === undefined) {
      const why = `${proxy.program} is not installed: apt-get install ${proxy.program}`;
      found.skipped.push({ subject: proxy.name, why });
      continue;
    }
    found.versions[proxy.program] ??= versionOf(program, proxy.version);
    found.pairs.push(await startProxy(place, proxy, program, servicePort));
  }
  return found;
}

async function startProxy(
  place: Workplace,
  proxy: Proxy,
  program: string,
  servicePort: number,
): Promise<Pair> {
  const [port, backPort] = [await freePort(), await freePort()];
  const values: Record<string, string> = {
    DIRECTORY: place.directory,
    FRONT_PORT: `${port}`,
    BACK_PORT: `${backPort}`,
    SERVICE_PORT: `${servicePort}`,
    BACK_NAME,
    PROTOCOL: proxy.protocol,
  };
  const write = (file: string) => {
    const template = readFileSync(new URL(`peers/${file}`, import.meta.url), "utf8");
    const path = join(place.directory, `${proxy.name.replace(" ", "-")}-${file}`);
    writeFileSync(
      path,
      template.replace(/@([A-Z_]+)@/g, (_, key: string) => values[key] ?? ""),
    );
    return path;
  };
  const env = { ...proxy.env, HOME: place.directory };
  const { front, back } = proxy.files;
  const pids = [
    await place.serve(program, proxy.args(write(back)), backPort, env),
    await place.serve(program, proxy.args(write(front)), port, env),
  ];
  return { name: proxy.name, port, pids };
}

/** Two agents that see each other; the service is registered at the one that clients do not use. */
export async function startAgents(fleet: Fleet, servicePort: number): Promise<Pair> {
  const back = await fleet.agent("back");
  const front = await fleet.agent("front", { join: back.bind });
  const registered = await fleet.command(back, ["register", "bench", "--port", `${servicePort}`]);
  if (registered.code !== 0) throw new Error(`cannot register the service: ${registered.stderr}`);
  await untilRouted(front);
  return {
    name: OWN_NAME,
    port: Number(front.proxy.split(":").at(-1)),
    pids: [back, front].map(pidOf),
  };
}

async function untilRouted(front: AgentProcess): Promise<void> {
  await eventually(
    "the service is known at the other agent",
    10_000,
    () => get(front, `http://${SERVICE_HOST}/p/0`),
    ({ status }) => status === 200,
  );
}

function pidOf({ pid }: AgentProcess): number {
  return pid;
}
