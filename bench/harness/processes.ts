/**
 * Processes that a benchmark starts: all end with it, whatever happens, and what they use is read
 * from /proc. Linux only, like every figure here.
 */
import { type ChildProcess, type ForkOptions, fork, spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { createConnection, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";

/** What /proc counts processor time in, on every Linux that Node runs on. */
const TICK_US = 10_000;
const LISTEN_TIMEOUT_MS = 10_000;

/** Processor time that these processes and their children have used so far, in microseconds. */
export function cpuMicros(pids: readonly number[]): number {
  let ticks = 0;
  for (const pid of withChildren(pids)) {
    const stat = readProc(`${pid}/stat`);
    // The name in parentheses may hold anything, spaces included.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    ticks += Number(fields[11] ?? 0) + Number(fields[12] ?? 0);
  }
  return ticks * TICK_US;
}

/** Resident memory of these processes and their children, in bytes. */
export function residentBytes(pids: readonly number[]): number {
  let kilobytes = 0;
  for (const pid of withChildren(pids)) {
    kilobytes += Number(/^VmRSS:\s+(\d+)/m.exec(readProc(`${pid}/status`))?.[1] ?? 0);
  }
  return kilobytes * 1_024;
}

function withChildren(pids: readonly number[]): number[] {
  return pids.flatMap((pid) => [pid, ...withChildren(childrenOf(pid))]);
}

function childrenOf(pid: number): number[] {
  return readThreads(pid)
    .flatMap((thread) => readProc(`${pid}/task/${thread}/children`).split(" "))
    .filter((child) => child !== "")
    .map(Number);
}

function readThreads(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/task`);
  } catch {
    return [];
  }
}

/** "" if the process has gone. */
function readProc(path: string): string {
  try {
    return readFileSync(`/proc/${path}`, "utf8").trimEnd();
  } catch {
    return "";
  }
}

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === "string") throw new Error("no free port");
  return address.port;
}

/** Owns child processes and one temporary directory. */
export class Workplace implements AsyncDisposable {
  readonly directory = mkdtempSync(join(tmpdir(), "grapevine-bench-"));
  readonly #children = new Set<ChildProcess>();

  /** Starts a program; `log` gives what it has said. */
  start(
    program: string,
    args: readonly string[],
    env: Readonly<Record<string, string>> = {},
  ): { readonly child: ChildProcess; readonly pid: number; log(): string } {
    const child = spawn(program, args, {
      cwd: this.directory,
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, ...env },
    });
    let log = "";
    const keep = (text: string) => {
      log = (log + text).slice(-4_000);
    };
    child.stdout.setEncoding("utf8").on("data", keep);
    child.stderr.setEncoding("utf8").on("data", keep);
    child.on("error", (error) => keep(error.message));
    return { child: this.#own(child), pid: child.pid ?? 0, log: () => log };
  }

  /** Starts a script of this repository with a channel for messages. */
  fork(script: URL, args: readonly string[] = [], options: ForkOptions = {}): ChildProcess {
    return this.#own(fork(script, [...args], options));
  }

  /** Starts a program that is spoken to line by line. */
  talk(
    program: string,
    args: readonly string[],
    env: Readonly<Record<string, string>> = {},
  ): { readonly pid: number; say(text: string): void; line(): Promise<string> } {
    const child = this.#own(
      spawn(program, args, {
        cwd: this.directory,
        stdio: ["pipe", "pipe", "inherit"],
        env: { ...process.env, ...env },
      }),
    );
    const lines = createInterface({ input: child.stdout as Readable });
    return {
      pid: child.pid ?? 0,
      say: (text) => child.stdin?.write(text),
      line: () =>
        new Promise((resolve, reject) => {
          lines.once("line", resolve);
          lines.once("close", () => reject(new Error(`${program} ended`)));
        }),
    };
  }

  /** Starts a server and waits until its port takes connections. */
  async serve(
    program: string,
    args: readonly string[],
    port: number,
    env: Readonly<Record<string, string>> = {},
  ): Promise<number> {
    const { child, pid, log } = this.start(program, args, env);
    const deadline = performance.now() + LISTEN_TIMEOUT_MS;
    while (!(await takesConnections(port))) {
      if (child.exitCode !== null || performance.now() > deadline) {
        throw new Error(`${program} does not listen on port ${port}:\n${log()}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    return pid;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const exits = [...this.#children].map(
      (child) => new Promise((resolve) => child.once("exit", resolve)),
    );
    for (const child of this.#children) child.kill("SIGTERM");
    const timer = setTimeout(() => {
      for (const child of this.#children) child.kill("SIGKILL");
    }, 1_000);
    await Promise.all(exits);
    clearTimeout(timer);
    rmSync(this.directory, { recursive: true, force: true, maxRetries: 3 });
  }

  #own(child: ChildProcess): ChildProcess {
    if (child.pid === undefined) return child;
    this.#children.add(child);
    child.once("exit", () => this.#children.delete(child));
    return child;
  }
}

function takesConnections(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection(port, "127.0.0.1");
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}

/** Sends a message to a forked script and waits for its answer. */
export function ask<Answer>(child: ChildProcess, message: object): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const onExit = (code: number | null) => reject(new Error(`a helper process ended: ${code}`));
    child.once("exit", onExit);
    child.once("message", (answer: { readonly error?: string }) => {
      child.off("exit", onExit);
      if (answer.error === undefined) resolve(answer as Answer);
      else reject(new Error(answer.error));
    });
    child.send(message);
  });
}
