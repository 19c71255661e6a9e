/** What the command gives a benchmark, and what it gets back. */
import type { Findings } from "./report.ts";

export interface BenchOptions {
  /** Undefined: the benchmark's own default. */
  readonly rounds: number | undefined;
  /** Length of one measurement. */
  readonly seconds: number | undefined;
  /** The one part to measure; undefined: all. */
  readonly only: string | undefined;
  /** Size of what is measured, for benchmarks that have one. */
  readonly nodes: number | undefined;
  /** Tells somebody who waits. */
  progress(text: string): void;
}

export interface Outcome extends Findings {
  /** Of the programs that took part. */
  readonly versions: Readonly<Record<string, string>>;
}
