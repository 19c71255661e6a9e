/** Serf agents on this host with its LAN profile, observed through what each writes about members. */
import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { freePort } from "../harness/processes.ts";
import { type Cluster, sleep } from "./cluster.ts";
import type { Lan } from "./lan.ts";
import { Views } from "./views.ts";

const STATES: Readonly<Record<string, string>> = { Join: "alive", Failed: "dead", Leave: "left" };
const START_MS = 300;

interface SerfAgent {
  readonly name: string;
  readonly child: ChildProcess;
  readonly bind: string;
}

export class SerfCluster implements Cluster, AsyncDisposable {
  readonly subject = "serf";
  readonly views = new Views();
  readonly #program: string;
  readonly #lan: Lan | undefined;
  readonly #agents: SerfAgent[] = [];

  constructor(program: string, lan?: Lan) {
    this.#program = program;
    this.#lan = lan;
  }

  get names(): string[] {
    return this.#agents.map(({ name }) => name);
  }

  async add(name: string): Promise<void> {
    const at = this.#agents.length;
    const host = this.#lan?.address(at) ?? "127.0.0.1";
    const bind = `${host}:${await freePort()}`;
    const rpc = `127.0.0.1:${await freePort()}`;
    const [first] = this.#agents;
    const [program = "", ...args] = [
      ...(this.#lan?.within(at) ?? []),
      ...[this.#program, "agent", `-node=${name}`, `-bind=${bind}`, `-rpc-addr=${rpc}`],
      ...["-profile=lan", ...(first === undefined ? [] : [`-join=${first.bind}`])],
    ];
    const child = spawn(program, args, { stdio: ["ignore", "pipe", "ignore"] });
    this.views.add(name);
    createInterface({ input: child.stdout as Readable }).on("line", (line) => {
      const [, event = "", member = ""] = /EventMember(\w+): (\S+)/.exec(line) ?? [];
      const state = STATES[event];
      if (state !== undefined && member !== name) this.views.note(name, member, state);
    });
    this.#agents.push({ name, child, bind });
    await sleep(START_MS);
  }

  signal(name: string, signal: "SIGKILL" | "SIGSTOP" | "SIGCONT"): void {
    const at = this.#agents.findIndex((agent) => agent.name === name);
    this.#agents[at]?.child.kill(signal);
    if (signal !== "SIGKILL") return;
    this.#agents.splice(at, 1);
    this.views.remove(name);
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
