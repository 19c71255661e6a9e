/**
 * The simulator: how fast it runs and what it takes, and what large simulated meshes are like: how
 * soon a death and a registration are known, how much is sent, and whether anybody is taken for dead
 * who is not. Times in a mesh are virtual and follow from plan and seed alone; only the speed is the
 * machine's.
 */
import { spawn } from "node:child_process";
import { totalmem } from "node:os";
import type { Report } from "../../sim/simulation.ts";
import type { BenchOptions, Outcome } from "../harness/bench.ts";
import { Measurements } from "../harness/report.ts";
import { CASES } from "./plans.ts";

const OWN_NAME = "grapevine";
const HEAP_SHARE = 0.75;
/** With what lies outside of the heap it stays under 16 GiB: that has to do for 10,000 nodes. */
const HEAP_MB_MAX = 12 * 1_024;
/** What is young when it is collected has then mostly died: a tenth less processor time. */
const YOUNG_MB = 32;

interface CaseResult {
  readonly report: Report;
  readonly cpuMs: number;
  readonly residentMb: number;
  readonly spreadMs: readonly number[];
  readonly unfinished: number;
}

export async function run(options: BenchOptions): Promise<Outcome> {
  const measurements = new Measurements();
  const notes: string[] = [];
  const names = Object.keys(CASES).filter((name) =>
    options.only === undefined ? CASES[name]?.isLong !== true : name === options.only,
  );
  if (names.length === 0) {
    throw new Error(`there is no part ${options.only}; parts: ${Object.keys(CASES).join(", ")}`);
  }
  for (const name of names) notes.push(`${name}: ${CASES[name]?.summary}`);
  for (let round = 1; round <= (options.rounds ?? 1); round += 1) {
    for (const name of names) {
      options.progress(`${name}, seed ${round}`);
      record(measurements, name, await runCase(name, round), notes);
    }
  }
  return { rows: measurements.rows(), skipped: [], notes, versions: {} };
}

function record(
  measurements: Measurements,
  name: string,
  { report, residentMb, spreadMs, unfinished }: CaseResult,
  notes: string[],
): void {
  const add = (what: string, unit: string, better: "higher" | "lower", value: number) =>
    measurements.add(OWN_NAME, { case: `${name}: ${what}`, unit, better }, value);
  const { metrics, violations, virtualMs, wallMs } = report;
  const figure = (key: string) => metrics[key] ?? Number.NaN;
  for (const { checker, detail } of violations)
    notes.push(`VIOLATION ${name}: ${checker} ${detail}`);
  add("virtual over real time", "x", "higher", virtualMs / wallMs);
  add("resident memory", "MB", "lower", residentMb);
  add("taken for dead by mistake", "beliefs", "lower", figure("falseDeaths"));
  add("sent by a node", "bytes/s", "lower", figure("controlBytesPerNodeSecond"));
  add("all agree after the last fault", "ms", "lower", figure("convergedMs"));
  if (figure("detectedMsP50") >= 0) {
    add("a death is known, median", "ms", "lower", figure("detectedMsP50"));
    add("a death that somebody missed", "nodes", "lower", figure("undetected"));
    add("a death is known, p99", "ms", "lower", figure("detectedMsP99"));
  }
  if (spreadMs.length > 0) {
    add("known to 99.9%, median", "ms", "lower", percentile(spreadMs, 0.5));
    add("known to 99.9%, slowest", "ms", "lower", percentile(spreadMs, 1));
    add("never known to 99.9%", "publications", "lower", unfinished);
  }
}

function percentile(sorted: readonly number[], share: number): number {
  return sorted[Math.floor((sorted.length - 1) * share)] as number;
}

function runCase(name: string, seed: number): Promise<CaseResult> {
  const heapMb = Math.min(HEAP_MB_MAX, Math.floor((totalmem() * HEAP_SHARE) / 2 ** 20));
  const subject = new URL("./subject.ts", import.meta.url).pathname;
  const child = spawn(
    process.execPath,
    [
      `--max-old-space-size=${heapMb}`,
      `--max-semi-space-size=${YOUNG_MB}`,
      subject,
      name,
      `${seed}`,
    ],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  let output = "";
  child.stdout.on("data", (chunk: Buffer) => {
    output += chunk.toString();
  });
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("exit", (code) => {
      if (code === 0) resolve(JSON.parse(output) as CaseResult);
      else reject(new Error(`the simulation of ${name} ended with code ${code}`));
    });
  });
}
