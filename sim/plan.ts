/**
 * A plan is everything that a run depends on, as JSON: how many nodes, what the network is like,
 * what applications do, and each fault with its moment, its victims and its length. A run draws
 * nothing that is not in the plan or counted from its seed, so a plan can be kept, sent, shrunk and
 * run again.
 */
import { GrapevineError } from "../core/errors.ts";
import type { ResumeOrder } from "./engine/lane.ts";
import type { NetworkShape, RoadShape } from "./network/paths.ts";

export const PLAN_VERSION = 1;
const NODES_MAX = 20_000;

export type ByzantineBehaviour =
  | "garbage"
  | "replay"
  | "flood"
  | "accuse"
  | "equivocate"
  | "forge"
  | "withhold";

/** `atMs` counts from the moment when the last node has started to join. */
export type PlanEvent = {
  readonly atMs: number;
} /** The process dies, and starts again after `forMs` (0: only when everything is healed). */ & (
  | {
      readonly kind: "crash";
      readonly node: number;
      readonly forMs: number;
      /** "kill": the machine stays up and resets connections. "power": silence. */
      readonly how: "kill" | "power";
      /** "kept": what was synced. "lost": nothing but the key. */
      readonly disk: "kept" | "lost";
    }
  /** Leaves in order and starts again after `forMs`. */
  | {
      readonly kind: "leave";
      readonly node: number;
      readonly forMs: number;
      readonly version: string;
    }
  | {
      readonly kind: "pause";
      readonly node: number;
      readonly forMs: number;
      readonly resume: ResumeOrder;
    }
  /** Every event of the process takes this long. */
  | {
      readonly kind: "slow";
      readonly node: number;
      readonly forMs: number;
      readonly costUs: number;
    }
  /** It gets the processor for `runMs`, then not for `blockMs` on average, and so on. */
  | {
      readonly kind: "starve";
      readonly node: number;
      readonly forMs: number;
      readonly blockMs: number;
      readonly runMs: number;
      readonly resume: ResumeOrder;
    }
  /** Cuts `left` from all others; `oneWay`: only what it sends. */
  | {
      readonly kind: "partition";
      readonly left: readonly number[];
      readonly forMs: number;
      readonly oneWay: boolean;
    }
  | {
      readonly kind: "road";
      readonly from: readonly number[];
      readonly to: readonly number[];
      readonly forMs: number;
      readonly clog: boolean;
      readonly loss: number;
      readonly delayMs: number;
      readonly jitterMs: number;
      readonly bytesPerSecond: number;
    }
  | { readonly kind: "reset"; readonly node: number; readonly other: number }
  /** The wall clock is set by an operator. */
  | { readonly kind: "clock"; readonly node: number; readonly stepMs: number }
  /** Writes fail: nothing that needs the disk is acknowledged. */
  | { readonly kind: "disk"; readonly node: number; readonly forMs: number }
  /** The application on the node answers badly, slowly or not at all. */
  | {
      readonly kind: "application";
      readonly node: number;
      readonly forMs: number;
      readonly mode: "errors" | "slow" | "hangs";
    }
  | {
      readonly kind: "byzantine";
      readonly node: number;
      readonly forMs: number;
      readonly behaviour: ByzantineBehaviour;
    }
  /** A second process with the node's key, on another machine. */
  | { readonly kind: "clone"; readonly node: number; readonly forMs: number }
  | {
      readonly kind: "register";
      readonly node: number;
      readonly service: string;
      readonly id: string;
    }
  | {
      readonly kind: "deregister";
      readonly node: number;
      readonly service: string;
      readonly id: string;
    }
);
export type PlanEventKind = PlanEvent["kind"];

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
  /** Besides, so many times a second one busy node sends several at once, with one key. */
  readonly burstsPerSecond?: number;
}

export interface Plan {
  readonly version: number;
  readonly seed: number;
  readonly profile: string;
  readonly nodes: number;
  readonly zones: number;
  /** Nodes start one after another over this time; 0: all at once. */
  readonly joinMs: number;
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
  if (typeof value["push"] !== "boolean") return `"push" is not true or false`;
  if (!["lan", "wan", "local"].includes(value["preset"] as string)) {
    return `"preset" is not lan, wan or local`;
  }
  const { membership, network, workload, events } = value;
  if (!isObject(membership) || !Object.values(membership).every(isAmount)) {
    return `"membership" is not an object of numbers`;
  }
  return faultOfNetwork(network) ?? faultOfWorkload(workload) ?? faultOfEvents(events, nodes);
}

