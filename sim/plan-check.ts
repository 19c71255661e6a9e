/**
 * Whether a file holds a plan. A field that nobody knows is refused as well: it is most often a known
 * one misspelt, and a run without the fault that its author meant would prove something else.
 */
import { MEMBERSHIP_PRESETS } from "../membership/config.ts";
import { LATENCY_MODELS } from "./network/latency.ts";
import { DRIFT_PPM_MAX, faultOfEvents } from "./plan-event-check.ts";
import * as values from "./plan-values.ts";
import { AMOUNT, COUNT, optional, type Rule, type Rules, SHARE } from "./plan-values.ts";

export const PLAN_VERSION = 1;
const NODES_MAX = 20_000;
const INSTANCES_MAX = 1_000;
/** Owners renew within a third of it: below this a mesh does nothing else. */
const LEASE_MS_MIN = 10_000;

/** Looked at more closely where it is read. */
const OBJECT: Rule = { what: "an object", isMet: values.isObject };
const LIST: Rule = { what: "a list", isMet: Array.isArray };
const ANY_TEXT: Rule = { what: "a text", isMet: (value) => typeof value === "string" };

const PLAN: Rules = {
  version: values.whole(PLAN_VERSION, PLAN_VERSION),
  seed: COUNT,
  profile: ANY_TEXT,
  nodes: values.whole(1, NODES_MAX),
  zones: values.whole(1),
  joinMs: COUNT,
  isFormed: optional(values.FLAG),
  virtualMs: COUNT,
  convergeMs: COUNT,
  preset: values.oneOf(...Object.keys(MEMBERSHIP_PRESETS)),
  membership: OBJECT,
  push: values.FLAG,
  leaseMs: values.whole(LEASE_MS_MIN),
  network: OBJECT,
  clockOffsetMs: COUNT,
  clockDriftPpm: values.whole(0, DRIFT_PPM_MAX),
  workload: OBJECT,
  events: LIST,
  broken: optional(LIST),
};

const ROAD: Rules = {
  ...{ baseUs: AMOUNT, jitterUs: AMOUNT, loss: SHARE, bytesPerSecond: AMOUNT },
  jitter: optional(values.oneOf(...LATENCY_MODELS)),
};

const WORKLOAD: Rules = {
  services: COUNT,
  instancesPerNode: values.whole(0, INSTANCES_MAX),
  requestsPerSecond: AMOUNT,
  ...{ keyed: SHARE, unsafe: SHARE },
  callers: optional(values.whole(1)),
  burstsPerSecond: optional(AMOUNT),
  requestsPerBurst: optional(values.whole(1)),
  callsPerSecond: optional(AMOUNT),
};

/** What is wrong with it; undefined if it is a plan. */
export function faultOfPlan(value: unknown): string | undefined {
  if (!values.isObject(value)) return "it is not an object";
  if (value["version"] !== PLAN_VERSION) return `"version" is not ${PLAN_VERSION}`;
  const fault = values.faultOfFields(value, PLAN);
  if (fault !== undefined) return fault;
  const bounds = { nodes: value["nodes"] as number, zones: value["zones"] as number };
  return (
    values.faultOfFields(value["membership"], membershipRules(), "membership.") ??
    faultOfNetwork(value["network"], bounds.zones) ??
    values.faultOfFields(value["workload"], WORKLOAD, "workload.") ??
    faultOfEvents(value["events"], bounds) ??
    faultOfBroken(value["broken"] ?? [], bounds.nodes)
  );
}

function membershipRules(): Rules {
  const names = Object.keys(MEMBERSHIP_PRESETS.lan);
  return Object.fromEntries(names.map((name) => [name, optional(AMOUNT)]));
}

function faultOfNetwork(value: unknown, zones: number): string | undefined {
  const isTable = (table: unknown) =>
    Array.isArray(table) &&
    table.length >= zones &&
    table.every((row) => values.listOf(AMOUNT, zones).isMet(row));
  const zoneDelayUs = { what: `a table of ${zones} × ${zones} numbers from 0`, isMet: isTable };
  const rules: Rules = {
    ...{ sameZone: OBJECT, otherZone: OBJECT, zoneDelayUs: optional(zoneDelayUs) },
    ...{ giveUpMs: AMOUNT, gossipLoss: SHARE, gossipDuplicates: SHARE, gossipLateMs: AMOUNT },
  };
  const fault = values.faultOfFields(value, rules, "network.");
  if (fault !== undefined) return fault;
  const { sameZone, otherZone } = value as Record<string, unknown>;
  return (
    values.faultOfFields(sameZone, ROAD, "network.sameZone.") ??
    values.faultOfFields(otherZone, ROAD, "network.otherZone.")
  );
}

function faultOfBroken(value: unknown, nodes: number): string | undefined {
  const list = value as readonly unknown[];
  const rules: Rules = {
    node: values.whole(0, nodes - 1),
    how: values.oneOf("power", "pause", "cut", "deaf"),
  };
  for (const [at, each] of list.entries()) {
    const fault = values.faultOfFields(each, rules, `broken[${at}].`);
    if (fault !== undefined) return fault;
  }
  return list.length > 0 && list.length * 2 >= nodes ? `"broken" leaves no majority` : undefined;
}
