/**
 * Kills what the demo started and removes its files once the demo is gone, however it ended: that
 * closes this program's standard input. It is told of each process by a line "PID", and of the end
 * of one by "PID gone", so that it never kills a stranger that was given the number again.
 *
 * node reaper.ts DIRECTORY
 */
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
    for (const pid of pids) {
      try {
        process.kill(pid, "SIGKILL");
      } catch {
        // It has ended by itself.
      }
    }
    if (directory !== undefined) {
      rmSync(directory, { recursive: true, force: true, maxRetries: 3 });
    }
  });