function faultOfNetwork(value: unknown): string | undefined {
  if (!isObject(value)) return `"network" is not an object`;
  for (const name of ["sameZone", "otherZone"]) {
    const road = value[name];
    const numbers: readonly (keyof RoadShape)[] = ["baseUs", "jitterUs", "loss", "bytesPerSecond"];
    if (!isObject(road) || !numbers.every((field) => isAmount(road[field]))) {
      return `"network.${name}" needs the numbers ${numbers.join(", ")}`;
    }
  }
  const numbers = ["giveUpMs", "gossipLoss", "gossipDuplicates", "gossipLateMs"];
  const missing = numbers.find((name) => !isAmount(value[name]));
  return missing === undefined ? undefined : `"network.${missing}" is not a number from 0`;
}

function faultOfWorkload(value: unknown): string | undefined {
  if (!isObject(value)) return `"workload" is not an object`;
  const numbers = ["services", "instancesPerNode", "requestsPerSecond", "keyed", "unsafe"];
  const bursts = value["burstsPerSecond"];
  if (bursts !== undefined && !isAmount(bursts))
    return `"workload.burstsPerSecond" is not a number`;
  const missing = numbers.find((name) => !isAmount(value[name]));
  return missing === undefined ? undefined : `"workload.${missing}" is not a number from 0`;
}

type Check = (value: unknown, nodes: number) => boolean;
const isNode: Check = (value, nodes) => isCount(value) && (value as number) < nodes;
const isNodes: Check = (value, nodes) =>
  Array.isArray(value) && value.length > 0 && value.every((each) => isNode(each, nodes));
const isText: Check = (value) => typeof value === "string" && value.length > 0;
const isFlag: Check = (value) => typeof value === "boolean";

function oneOf(...words: readonly string[]): Check {
  return (value) => words.includes(value as string);
}

const EVENT_FIELDS: Readonly<Record<PlanEventKind, Readonly<Record<string, Check>>>> = {
  crash: { node: isNode, forMs: isCount, how: oneOf("kill", "power"), disk: oneOf("kept", "lost") },
  leave: { node: isNode, forMs: isCount, version: isText },
  pause: { node: isNode, forMs: isCount, resume: oneOf("timers", "io", "shuffled") },
  slow: { node: isNode, forMs: isCount, costUs: isCount },
  starve: {
    ...{ node: isNode, forMs: isCount, blockMs: isCount, runMs: isCount },
    resume: oneOf("timers", "io", "shuffled"),
  },
  partition: { left: isNodes, forMs: isCount, oneWay: isFlag },
  road: {
    ...{ from: isNodes, to: isNodes, forMs: isCount, clog: isFlag, loss: isShare },
    ...{ delayMs: isAmount, jitterMs: isAmount, bytesPerSecond: isCount },
  },
  reset: { node: isNode, other: isNode },
  clock: { node: isNode, stepMs: isWhole },
  disk: { node: isNode, forMs: isCount },
  application: { node: isNode, forMs: isCount, mode: oneOf("errors", "slow", "hangs") },
  byzantine: {
    ...{ node: isNode, forMs: isCount },
    behaviour: oneOf("garbage", "replay", "flood", "accuse", "equivocate", "forge", "withhold"),
  },
  clone: { node: isNode, forMs: isCount },
  register: { node: isNode, service: isText, id: isText },
  deregister: { node: isNode, service: isText, id: isText },
};

function faultOfEvents(value: unknown, nodes: number): string | undefined {
  if (!Array.isArray(value)) return `"events" is not a list`;
  for (const [at, event] of value.entries()) {
    if (!isObject(event)) return `events[${at}] is not an object`;
    const kind = event["kind"] as PlanEventKind;
    const fields = Object.hasOwn(EVENT_FIELDS, kind) ? EVENT_FIELDS[kind] : undefined;
    if (fields === undefined) return `events[${at}] has an unknown kind`;
    const checks: Readonly<Record<string, Check>> = { atMs: isCount, ...fields };
    for (const [name, check] of Object.entries(checks)) {
      if (!check(event[name], nodes)) return `events[${at}] (${kind}): "${name}" is not valid`;
    }
  }
  return undefined;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isAmount(value: unknown): boolean {
  return typeof value === "number" && Number.isFinite(value) && value >= 0;
}

function isShare(value: unknown): boolean {
  return isAmount(value) && (value as number) <= 1;
}

function isWhole(value: unknown): boolean {
  return Number.isSafeInteger(value);
}

function isCount(value: unknown): boolean {
  return isWhole(value) && (value as number) >= 0;
}
