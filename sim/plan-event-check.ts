/** What each kind of event in a plan must say, and what is wrong with one that does not. */
import { isLabel } from "../core/names.ts";
import { BYZANTINE_BEHAVIOURS, type PlanEventKind } from "./plan-event.ts";
import * as values from "./plan-values.ts";
import {
  AMOUNT,
  COUNT,
  FLAG,
  oneOf,
  optional,
  type Rule,
  type Rules,
  SHARE,
} from "./plan-values.ts";

/** Of a clock: more would be another kind of broken machine, and at -1,000,000 it stands still. */
export const DRIFT_PPM_MAX = 100_000;
const STEP_MS_MAX = 1e12;

const LABEL: Rule = {
  what: `a name of a-z, 0-9 and "-", as services and instances have`,
  isMet: (value) => typeof value === "string" && isLabel(value),
};

interface Bounds {
  readonly nodes: number;
  readonly zones: number;
}

function rulesOf({ nodes, zones }: Bounds): Readonly<Record<PlanEventKind, Rules>> {
  const node = values.whole(0, nodes - 1);
  const some = values.listOf(node, 1);
  const aWhile = { node, forMs: COUNT };
  const pair = { node, other: node };
  const instance = { node, service: LABEL, id: LABEL };
  const resume = oneOf("timers", "io", "shuffled");
  const stepMs = values.whole(-STEP_MS_MAX, STEP_MS_MAX);
  const driftPpm = optional(values.whole(-DRIFT_PPM_MAX, DRIFT_PPM_MAX));
  return {
    crash: { ...aWhile, how: oneOf("kill", "power"), disk: oneOf("kept", "lost", "rolled back") },
    zone: { zone: values.whole(0, zones - 1), forMs: COUNT, how: oneOf("power", "cut") },
    join: { nodes: some },
    leave: { ...aWhile, version: values.TEXT },
    pause: { ...aWhile, resume },
    slow: { ...aWhile, costUs: COUNT },
    // A slice of no length would never end.
    starve: { ...aWhile, blockMs: COUNT, runMs: values.whole(1), costUs: COUNT, resume },
    overload: { ...aWhile, requestsPerSecond: AMOUNT },
    partition: { left: some, forMs: COUNT, oneWay: FLAG },
    road: {
      ...{ from: some, to: some, forMs: COUNT, clog: FLAG, loss: SHARE },
      ...{ delayMs: AMOUNT, jitterMs: AMOUNT, bytesPerSecond: COUNT },
      duplicates: optional(SHARE),
    },
    swizzle: { nodes: some, forMs: COUNT },
    reset: pair,
    "half-open": pair,
    swap: { ...pair, forMs: COUNT },
    clock: { node, stepMs, driftPpm },
    disk: { ...aWhile, mode: optional(oneOf("full", "slow", "torn")) },
    application: { ...aWhile, mode: oneOf("errors", "slow", "hangs") },
    byzantine: { ...aWhile, behaviour: oneOf(...BYZANTINE_BEHAVIOURS) },
    clone: aWhile,
    register: instance,
    deregister: instance,
  };
}

/** What is wrong with a list of events, and where; undefined if nothing. */
export function faultOfEvents(value: unknown, bounds: Bounds): string | undefined {
  if (!Array.isArray(value)) return `"events" is not a list`;
  const rules = rulesOf(bounds);
  for (const [at, event] of value.entries()) {
    if (!values.isObject(event)) return `events[${at}] is not an object`;
    const kind = event["kind"] as PlanEventKind;
    if (!Object.hasOwn(rules, kind)) {
      const known = Object.keys(rules).join(", ");
      return `events[${at}] has an unknown kind, ${JSON.stringify(kind)}; known are ${known}`;
    }
    const all = { kind: values.TEXT, atMs: COUNT, ...rules[kind] };
    const fault = values.faultOfFields(event, all);
    if (fault !== undefined) return `events[${at}] (${kind}): ${fault}`;
  }
  return undefined;
}
