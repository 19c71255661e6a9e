/**
 * Where an agent keeps its socket and its data unless told otherwise, for root and for users, by
 * the XDG base directory rules. The agent and the commands that look for it share these.
 */
import { existsSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";

export type Environment = Readonly<Record<string, string | undefined>>;

/** What the defaults depend on beside variables. */
export interface HostFacts {
  readonly uid: number;
  readonly home: string;
  readonly temporary: string;
}

export function hostFacts(): HostFacts {
  return { uid: process.getuid?.() ?? 0, home: homedir(), temporary: tmpdir() };
}

/** Where a command looks for the agent, in this order, if no flag or variable names the socket. */
function socketCandidates(env: Environment, host: HostFacts): string[] {
  const runtime = env["XDG_RUNTIME_DIR"];
  return [
    ...(runtime ? [join(runtime, "grapevine", "agent.sock")] : []),
    "/run/grapevine/agent.sock",
    join(host.temporary, `grapevine-${host.uid}`, "agent.sock"),
  ];
}

/** The socket that was named, or the first usual place where there is one. */
export function findSocket(named: string | undefined, env: Environment): string {
  const given = named ?? env["GRAPEVINE_SOCKET"];
  if (given !== undefined && given !== "") return given;
  const candidates = socketCandidates(env, hostFacts());
  return candidates.find((path) => existsSync(path)) ?? (candidates[0] as string);
}

/** The socket that a new agent opens: the first candidate that its user may create. */
export function defaultSocketPath(env: Environment, host: HostFacts): string {
  const candidates = socketCandidates(env, host);
  const usable = candidates.filter((path) => host.uid === 0 || !path.startsWith("/run/grapevine/"));
  return usable[0] as string;
}

export function defaultDataDir(env: Environment, host: HostFacts): string {
  if (host.uid === 0) return "/var/lib/grapevine";
  return join(env["XDG_STATE_HOME"] || join(host.home, ".local", "state"), "grapevine");
}
