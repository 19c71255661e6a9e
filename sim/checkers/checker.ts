/**
 * What a checker is: one invariant, judged from the trace alone, so that a trace written by hand can
 * violate it. A checker keeps what it needs and reports the moment at which a promise is broken.
 */
import type { TraceEventOf, TraceKind } from "../trace.ts";

/** What checkers may know of a run besides its trace. */
export interface CheckContext {
  readonly nodes: number;
  /** Within this a silent member must be dead for all, and an old fault's consequences are over. */
  readonly detectMs: number;
  /** No suspicion may lead to a verdict sooner. */
  readonly suspicionMinMs: number;
  /** Without a second accuser, no sooner than this. */
  readonly loneSuspicionMs: number;
  /** Between two probes of one subject, while the prober is well. */
  readonly probeIntervalMs: number;
  /** What bounds a node's neighbours. */
  readonly observers: number;
  readonly fullMeshMax: number;
  readonly connectionsMax: number;
}

/** `nodes`: whom it concerns, for the account of a failure. */
export interface Report {
  (detail: string, nodes?: readonly number[]): void;
  /** A case came up in which the promise had to hold, for a checker that counts its cases. */
  judged(): void;
}

export type Handlers = {
  readonly [Kind in TraceKind]?: (event: TraceEventOf<Kind>, report: Report) => void;
};

export interface Checker {
  /** As in docs/simulator.md: "S-M1". */
  readonly name: string;
  readonly statement: string;
  /** Set if what agents on a real host tell is enough to judge it (`sim run --real`). */
  readonly isFitForReal?: true;
  /**
   * Set if it says itself how often it had something to judge, because most of what it hears does not
   * matter to it. Of others, each event is a case that may lead to a report.
   */
  readonly countsCases?: true;
  readonly on: Handlers;
  /** The run is over. */
  atEnd?(now: number, report: Report): void;
}

export type CreateChecker = (context: CheckContext) => Checker;

export interface Violation {
  readonly checker: string;
  readonly statement: string;
  readonly atMs: number;
  readonly detail: string;
  readonly nodes: readonly number[];
}
