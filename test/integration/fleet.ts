/**
 * Real agents for integration tests: each is a process with its own data directory, socket and free
 * ports, driven through the command line and the local socket as a user would, and killed at the
 * end of the test whatever happened.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import * as http from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const CLI = fileURLToPath(new URL("../../cli/grapevine.js", import.meta.url));
const READY_TIMEOUT_MS = 20_000;

export interface AgentProcess {
  readonly name: string;
  readonly child: ChildProcess;
  readonly pid: number;
  readonly id: string;
  readonly socket: string;
  readonly dataDir: string;
  readonly bind: string;
  readonly link: string;
  readonly proxy: string;
  readonly admin: string;
  /** Milliseconds from the start of the process to its ready line. */
  readonly readyMs: number;
  /** Everything it wrote to standard error so far. */
  log(): string;
  exited: Promise<number | null>;
}

export interface CommandResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export class Fleet implements AsyncDisposable {
  readonly directory = mkdtempSync(join(tmpdir(), "grapevine-test-"));
  readonly #children = new Set<ChildProcess>();
  readonly #servers = new Set<http.Server>();

  async agent(
    name: string,
    options: {
      join?: string;
      args?: readonly string[];
      env?: Record<string, string>;
      dataDir?: string;
      /** `ulimit -n` for it. */
      descriptorsMax?: number;
      /** The address to listen on for other agents. */
      host?: string;
      /** What to put before the command, as `ip netns exec NAME`. */
      within?: readonly string[];
    } = {},
  ): Promise<AgentProcess> {
    const socket = join(this.directory, `${name}.sock`);
    const dataDir = options.dataDir ?? join(this.directory, name);
    const startedAt = performance.now();
    const { host = "127.0.0.1" } = options;
    const child = this.#spawn(
      [
        ...["agent", "--data-dir", dataDir, "--socket", socket, "--name", name],
        ...["--bind", `${host}:0`, "--link-bind", `${host}:0`, "--http-proxy", "127.0.0.1:0"],
        ...["--admin", "127.0.0.1:0", "--dns", "off"],
        ...(options.args?.includes("--identity") === true ? [] : ["--dev"]),
        ...(options.join === undefined ? [] : ["--join", options.join]),
        ...(options.args ?? []),
      ],
      options.env,
      options.descriptorsMax,
      options.within,
    );
    let log = "";
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      log += text;
    });
    const exited = new Promise<number | null>((resolve) => child.once("exit", resolve));
    const ready = await readyLine(name, child, () => log);
    const field = (key: string) => new RegExp(`\\b${key}=(\\S+)`).exec(ready)?.[1] ?? "";
    return {
      name: field("name"),
      child,
      pid: Number(field("pid")),
      id: field("id"),
      socket,
      dataDir,
      bind: field("bind"),
      link: field("link"),
      proxy: field("proxy"),
      admin: field("admin"),
      readyMs: performance.now() - startedAt,
      log: () => log,
      exited,
    };
  }

  /** Runs one command against an agent and waits for its end. */
  command(
    agent: AgentProcess | undefined,
    args: readonly string[],
    env: Record<string, string> = {},
  ): Promise<CommandResult> {
    const child = this.#spawn(args, {
      ...(agent === undefined ? {} : { GRAPEVINE_SOCKET: agent.socket }),
      ...env,
    });
    const result = { stdout: "", stderr: "" };
    child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      result.stdout += text;
    });
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      result.stderr += text;
    });
    return new Promise((resolve) => child.once("close", (code) => resolve({ code, ...result })));
  }

  /** GET (or another method) on an agent's local API; the parsed body. */
  async api(agent: AgentProcess, method: string, path: string, body?: object): Promise<unknown> {
    const { text } = await request({
      socketPath: agent.socket,
      method,
      path,
      headers: { "content-type": "application/json" },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    return text === "" ? undefined : JSON.parse(text);
  }

  /** An ordinary HTTP server on a free loopback port. */
  async server(handler: http.RequestListener): Promise<number> {
    const server = http.createServer(handler);
    this.#servers.add(server);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const address = server.address();
    if (address === null || typeof address === "string") throw new Error("no port");
    return address.port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const exits = [...this.#children].map(
      (child) => new Promise((resolve) => child.once("exit", resolve)),
    );
    for (const child of this.#children) child.kill("SIGKILL");
    for (const server of this.#servers) server.closeAllConnections();
    for (const server of this.#servers) server.close();
    await Promise.all(exits);
    rmSync(this.directory, { recursive: true, force: true, maxRetries: 3 });
  }

  #spawn(
    args: readonly string[],
    env: Record<string, string> = {},
    descriptorsMax?: number,
    within: readonly string[] = [],
  ): ChildProcess {
    const program = [...within, process.execPath, CLI, ...args];
    const limited = `ulimit -n ${descriptorsMax} && exec "$0" "$@"`;
    const [command = "", ...rest] =
      descriptorsMax === undefined ? program : ["sh", "-c", limited, ...program];
    const child = spawn(command, rest, {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, NO_COLOR: "1", ...env },
    });
    this.#children.add(child);
    child.once("exit", () => this.#children.delete(child));
    return child;
  }
}

function readyLine(name: string, child: ChildProcess, log: () => string): Promise<string> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(
      () => reject(new Error(`${name} was not ready in ${READY_TIMEOUT_MS} ms:\n${log()}`)),
      READY_TIMEOUT_MS,
    );
    let text = "";
    child.stdout?.setEncoding("utf8").on("data", (part: string) => {
      text += part;
      const line = /^grapevine agent ready .*$/m.exec(text);
      if (line === null) return;
      clearTimeout(timer);
      resolve(line[0]);
    });
    child.once("exit", (code) => {
      clearTimeout(timer);
      reject(new Error(`${name} ended with ${code} before it was ready:\n${log()}`));
    });
  });
}

export interface Answer {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly text: string;
}

/** One plain request, never repeated. */
function request(options: http.RequestOptions & { readonly body?: string }): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const outgoing = http.request(options, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (part: string) => {
        text += part;
      });
      response.on("error", reject);
      response.on("end", () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, text }),
      );
    });
    outgoing.on("error", reject);
    outgoing.end(options.body);
  });
}

/** A GET through an agent's proxy, as http_proxy makes programs send it. */
export function get(
  agent: AgentProcess,
  url: string,
  headers: Record<string, string> = {},
  connection?: http.Agent,
): Promise<Answer> {
  const [host, port] = agent.proxy.split(":");
  return request({
    host,
    port,
    path: url,
    headers: { host: new URL(url).host, ...headers },
    ...(connection === undefined ? {} : { agent: connection }),
  });
}

/** Asks again every few milliseconds until the answer is true; says what was last seen if never. */
export async function eventually<Value>(
  what: string,
  withinMs: number,
  ask: () => Promise<Value>,
  isRight: (value: Value) => boolean,
): Promise<{ value: Value; afterMs: number }> {
  const startedAt = performance.now();
  for (;;) {
    const value = await ask();
    const afterMs = performance.now() - startedAt;
    if (isRight(value)) return { value, afterMs };
    if (afterMs > withinMs) {
      throw new Error(`${what}: not within ${withinMs} ms; last seen ${JSON.stringify(value)}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
