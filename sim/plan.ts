/**
 * A plan is everything that a run depends on, as JSON: how many nodes, what the network is like,
 * what applications do, and each fault with its moment, its victims and its length. A run draws
 * nothing that is not in the plan or counted from its seed, so a plan can be kept, sent, shrunk and
 * run again.
 */
import { GrapevineError } from "../core/errors.ts";
import { LATENCY_MODELS } from "./network/latency.ts";
import type { NetworkShape, RoadShape } from "./network/paths.ts";
import { faultOfEvents, type PlanEvent } from "./plan-event.ts";
import { isAmount, isCount, isObject } from "./plan-values.ts";

export const PLAN_VERSION = 1;
const NODES_MAX = 20_000;

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

const NUMBERS = [
  "seed",
  "nodes",
  "zones",
  "joinMs",
  "virtualMs",
  "convergeMs",
  "leaseMs",
  "clockOffsetMs",
  "clockDriftPpm",
] as const;

function faultOfPlan(value: unknown): string | undefined {
  if (!isObject(value)) return "it is not an object";
  if (value["version"] !== PLAN_VERSION) return `"version" is not ${PLAN_VERSION}`;
  for (const name of NUMBERS) {
    if (!isCount(value[name])) return `"${name}" is not a whole number from 0`;
  }
  const nodes = value["nodes"] as number;
  if (nodes < 1 || nodes > NODES_MAX) return `"nodes" is not from 1 to ${NODES_MAX}`;
  if ((value["zones"] as number) < 1) return `"zones" is not at least 1`;
  if (typeof value["profile"] !== "string") return `"profile" is not a text`;
  const isFormed = value["isFormed"] ?? false;
  if (typeof isFormed !== "boolean") return `"isFormed" is not true or false`;
  if (typeof value["push"] !== "boolean") return `"push" is not true or false`;
  if (!["lan", "wan", "local"].includes(value["preset"] as string)) {
    return `"preset" is not lan, wan or local`;
  }
  const { membership, network, workload, events } = value;
  if (!isObject(membership) || !Object.values(membership).every(isAmount)) {
    return `"membership" is not an object of numbers`;
  }
  const bounds = { nodes, zones: value["zones"] as number };
  return (
    faultOfNetwork(network) ??
    faultOfWorkload(workload) ??
    faultOfEvents(events, bounds) ??
    faultOfBroken(value["broken"], nodes)
  );
}

function faultOfBroken(value: unknown, nodes: number): string | undefined {
  if (value === undefined) return undefined;
  const isBroken = (each: unknown) =>
    isObject(each) &&
    isCount(each["node"]) &&
    (each["node"] as number) < nodes &&
    ["power", "pause", "cut", "deaf"].includes(each["how"] as string);
  if (!Array.isArray(value) || !value.every(isBroken)) return `"broken" is not a list of nodes`;
  return value.length * 2 >= nodes ? `"broken" leaves no majority` : undefined;
}

function faultOfNetwork(value: unknown): string | undefined {
  if (!isObject(value)) return `"network" is not an object`;
  for (const name of ["sameZone", "otherZone"]) {
    const road = value[name];
    const numbers: readonly (keyof RoadShape)[] = ["baseUs", "jitterUs", "loss", "bytesPerSecond"];
    if (!isObject(road) || !numbers.every((field) => isAmount(road[field]))) {
      return `"network.${name}" needs the numbers ${numbers.join(", ")}`;
    }
    const { jitter = "exponential" } = road;
    if (!(LATENCY_MODELS as readonly unknown[]).includes(jitter)) {
      return `"network.${name}.jitter" is none of ${LATENCY_MODELS.join(", ")}`;
    }
  }
  const { zoneDelayUs } = value;
  const isRow = (row: unknown) => Array.isArray(row) && row.every(isAmount);
  if (zoneDelayUs !== undefined && !(Array.isArray(zoneDelayUs) && zoneDelayUs.every(isRow))) {
    return `"network.zoneDelayUs" is not a table of numbers`;
  }
  const numbers = ["giveUpMs", "gossipLoss", "gossipDuplicates", "gossipLateMs"];
  const missing = numbers.find((name) => !isAmount(value[name]));
  return missing === undefined ? undefined : `"network.${missing}" is not a number from 0`;
}

function faultOfWorkload(value: unknown): string | undefined {
  if (!isObject(value)) return `"workload" is not an object`;
  const numbers = ["services", "instancesPerNode", "requestsPerSecond", "keyed", "unsafe"];
  for (const name of ["burstsPerSecond", "requestsPerBurst", "callsPerSecond"]) {
    if (value[name] !== undefined && !isAmount(value[name])) {
      return `"workload.${name}" is not a number from 0`;
    }
  }
  const missing = numbers.find((name) => !isAmount(value[name]));
  return missing === undefined ? undefined : `"workload.${missing}" is not a number from 0`;
}
