/**
 * Kills what the demo started and removes its files once the demo is gone, however it ended: that
 * closes this program's standard input. It is told of each process by a line "PID", and of the end
 * of one by "PID gone", so that it never kills a stranger that was given the number again. What was
 * being started just then is known by the demo's folder on its command line.
 *
 * node reaper.ts DIRECTORY
 */
import { spawnSync } from "node:child_process";
import { rmSync } from "node:fs";
import { createInterface } from "node:readline";

const [directory] = process.argv.slice(2);
const pids = new Set<number>();

createInterface({ input: process.stdin })
  .on("line", (line) => {
    const pid = Number.parseInt(line, 10);
    if (line.endsWith(" gone")) pids.delete(pid);
    else pids.add(pid);
  })
  .on("close", () => {
    for (const pid of pids) kill(pid);
    for (const pid of startedIn(directory)) kill(pid);
    if (directory !== undefined) {
      rmSync(directory, { recursive: true, force: true, maxRetries: 3 });
    }
  });

/** Processes whose command line names the folder, which nobody else's does. */
function startedIn(folder: string | undefined): number[] {
  if (folder === undefined) return [];
  const { stdout } = spawnSync("ps", ["-A", "-o", "pid=,args="], { encoding: "utf8" });
  const lines = (stdout ?? "").split("\n").filter((line) => line.includes(`${folder}/`));
  return lines.map((line) => Number.parseInt(line, 10)).filter((pid) => pid !== process.pid);
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It has ended by itself.
  }
}
