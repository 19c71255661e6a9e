import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import type { Comparison } from "../../cli/sim/real/compare.ts";
import type { Plan } from "../../sim/plan.ts";
import { eventually } from "./fleet.ts";

const CLI = fileURLToPath(new URL("../../cli/grapevine.js", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "grapevine-both-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const road = { baseUs: 200, jitterUs: 50, loss: 0, bytesPerSecond: 0 };
const quiet = { clog: false, loss: 0, delayMs: 0, jitterMs: 0, bytesPerSecond: 0 };
const plan: Plan = {
  ...{ version: 1, seed: 11, profile: "small", nodes: 4, zones: 2 },
  ...{ joinMs: 1_000, virtualMs: 24_000, convergeMs: 60_000, preset: "lan", membership: {} },
  ...{ push: true, leaseMs: 43_200_000, clockOffsetMs: 0, clockDriftPpm: 0 },
  network: {
    ...{ sameZone: road, otherZone: road, giveUpMs: 20_000 },
    ...{ gossipLoss: 0, gossipDuplicates: 0, gossipLateMs: 0 },
  },
  workload: { services: 3, instancesPerNode: 2, requestsPerSecond: 8, keyed: 0.5, unsafe: 0.3 },
  events: [
    { atMs: 500, kind: "register", node: 1, service: "s1", id: "x1" },
    { atMs: 1_000, kind: "crash", node: 2, forMs: 3_000, how: "kill", disk: "kept" },
    { atMs: 1_500, kind: "clock", node: 0, stepMs: 500 },
    { atMs: 2_000, kind: "application", node: 0, forMs: 3_000, mode: "errors" },
    { atMs: 3_000, kind: "reset", node: 0, other: 1 },
    { atMs: 4_000, kind: "road", from: [0], to: [3], forMs: 2_000, ...quiet, delayMs: 200 },
    { atMs: 5_000, kind: "pause", node: 1, forMs: 2_000, resume: "io" },
    { atMs: 7_500, kind: "deregister", node: 1, service: "s1", id: "x1" },
    { atMs: 8_000, kind: "partition", left: [3], forMs: 15_000, oneWay: false },
  ],
};

interface Run {
  readonly child: ChildProcess;
  readonly temporary: string;
  out(): string;
  err(): string;
  readonly code: Promise<number | null>;
}

/** With a folder for temporary files of its own, so that what is left can be seen. */
function run(name: string, args: readonly string[]): Run {
  const temporary = mkdtempSync(join(folder, name));
  writeFileSync(join(folder, "plan.json"), JSON.stringify(plan));
  const child = spawn(process.execPath, [CLI, "sim", "run", ...args], {
    ...{ cwd: folder, stdio: ["ignore", "pipe", "pipe"] },
    env: { ...process.env, TMPDIR: temporary },
  });
  const text = { out: "", err: "" };
  child.stdout?.setEncoding("utf8").on("data", (part: string) => {
    text.out += part;
  });
  child.stderr?.setEncoding("utf8").on("data", (part: string) => {
    text.err += part;
  });
  const code = new Promise<number | null>((resolve) => child.once("close", resolve));
  return { child, temporary, out: () => text.out, err: () => text.err, code };
}

/** Processes whose command line names the folder. */
function processesOf(temporary: string): string[] {
  return readdirSync("/proc").filter((pid) => {
    try {
      return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(temporary);
    } catch {
      return false;
    }
  });
}

describe.skipIf(process.platform !== "linux")("sim run --real", () => {
  it("strikes real agents as the plan says, and they come right as their twins do", {
    timeout: 150_000,
  }, async () => {
    const { temporary, out, err, code } = run("t", [
      ...["plan.json", "--real", "--json", "--trace", "real.trace"],
    ]);
    expect(await code, err()).toBe(0);
    const { leftOut, simulated, real } = JSON.parse(out()) as Comparison;
    expect(leftOut).toEqual({ "clock step": 1 });
    expect([...simulated.violations, ...real.violations]).toEqual([]);
    expect(real.faults).toEqual(simulated.faults);
    expect(Object.keys(real.faults)).toEqual([
      ...["application errors", "crash kill", "delay", "partition", "pause", "reset"],
    ]);
    expect(real.judged).toEqual(expect.arrayContaining(["S-M5", "L-M6", "S-D4", "S-R6", "L-M8"]));
    const { requests = 0, answered = 0 } = real.metrics;
    expect(requests).toBeGreaterThan(50);
    expect(answered).toBeGreaterThan(requests * 0.7);
    expect(real.metrics["detectedMsP99"]).toBeGreaterThanOrEqual(0);
    // Cut off from all others, n3 must have been believed dead: the relay really cuts.
    const trace = readFileSync(join(folder, "real.trace"), "utf8");
    expect(trace).toMatch(/"kind":"belief","node":0,"subject":3,"belief":"dead"/);
    expect(readdirSync(temporary)).toEqual([]);
    expect(processesOf(temporary)).toEqual([]);
  });

  it("leaves no process and no file when it is interrupted", { timeout: 60_000 }, async () => {
    const { child, temporary, err, code } = run("i", ["plan.json", "--real"]);
    await eventually(
      "agents run",
      40_000,
      async () => processesOf(temporary).length,
      (n) => n >= 2,
    );
    child.kill("SIGINT");
    expect(await code, err()).toBe(1);
    expect(readdirSync(temporary)).toEqual([]);
    expect(processesOf(temporary)).toEqual([]);
  });

  it("refuses what a host should not be asked for", async () => {
    const many = run("m", ["--real", "--nodes", "500"]);
    expect(await many.code).toBe(1);
    expect(many.err()).toContain("500 nodes; a host can be asked for 2 to 32 agents");
    const long = run("l", ["--real", "--minutes", "90"]);
    expect(await long.code).toBe(1);
    expect(long.err()).toContain("last 90 minutes; at most 60 are real");
  });
});
