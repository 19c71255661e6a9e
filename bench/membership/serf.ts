/** Serf agents on this host with its LAN profile, observed through what each writes about members. */
import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { freePort } from "../harness/processes.ts";

interface SerfAgent {
  readonly name: string;
  readonly child: ChildProcess;
  readonly bind: string;
  /** What it last said of each member: "Join" or "Failed". */
  readonly seen: Map<string, string>;
}

export class SerfCluster implements AsyncDisposable {
  readonly #program: string;
  readonly #agents: SerfAgent[] = [];

  constructor(program: string) {
    this.#program = program;
  }

  async add(name: string): Promise<void> {
    const seen = new Map<string, string>();
    const bind = `127.0.0.1:${await freePort()}`;
    const rpc = `127.0.0.1:${await freePort()}`;
    const [first] = this.#agents;
    const args = [
      ...["agent", `-node=${name}`, `-bind=${bind}`, `-rpc-addr=${rpc}`, "-profile=lan"],
      ...(first === undefined ? [] : [`-join=${first.bind}`]),
    ];
    const child = spawn(this.#program, args, { stdio: ["ignore", "pipe", "ignore"] });
    createInterface({ input: child.stdout as Readable }).on("line", (line) => {
      const [, event = "", member = ""] = /EventMember(Join|Failed): (\S+)/.exec(line) ?? [];
      if (event !== "") seen.set(member, event);
    });
    this.#agents.push({ name, child, bind, seen });
  }

  /** Resolves when every agent has said this of the member, or of every agent. */
  async until(event: "Join" | "Failed", names: readonly string[], timeoutMs: number) {
    const deadline = performance.now() + timeoutMs;
    const isSaid = () =>
      this.#agents.every(({ seen, child }) =>
        child.exitCode !== null || child.signalCode !== null
          ? true
          : names.every((name) => seen.get(name) === event),
      );
    while (!isSaid()) {
      if (performance.now() > deadline) throw new Error(`serf: no ${event} in ${timeoutMs} ms`);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  get names(): string[] {
    return this.#agents.map(({ name }) => name);
  }

  kill(name: string): void {
    this.#agents.find((agent) => agent.name === name)?.child.kill("SIGKILL");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const running = this.#agents.filter(
      ({ child }) => child.exitCode === null && child.signalCode === null,
    );
    const exits = running.map(({ child }) => new Promise((resolve) => child.once("exit", resolve)));
    for (const { child } of running) child.kill("SIGKILL");
    await Promise.all(exits);
  }
}
