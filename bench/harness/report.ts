/**
 * What a benchmark found, as data and as a table. A row is one subject in one case: its rounds, their
 * median and range, and how it compares with every other subject of that case. Rounds of the subjects
 * are interleaved, and a ratio is the median of the ratios round by round, so that what else the
 * machine does for a while falls on all of them alike.
 */
import type { Machine } from "./machine.ts";

export interface Row {
  readonly subject: string;
  readonly case: string;
  readonly unit: string;
  /** Whether more or less of it is good. */
  readonly better: "higher" | "lower";
  readonly rounds: readonly number[];
  readonly median: number;
  readonly min: number;
  readonly max: number;
  /** Of the subject's own processes, without client and back end; null where it was not measured. */
  readonly cpuUsPerOp: number | null;
  /** This subject's value over each other one's. */
  readonly ratios: Readonly<Record<string, number>>;
}

export interface Skipped {
  readonly subject: string;
  /** What is missing and how to install it. */
  readonly why: string;
}

export interface Findings {
  readonly rows: readonly Row[];
  readonly skipped: readonly Skipped[];
  /** How it was measured: one line for each thing that a reader has to know. */
  readonly notes: readonly string[];
}

export interface Report extends Findings {
  readonly bench: string;
  readonly machine: Machine;
}

interface Measured {
  readonly subject: string;
  readonly case: string;
  readonly unit: string;
  readonly better: "higher" | "lower";
  readonly rounds: number[];
  readonly cpu: number[];
}

/** Collects the rounds of one benchmark. */
export class Measurements {
  readonly #series = new Map<string, Measured>();

  add(
    subject: string,
    which: { readonly case: string; readonly unit: string; readonly better: "higher" | "lower" },
    value: number,
    cpuUsPerOp?: number,
  ): void {
    const key = JSON.stringify([which.case, which.unit, subject]);
    let series = this.#series.get(key);
    if (series === undefined) {
      series = { subject, ...which, rounds: [], cpu: [] };
      this.#series.set(key, series);
    }
    series.rounds.push(value);
    if (cpuUsPerOp !== undefined) series.cpu.push(cpuUsPerOp);
  }

  rows(): Row[] {
    const all = [...this.#series.values()];
    return all.map((series): Row => {
      const { cpu, rounds, ...what } = series;
      const others = all.filter(
        (other) => other !== series && other.case === series.case && other.unit === series.unit,
      );
      return {
        ...what,
        rounds: rounds.map(rounded),
        median: rounded(median(rounds)),
        min: rounded(Math.min(...rounds)),
        max: rounded(Math.max(...rounds)),
        cpuUsPerOp: cpu.length === 0 ? null : rounded(median(cpu)),
        ratios: Object.fromEntries(
          others.map((other) => [other.subject, rounded(ratio(rounds, other.rounds))]),
        ),
      };
    });
  }
}

/** Not a number for no values. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  if (sorted.length % 2 === 1) return sorted[middle] as number;
  return ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2;
}

function ratio(ours: readonly number[], theirs: readonly number[]): number {
  const both = Math.min(ours.length, theirs.length);
  const pairs = ours.slice(0, both).map((value, at) => [value, theirs[at] as number] as const);
  // Nothing beside nothing is equal.
  return median(pairs.map(([our, their]) => (our === their ? 1 : our / their)));
}

/** Four significant digits: more would claim what no such measurement can know. */
function rounded(value: number): number {
  return Number(value.toPrecision(4));
}

export function formatReport(report: Report): string {
  const { bench, machine, rows, skipped, notes } = report;
  const { cpu, cores, memoryGb, kernel, node, load } = machine;
  const lines = [
    `bench ${bench}`,
    `machine: ${cpu}, ${cores} cores, ${memoryGb} GB, ${kernel}; Node ${node}; load ${load} before`,
    ...Object.entries(machine.versions).map(([name, version]) => `${name}: ${version}`),
    ...notes,
  ];
  const groups = [...Map.groupBy(rows, ({ case: name, unit }) => `${name} [${unit}]`)];
  const alone = groups.filter(([, group]) => group.length === 1).map(([, group]) => group);
  if (alone.length > 0) lines.push("", ...aloneTable(alone.flat()));
  for (const [title, group] of groups) {
    if (group.length > 1) lines.push("", ...comparison(title, group, rows[0]?.subject ?? ""));
  }
  if (skipped.length > 0) lines.push("");
  for (const { subject, why } of skipped) lines.push(`skipped ${subject}: ${why}`);
  return `${lines.join("\n")}\n`;
}

/** Figures that have nothing beside them. */
function aloneTable(rows: readonly Row[]): string[] {
  return aligned([
    ["case", "median", "min", "max", "unit"],
    ...rows.map((row) => [
      row.case,
      figure(row.median),
      figure(row.min),
      figure(row.max),
      `${row.unit}, ${row.better} is better`,
    ]),
  ]);
}

function comparison(title: string, group: readonly Row[], own: string): string[] {
  const table = [
    ["subject", "median", "min", "max", "CPU µs/op", `${own} / it`],
    ...group.map((row) => [
      row.subject,
      figure(row.median),
      figure(row.min),
      figure(row.max),
      row.cpuUsPerOp === null ? "" : figure(row.cpuUsPerOp),
      ratioText(group, own, row),
    ]),
  ];
  return [`${title}, ${group[0]?.better} is better`, ...aligned(table)];
}

function ratioText(group: readonly Row[], own: string, row: Row): string {
  const ratio = group.find(({ subject }) => subject === own)?.ratios[row.subject];
  // Nothing is a multiple of none.
  return ratio === undefined || !Number.isFinite(ratio) ? "" : ratio.toFixed(2);
}

function figure(value: number): string {
  return value >= 1_000 ? Math.round(value).toLocaleString("en-US") : `${value}`;
}

/** The first column to the left, the others to the right. */
export function aligned(table: readonly (readonly string[])[]): string[] {
  const widths = (table[0] ?? []).map((_, at) =>
    Math.max(...table.map((cells) => (cells[at] ?? "").length)),
  );
  return table.map((cells) =>
    cells
      .map((cell, at) => (at === 0 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0)))
      .join("  ")
      .trimEnd(),
  );
}
