/** The machine and the programs that a benchmark ran on, so that its figures can be placed. */
import { spawnSync } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { cpus, loadavg, release, totalmem, type } from "node:os";
import { delimiter, join } from "node:path";

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGb: number;
  readonly kernel: string;
  readonly node: string;
  /** Load average of the minute before the benchmark: what else the machine was doing. */
  readonly load: number;
  readonly date: string;
  readonly versions: Readonly<Record<string, string>>;
}

/** To be called before anything is started. */
export function describeMachine(): Omit<Machine, "versions"> {
  return {
    cpu: cpus()[0]?.model.trim() ?? "unknown",
    cores: cpus().length,
    memoryGb: Math.round(totalmem() / 2 ** 30),
    kernel: `${type()} ${release()}`,
    node: process.version,
    load: Math.round((loadavg()[0] ?? 0) * 100) / 100,
    date: new Date().toISOString(),
  };
}

/** The path of an installed program, or undefined. Daemons live outside most users' PATH. */
export function findProgram(name: string): string | undefined {
  const folders = [...(process.env["PATH"] ?? "").split(delimiter), "/usr/sbin", "/usr/local/sbin"];
  return folders
    .map((folder) => join(folder, name))
    .find((path) => {
      try {
        accessSync(path, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}

/** The first line that a program says of its version. */
export function versionOf(program: string, ...args: readonly string[]): string {
  const { stdout, stderr } = spawnSync(program, args, { encoding: "utf8" });
  return (stdout || stderr).trim().split("\n")[0] ?? "";
}
