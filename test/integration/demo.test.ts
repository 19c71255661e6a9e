/** The demo as people start it: what its panel shows on a terminal, and what it leaves behind. */
import { execFile, spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { promisify, stripVTControlCharacters } from "node:util";
import { describe, expect, it } from "vitest";
import { type MemberRow, View } from "../../examples/demo/view.ts";
import { eventually, Fleet } from "./fleet.ts";

const DEMO = fileURLToPath(new URL("../../examples/demo/main.ts", import.meta.url));
const AGENTS = 4;

describe("the demo's panel on a terminal", () => {
  it("shows the members as an agent lists them", async () => {
    await using fleet = new Fleet();
    const a = await fleet.agent("a");
    const members = (await fleet.api(a, "GET", "/v1/members")) as MemberRow[];
    let shown = "";
    const view = new View({ isTTY: true, write: (text) => (shown += text) });
    view.draw({ elapsedMs: 1_000, members, outcomes: [], events: ["  1.0 s  calm"] });
    expect(stripVTControlCharacters(shown)).toMatch(/agents +a alive\n/);
  });
});

describe("a demo that is stopped halfway", () => {
  it.each(["SIGINT", "SIGKILL"] as const)("leaves no process and no file after %s", async (how) => {
    await using fleet = new Fleet();
    const demo = spawn(process.execPath, [DEMO], {
      detached: true,
      stdio: "ignore",
      env: { ...process.env, TMPDIR: fleet.directory },
    });
    const ended = new Promise((resolve) => demo.once("exit", resolve));
    try {
      await eventually(
        "the demo's agents run",
        20_000,
        () => started(demo.pid as number, fleet.directory),
        (lines) => lines.filter((line) => line.includes("grapevine.js agent")).length === AGENTS,
      );
      demo.kill(how);
      await ended;
      await eventually(
        "nothing runs any more",
        5_000,
        () => started(demo.pid as number, fleet.directory),
        (lines) => lines.length === 0,
      );
      expect(readdirSync(fleet.directory).filter((name) => name.includes("demo"))).toEqual([]);
    } finally {
      for (const line of await started(demo.pid as number, fleet.directory)) {
        process.kill(Number.parseInt(line, 10), "SIGKILL");
      }
    }
  });
});

/** "PID command line" of every process of the demo's group, or that works in its directory. */
async function started(group: number, directory: string): Promise<string[]> {
  const rows = process.platform === "linux" ? fromProc() : await fromPs();
  return rows
    .filter(({ pgid, args }) => pgid === group || args.includes(directory))
    .map(({ pid, args }) => `${pid} ${args}`);
}

interface ProcessRow {
  readonly pid: number;
  readonly pgid: number;
  readonly args: string;
}

/** Linux without the ps program is common; processes that have ended have no command line. */
function fromProc(): ProcessRow[] {
  return readdirSync("/proc").flatMap((name) => {
    if (!/^\d+$/.test(name)) return [];
    try {
      const args = readFileSync(`/proc/${name}/cmdline`, "utf8").replaceAll("\0", " ");
      const stat = readFileSync(`/proc/${name}/stat`, "utf8");
      const pgid = Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[2]);
      return args === "" ? [] : [{ pid: Number(name), pgid, args }];
    } catch {
      return [];
    }
  });
}

async function fromPs(): Promise<ProcessRow[]> {
  const { stdout } = await promisify(execFile)("ps", ["-Awwo", "pid=,pgid=,stat=,args="]);
  return stdout.split("\n").flatMap((line) => {
    const [pid, pgid, state = "Z", ...args] = line.trim().split(/\s+/);
    if (state.startsWith("Z")) return [];
    return [{ pid: Number(pid), pgid: Number(pgid), args: args.join(" ") }];
  });
}
