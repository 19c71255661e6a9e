/**
 * The exec check: a program whose exit code 0 is a success. It runs in a process group of its own,
 * so that the end of its time also ends whatever it started. The run is over when the program has
 * exited and its output is closed: children that keep running in the background count as a hang.
 */

import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import type { ProbeResult, ProbeTask } from "./probe.ts";
import { describeTarget } from "./registration.ts";

/** The part of the output that is kept for display. */
const OUTPUT_BYTES_MAX = 256;

export function probeExec(
  command: readonly string[],
  task: ProbeTask,
  signal: AbortSignal,
): Promise<ProbeResult> {
  const [program = "", ...args] = command;
  return new Promise((resolve) => {
    if (signal.aborted) return resolve({ ok: false, message: messageOf(signal.reason) });
    let child: ChildProcess;
    try {
      child = spawn(program, args, {
        detached: true,
        stdio: ["ignore", "pipe", "pipe"],
        env: {
          ...process.env,
          GRAPEVINE_SERVICE: task.service,
          GRAPEVINE_INSTANCE: task.instance,
          GRAPEVINE_ADDRESS: describeTarget(task.target),
        },
      });
    } catch (error) {
      return resolve({ ok: false, message: `cannot start ${program}: ${messageOf(error)}` });
    }
    const output = keepOutput(child);
    const finish = (ok: boolean, reason: string) => {
      signal.removeEventListener("abort", onAbort);
      const said = output();
      resolve({ ok, message: said === "" ? reason : `${reason}: ${said}` });
    };
    const onAbort = () => {
      killGroup(child);
      finish(false, messageOf(signal.reason));
    };
    signal.addEventListener("abort", onAbort, { once: true });
    child.on("error", (error) => finish(false, `cannot start ${program}: ${messageOf(error)}`));
    child.on("close", (code, killedBy) => {
      finish(code === 0, code === null ? `killed by ${killedBy}` : `exit code ${code}`);
    });
  });
}

/** Ends the whole group; also when the program itself is gone, but its children hold the output. */
function killGroup(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, "SIGKILL");
  } catch {
    // ESRCH: the group ended by itself in this moment.
  }
  child.stdout?.destroy();
  child.stderr?.destroy();
  child.unref();
}

function keepOutput(child: ChildProcess): () => string {
  let kept = "";
  const keep = (chunk: Buffer) => {
    if (kept.length < OUTPUT_BYTES_MAX) kept += chunk.toString("latin1");
  };
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on("data", keep);
    stream?.on("error", () => undefined);
  }
  return () => {
    const text = Buffer.from(kept.slice(0, OUTPUT_BYTES_MAX), "latin1").toString();
    return text.replace(/[\p{Cc}\s]+/gu, " ").trim();
  };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
