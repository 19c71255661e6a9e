/** Runs a program as a shell would: same terminal, signals passed on, its exit code. */
import { spawn } from "node:child_process";
import { constants } from "node:os";
import { GrapevineError } from "../core/errors.ts";

export interface RunOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly folder: string;
  readonly outputToStderr: boolean;
  /** Awaited before the program is told to stop. */
  readonly beforeStop: () => Promise<void>;
}

export interface RunResult {
  /** The program's, or 128 and the signal's number. */
  readonly exitCode: number;
  readonly signal: NodeJS.Signals | null;
}

/** Signals that ask for an end, and those that mean something else to a program. */
const STOPPING: readonly NodeJS.Signals[] = ["SIGTERM", "SIGINT", "SIGQUIT"];
const OTHERS: readonly NodeJS.Signals[] = ["SIGHUP", "SIGUSR1", "SIGUSR2"];

/** Throws GrapevineError `not_found` or `forbidden` if the program cannot be started. */
export async function runProgram(
  [file = "", ...args]: readonly string[],
  { env, folder, outputToStderr, beforeStop }: RunOptions,
): Promise<RunResult> {
  const child = spawn(file, args, {
    cwd: folder,
    env,
    stdio: ["inherit", outputToStderr ? 2 : "inherit", "inherit"],
  });
  const handlers = new Map<NodeJS.Signals, () => void>();
  for (const signal of [...STOPPING, ...OTHERS]) {
    const handler = () => {
      // Ctrl-C reaches the program by itself: it is in the terminal's foreground group, as we are.
      const passed = process.stdin.isTTY === true && (signal === "SIGINT" || signal === "SIGQUIT");
      const before = STOPPING.includes(signal) ? beforeStop() : Promise.resolve();
      void before.then(() => passed || child.kill(signal));
    };
    handlers.set(signal, handler);
    process.on(signal, handler);
  }
  try {
    return await new Promise((resolve, reject) => {
      child.once("error", (cause) => reject(cannotStart(file, cause)));
      child.once("exit", (code, signal) => {
        const number = signal === null ? 0 : constants.signals[signal];
        resolve({ exitCode: code ?? 128 + number, signal });
      });
    });
  } finally {
    for (const [signal, handler] of handlers) process.off(signal, handler);
  }
}

function cannotStart(file: string, cause: Error): GrapevineError {
  const { code } = cause as NodeJS.ErrnoException;
  if (code === "ENOENT")
    return new GrapevineError("not_found", `there is no program "${file}"`, { cause });
  const why = code === "EACCES" ? "it is not executable" : cause.message;
  return new GrapevineError("forbidden", `"${file}" cannot be run: ${why}`, { cause });
}
