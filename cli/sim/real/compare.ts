/** Both worlds of one plan side by side, for people. */
import type { Violation } from "../../../sim/checkers/checker.ts";
import type { Report } from "../../../sim/simulation.ts";
import { pairs } from "../describe.ts";
import type { RealReport } from "./real-run.ts";

export interface Comparison {
  readonly seed: number;
  readonly profile: string;
  readonly nodes: number;
  /** Events that no host allows, by kind: neither world had them. */
  readonly leftOut: Readonly<Record<string, number>>;
  readonly notes: readonly string[];
  readonly simulated: Report;
  readonly real: RealReport;
}

const FIGURES: readonly (readonly [string, string])[] = [
  ["death known p50, ms", "detectedMsP50"],
  ["death known p99, ms", "detectedMsP99"],
  ["false deaths", "falseDeaths"],
  ["agreed after heal, ms", "convergedMs"],
  ["requests", "requests"],
  ["answered", "answered"],
  ["failed", "failed"],
];

export function describeComparison(comparison: Comparison): string {
  const { seed, profile, nodes, leftOut, notes, simulated, real } = comparison;
  const leftOutParts = [
    ...Object.entries(leftOut).map(([kind, count]) => `${kind} ${count}`),
    ...notes,
  ];
  const seconds = (ms: number) => `${(ms / 1_000).toFixed(1)} s`;
  const lines = [
    `profile ${profile}, seed ${seed}, ${nodes} nodes`,
    `left out in both worlds, since a host does not allow it: ${leftOutParts.join(", ") || "nothing"}`,
    "",
    row("", "simulated", "real"),
    row("time of the mesh", seconds(simulated.virtualMs), seconds(real.wallMs)),
    row("time it took", seconds(simulated.wallMs), seconds(real.wallMs)),
    ...FIGURES.map(([label, name]) =>
      row(label, figure(simulated.metrics[name]), figure(real.metrics[name])),
    ),
    ...faultRows(simulated.faults, real.faults),
    row("violations", String(simulated.violations.length), String(real.violations.length)),
    "",
    `judged in the real world: ${real.judged.join(" ")}`,
    `real marks: ${pairs(real.marks)}`,
    ...simulated.violations.map((violation) => describe("simulated", violation)),
    ...real.violations.map((violation) => describe("real", violation)),
  ];
  return `${lines.join("\n")}\n`;
}

function faultRows(
  simulated: Readonly<Record<string, number>>,
  real: Readonly<Record<string, number>>,
): string[] {
  const kinds = [...new Set([...Object.keys(simulated), ...Object.keys(real)])].sort();
  return kinds.map((kind) => row(kind, String(simulated[kind] ?? 0), String(real[kind] ?? 0)));
}

function row(label: string, simulated: string, real: string): string {
  return `${label.padEnd(24)}${simulated.padStart(12)}${real.padStart(12)}`;
}

/** -1: it did not happen. */
function figure(value: number | undefined): string {
  return value === undefined || value < 0 ? "-" : String(value);
}

function describe(world: string, { checker, atMs, detail, statement }: Violation): string {
  const at = (atMs / 1_000).toFixed(3);
  return `VIOLATION ${checker} (${world}) at ${at} s: ${detail}\n  (${statement})`;
}
