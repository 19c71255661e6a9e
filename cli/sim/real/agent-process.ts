/**
 * One real agent of a run: `grapevine agent` in a process of its own, behind the relay, with a data
 * directory that the plan may take from it. It is started so that a signal from the terminal reaches
 * this command alone, which then ends its agents itself.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { GrapevineError } from "../../../core/errors.ts";
import type { NodeId } from "../../../core/types.ts";
import { AgentClient } from "../../client.ts";
import type { Gate } from "./relay.ts";

const CLI = fileURLToPath(new URL("../../grapevine.js", import.meta.url));
const READY_MS = 60_000;
/** Of standard error, for the account of a failure. */
const LOG_CHARACTERS = 4_000;
const DRAIN = "5s";
/** An agent that was told to leave and does not is killed after this. */
const LEAVE_MS = 12_000;
const MODE = { bind: "127.0.0.1:0", admin: "off", dns: "off" } as const;

export interface Gates {
  readonly control: Gate;
  readonly link: Gate;
}

export interface Place {
  readonly folder: string;
  readonly node: number;
  readonly id: NodeId;
  readonly zone: string;
  readonly gates: Gates;
  /** HOST:PORT of the agents that it joins. */
  readonly seeds: readonly string[];
}

/** One start of an agent. */
export interface Life {
  /** HOST:PORT of its proxy. */
  readonly proxy: string;
  readonly client: AgentClient;
  /** Aborted when it is over. */
  readonly over: AbortSignal;
  isPaused: boolean;
}

export class AgentProcess {
  readonly node: number;
  readonly id: NodeId;
  readonly name: string;
  life: Life | undefined;
  /** Called when a process ends that nobody has ended. */
  onLost: ((account: string) => void) | undefined;
  readonly #place: Place;
  #child: ChildProcess | undefined;
  #log = "";

  constructor(place: Place) {
    this.#place = place;
    this.node = place.node;
    this.id = place.id;
    this.name = `n${place.node}`;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Resolves when it is ready, can be reached, and `begin` is done; no fault strikes it before. */
  async start(begin: (life: Life) => Promise<void>): Promise<void> {
    const child = spawn(process.execPath, [CLI, ...this.#arguments()], {
      stdio: ["ignore", "pipe", "pipe"],
      env: environment(),
      detached: true,
    });
    this.#child = child;
    this.#log = "";
    const over = new AbortController();
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.#log = (this.#log + text).slice(-LOG_CHARACTERS);
    });
    child.once("exit", (code, signal) => {
      over.abort();
      if (this.#child !== child) return;
      this.#child = undefined;
      this.#shut();
      if (this.life === undefined) return;
      this.life = undefined;
      this.onLost?.(`the agent ${this.name} ended with ${signal ?? code}:\n${this.#log}`);
    });
    const line = await this.#readyLine(child);
    const field = (key: string) => new RegExp(`\\b${key}=(\\S+)`).exec(line)?.[1] ?? "";
    const port = (key: string) => Number(field(key).split(":").at(-1));
    await this.#place.gates.control.open(port("bind"));
    await this.#place.gates.link.open(port("link"));
    const client = new AgentClient(join(this.#place.folder, `${this.name}.sock`));
    const life = { proxy: field("proxy"), client, over: over.signal, isPaused: false };
    await begin(life);
    this.life = life;
  }

  /** SIGKILL; its ports refuse from now on. */
  async kill(): Promise<void> {
    const child = this.#take();
    if (child === undefined) return;
    child.kill("SIGKILL");
    await exitOf(child);
  }

  /** Leaves in order. */
  async leave(): Promise<void> {
    const child = this.#child;
    if (child === undefined || this.life === undefined) return;
    child.kill("SIGTERM");
    const timer = setTimeout(() => child.kill("SIGKILL"), LEAVE_MS);
    // Peers finish what they have with it, so its ports stay open until it is gone.
    this.life = undefined;
    await exitOf(child);
    clearTimeout(timer);
    if (this.#child === child) this.#take();
  }

  pause(): void {
    if (this.life === undefined) return;
    this.life.isPaused = true;
    this.#child?.kill("SIGSTOP");
  }

  resume(): void {
    if (this.life !== undefined) this.life.isPaused = false;
    this.#child?.kill("SIGCONT");
  }

  /** What was on its disk is lost, but for its key. */
  wipe(): void {
    rmSync(this.#dataDir, { recursive: true, force: true, maxRetries: 3 });
  }

  /** At once and without waiting, for when this command itself ends. */
  killNow(): void {
    this.#child?.kill("SIGKILL");
  }

  get #dataDir(): string {
    return join(this.#place.folder, this.name);
  }

  #take(): ChildProcess | undefined {
    const child = this.#child;
    this.life = undefined;
    this.#child = undefined;
    this.#shut();
    return child;
  }

  #shut(): void {
    this.#place.gates.control.shut();
    this.#place.gates.link.shut();
  }

  #arguments(): string[] {
    const { folder, zone, gates, seeds } = this.#place;
    return [
      ...["agent", "--name", this.name, "--identity", join(folder, `${this.name}.id`)],
      ...["--data-dir", this.#dataDir, "--socket", join(folder, `${this.name}.sock`)],
      ...["--bind", MODE.bind, "--advertise", gates.control.address],
      ...["--link-bind", MODE.bind, "--link-advertise", gates.link.address],
      ...["--http-proxy", MODE.bind, "--admin", MODE.admin, "--dns", MODE.dns],
      ...["--zone", zone, "--drain-timeout", DRAIN, "--log-level", "warn"],
      ...seeds.filter((seed) => seed !== gates.control.address).flatMap((seed) => ["--join", seed]),
    ];
  }

  #readyLine(child: ChildProcess): Promise<string> {
    return new Promise((resolve, reject) => {
      const fail = (why: string) => {
        clearTimeout(timer);
        const message = `the agent ${this.name} ${why}:\n${this.#log}`;
        reject(new GrapevineError("agent_unreachable", message));
      };
      const timer = setTimeout(() => fail(`was not ready after ${READY_MS / 1_000} s`), READY_MS);
      let text = "";
      child.stdout?.setEncoding("utf8").on("data", (part: string) => {
        text += part;
        const line = /^grapevine agent ready .*$/m.exec(text)?.[0];
        if (line === undefined) return;
        clearTimeout(timer);
        text = "";
        resolve(line);
      });
      child.once("error", (error) => fail(`could not be started (${error.message})`));
      child.once("exit", (code) => fail(`ended with ${code} before it was ready`));
    });
  }
}

/** Settings of the caller's own agent are not for these. */
function environment(): NodeJS.ProcessEnv {
  const own = Object.entries(process.env).filter(([name]) => !name.startsWith("GRAPEVINE_"));
  return { ...Object.fromEntries(own), NO_COLOR: "1" };
}

function exitOf(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => child.once("exit", () => resolve()));
}
