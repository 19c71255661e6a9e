/**
 * The processes of the demo: real agents, services and a client, each started as a user would start
 * it, each killed at the end whatever happens (if the demo is killed: by reaper.ts). Readiness is
 * the first line that a process prints.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { createWriteStream, mkdtempSync, rmSync } from "node:fs";
import * as http from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

/** A slow machine that does much else at once may need most of it. */
const START_TIMEOUT_MS = 60_000;
const here = (file: string) => fileURLToPath(new URL(file, import.meta.url));

export interface Agent {
  readonly name: string;
  readonly process: ChildProcess;
  readonly socket: string;
  readonly bind: string;
  readonly proxy: string;
}

export interface Service {
  readonly label: string;
  readonly process: ChildProcess;
}

export class Processes {
  readonly #directory = mkdtempSync(join(tmpdir(), "grapevine-demo-"));
  readonly #running = new Set<ChildProcess>();
  readonly #reaper = spawn(process.execPath, [here("reaper.ts"), this.#directory], {
    stdio: ["pipe", "ignore", "ignore"],
    detached: true,
  });

  async agent(name: string, seed: Agent | undefined): Promise<Agent> {
    const socket = join(this.#directory, `${name}.sock`);
    const child = this.#spawn(name, here("../../cli/grapevine.js"), [
      "agent",
      "--dev",
      ...["--name", name, "--data-dir", join(this.#directory, name), "--socket", socket],
      ...["--bind", "127.0.0.1:0", "--link-bind", "127.0.0.1:0", "--http-proxy", "127.0.0.1:0"],
      ...["--admin", "off", "--dns", "off"],
      ...(seed === undefined ? [] : ["--join", seed.bind]),
    ]);
    const ready = await this.#firstLine(name, child);
    const field = (key: string) => new RegExp(`\\b${key}=(\\S+)`).exec(ready)?.[1] ?? "";
    return { name, process: child, socket, bind: field("bind"), proxy: `http://${field("proxy")}` };
  }

  /** Starts one instance of a service on an agent's host and registers it over the local socket. */
  async service(name: string, agent: Agent, dependency?: string): Promise<Service> {
    const label = `${name}-${agent.name}`;
    const child = this.#spawn(
      label,
      here("service.ts"),
      dependency === undefined ? [label] : [label, dependency],
      { http_proxy: agent.proxy },
    );
    const port = Number(/port=(\d+)/.exec(await this.#firstLine(label, child))?.[1]);
    await local(agent, "PUT", `/v1/services/default/${name}/${label}`, {
      ports: [{ port }],
      protocol: "http",
    });
    return { label, process: child };
  }

  /** Starts a process that hosts the counter on an agent's host. */
  async counterHost(agent: Agent): Promise<void> {
    const name = `counter-${agent.name}`;
    await this.#firstLine(name, this.#spawn(name, here("counter-host.ts"), [agent.socket]));
  }

  counterClient(agent: Agent, keys: number, pauseMs: number, onLine: (line: string) => void): void {
    const args = [agent.socket, String(keys), String(pauseMs)];
    const child = this.#spawn("counter-client", here("counter-client.ts"), args);
    createInterface({ input: child.stdout as NodeJS.ReadableStream }).on("line", onLine);
  }

  client(agent: Agent, url: string, rate: number, onLine: (line: string) => void): ChildProcess {
    const child = this.#spawn("client", here("client.ts"), [agent.proxy, url, String(rate)]);
    createInterface({ input: child.stdout as NodeJS.ReadableStream }).on("line", onLine);
    return child;
  }

  /** Kills what still runs and removes every file. Safe to call twice. */
  stop(): void {
    for (const child of this.#running) child.kill("SIGKILL");
    rmSync(this.#directory, { recursive: true, force: true, maxRetries: 3 });
  }

  #spawn(
    name: string,
    file: string,
    args: readonly string[],
    env: Record<string, string> = {},
  ): ChildProcess {
    const child = spawn(process.execPath, [file, ...args], {
      stdio: ["pipe", "pipe", "pipe"],
      env: { ...process.env, ...env },
    });
    child.stderr?.pipe(createWriteStream(join(this.#directory, `${name}.log`)));
    this.#running.add(child);
    this.#reaper.stdin.write(`${child.pid}\n`);
    child.on("exit", () => {
      this.#running.delete(child);
      this.#reaper.stdin.write(`${child.pid} gone\n`);
    });
    return child;
  }

  #firstLine(name: string, child: ChildProcess): Promise<string> {
    return new Promise((resolve, reject) => {
      const errors: string[] = [];
      child.stderr?.on("data", (text) => errors.push(String(text)));
      const timer = setTimeout(
        () => reject(new Error(`${name} said nothing in ${START_TIMEOUT_MS} ms`)),
        START_TIMEOUT_MS,
      );
      child.once("exit", (code) => {
        clearTimeout(timer);
        reject(new Error(`${name} ended with ${code} before it was ready: ${errors.join("")}`));
      });
      createInterface({ input: child.stdout as NodeJS.ReadableStream }).once("line", (line) => {
        clearTimeout(timer);
        resolve(line);
      });
    });
  }
}

/** One request to an agent's local API; rejects with the agent's own explanation. */
export function local(agent: Agent, method: string, path: string, body?: object): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const request = http.request(
      { socketPath: agent.socket, method, path, headers: { "content-type": "application/json" } },
      (response) => {
        let text = "";
        response.setEncoding("utf8").on("data", (part) => {
          text += part;
        });
        response.on("end", () => {
          if ((response.statusCode ?? 500) < 300)
            resolve(text === "" ? undefined : JSON.parse(text));
          else reject(new Error(`${method} ${path} at ${agent.name}: ${text}`));
        });
      },
    );
    request.on("error", reject);
    request.end(body === undefined ? undefined : JSON.stringify(body));
  });
}
