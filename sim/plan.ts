/**
 * A plan is everything that a run depends on, as JSON: how many nodes, what the network is like,
 * what applications do, and each fault with its moment, its victims and its length. A run draws
 * nothing that is not in the plan or counted from its seed, so a plan can be kept, sent, shrunk and
 * run again.
 */
import { GrapevineError } from "../core/errors.ts";
import type { NetworkShape } from "./network/paths.ts";
import { faultOfPlan } from "./plan-check.ts";
import type { PlanEvent } from "./plan-event.ts";

export { PLAN_VERSION } from "./plan-check.ts";

export type { ByzantineBehaviour, PlanEvent, PlanEventKind } from "./plan-event.ts";

export interface Workload {
  /** Services named s0, s1, …; each node registers this many instances when it starts. */
  readonly services: number;
  readonly instancesPerNode: number;
  /** Of the whole mesh. */
  readonly requestsPerSecond: number;
  /** Part of the requests that carry a key. */
  readonly keyed: number;
  /** Part of the requests that must not run twice. */
  readonly unsafe: number;
  /** Only the first so many nodes send requests; all of them unless given. */
  readonly callers?: number;
  /** Besides, so many times a second one busy node sends several at once, with one key. */
  readonly burstsPerSecond?: number;
  /** How many at once; 8 unless given. */
  readonly requestsPerBurst?: number;
  /** Calls of actors in the whole mesh; 0 if absent. */
  readonly callsPerSecond?: number;
}

export interface Plan {
  readonly version: number;
  readonly seed: number;
  readonly profile: string;
  readonly nodes: number;
  readonly zones: number;
  /** Nodes start one after another over this time; 0: all at once. */
  readonly joinMs: number;
  /** They know each other from the start, and `joinMs` is the time to connect; false unless given. */
  readonly isFormed?: boolean;
  /** How long faults are injected. */
  readonly virtualMs: number;
  /** How long the mesh may take to come right afterwards. */
  readonly convergeMs: number;
  readonly preset: "lan" | "wan" | "local";
  /** Parameters of the failure detector that differ from the preset. */
  readonly membership: Readonly<Record<string, number>>;
  /** False leaves the directory to anti-entropy. */
  readonly push: boolean;
  readonly leaseMs: number;
  readonly network: NetworkShape;
  /** Greatest error of a wall clock and rate of a monotonic one at the start. */
  readonly clockOffsetMs: number;
  readonly clockDriftPpm: number;
  readonly workload: Workload;
  readonly events: readonly PlanEvent[];
  /** Machines that stay broken when everything else is healed: the others must come right. */
  readonly broken?: readonly Broken[];
}

/** "power": off. "pause": stands still. "cut": no road to others. "deaf": hears, is not heard. */
export interface Broken {
  readonly node: number;
  readonly how: "power" | "pause" | "cut" | "deaf";
}

/** Reads a plan; throws `invalid_argument` that names what is wrong with it, and where. */
export function parsePlan(text: string, source: string): Plan {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw invalid(source, `it is not JSON: ${why}`);
  }
  const fault = faultOfPlan(value);
  if (fault !== undefined) throw invalid(source, fault);
  return value as Plan;
}

function invalid(source: string, fault: string): GrapevineError {
  return new GrapevineError("invalid_argument", `${source} is not a plan: ${fault}`);
}
