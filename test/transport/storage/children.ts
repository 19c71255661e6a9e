/** Child processes for tests that need another agent, or one that dies without a chance to clean up. */
import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../../", import.meta.url));
const children = new Set<ChildProcess>();

export interface Child {
  readonly pid: number;
  readonly lines: string[];
  kill(): Promise<void>;
}

/** Runs a piece of TypeScript with `transport/storage/` as "./"; resolves at its first line. */
export async function startChild(source: string): Promise<Child> {
  const code = source.replaceAll('"./', `"${root}transport/storage/`);
  const child = spawn(process.execPath, ["--input-type=module-typescript", "-e", code], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  children.add(child);
  const lines: string[] = [];
  const exited = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  await new Promise<void>((resolve, reject) => {
    createInterface({ input: child.stdout }).on("line", (line) => {
      lines.push(line);
      resolve();
    });
    child.once("error", reject);
    child.once("exit", () => reject(new Error("the child ended before it said anything")));
  });
  return {
    pid: child.pid as number,
    lines,
    kill: async () => {
      child.kill("SIGKILL");
      await exited;
      children.delete(child);
    },
  };
}

export function killChildren(): void {
  for (const child of children) child.kill("SIGKILL");
  children.clear();
}
