/**
 * Draws a plan from a profile and a seed (swarm testing, Groce et al. 2012): which kinds of faults
 * occur, how often and how badly, what the network is like, and some of the protocol's own
 * parameters are drawn, too, so that correctness never comes to rest on one lucky setting.
 */
import { GrapevineError } from "../core/errors.ts";
import { drawEvents, drawRollingRestart, type Shape } from "./draw-events.ts";
import { Draws } from "./engine/draws.ts";
import { delaysBetween, LATENCY_MODELS, REGIONS } from "./network/latency.ts";
import type { NetworkShape, RoadShape } from "./network/paths.ts";
import { type Broken, PLAN_VERSION, type Plan, type PlanEvent } from "./plan.ts";

export const PROFILES = [
  "calm",
  "wan",
  "gray",
  "partition",
  "crash",
  "upgrade",
  "clock",
  "byzantine",
  "large",
  "mixed",
] as const;
export type Profile = (typeof PROFILES)[number];

/** A mesh of so many nodes begins formed, and few of them send requests: each caller's view is its own. */
const FORMED_NODES_MIN = 2_500;
const FORMED_CALLERS = 16;
const CALLING_NODES_MAX = 128;
const FORMED_CONNECT_MS = 10_000;

export interface ProfileChoice {
  readonly profile: string;
  readonly seed: number;
  /** Undefined leaves it to the profile. */
  readonly nodes: number | undefined;
  readonly minutes: number | undefined;
}

interface Recipe extends Pick<Shape, "rates" | "zones"> {
  readonly nodes: number;
  readonly minutes: number;
  readonly isWide: boolean;
  readonly clockOffsetMs: number;
  readonly clockDriftPpm: number;
  /** The share of seeds in which all nodes restart, one after another. */
  readonly rolling: number;
}

const QUIET: Recipe = {
  ...{ nodes: 32, minutes: 5, zones: 3, isWide: false, clockOffsetMs: 50, clockDriftPpm: 20 },
  rolling: 0,
  rates: { register: 4, deregister: 2 },
};

const RECIPES: Readonly<Record<Profile, Recipe>> = {
  calm: { ...QUIET },
  wan: {
    ...QUIET,
    isWide: true,
    rates: { ...QUIET.rates, road: 2, reset: 2, "half-open": 1, zone: 0.2 },
  },
  gray: {
    ...QUIET,
    rates: {
      ...{ ...QUIET.rates, slow: 2, road: 4, pause: 3, application: 3, disk: 1, starve: 1 },
      ...{ crash: 1, overload: 0.7, swizzle: 0.5 },
    },
  },
  partition: {
    ...QUIET,
    rates: {
      ...{ ...QUIET.rates, partition: 2, road: 1, reset: 2 },
      ...{ "half-open": 1, swizzle: 0.5, zone: 0.3 },
    },
  },
  crash: {
    ...QUIET,
    rates: { ...QUIET.rates, crash: 6, leave: 1, zone: 0.3, join: 0.3, swap: 0.5 },
  },
  upgrade: { ...QUIET, rolling: 0.5, rates: { ...QUIET.rates, leave: 6, crash: 0.5 } },
  clock: {
    ...QUIET,
    ...{ clockOffsetMs: 120_000, clockDriftPpm: 500 },
    rates: { ...QUIET.rates, clock: 4, crash: 2, pause: 1 },
  },
  byzantine: { ...QUIET, rates: { ...QUIET.rates, byzantine: 2, clone: 0.5, crash: 1 } },
  large: {
    ...{ ...QUIET, nodes: 256, minutes: 2 },
    rates: { register: 2, crash: 1, pause: 0.5, zone: 0.2, join: 0.3, "half-open": 0.5 },
  },
  mixed: {
    ...QUIET,
    rates: {
      ...{ register: 4, deregister: 2, crash: 2, leave: 1, pause: 1.5, slow: 1, partition: 0.7 },
      ...{ road: 1.5, reset: 1.5, clock: 0.7, disk: 0.5, application: 1 },
      ...{ "half-open": 0.5, swizzle: 0.3, zone: 0.1, join: 0.2, overload: 0.3, starve: 0.5 },
    },
  },
};

/** Throws `invalid_argument` for an unknown profile. */
export function drawPlan(choice: ProfileChoice): Plan {
  const { profile, seed } = choice;
  if (!isProfile(profile)) {
    throw new GrapevineError(
      "invalid_argument",
      `there is no profile "${profile}"; the profiles are ${PROFILES.join(", ")}`,
    );
  }
  const recipe = RECIPES[profile];
  const draws = new Draws(seed, 0x91a2);
  const nodes = choice.nodes ?? recipe.nodes;
  const virtualMs = Math.round((choice.minutes ?? recipe.minutes) * 60_000);
  const isLarge = nodes >= 500;
  const isFormed = nodes >= FORMED_NODES_MIN;
  const joinMs = draws.chance(0.3) ? 2_000 : Math.min(60_000, 5_000 + nodes * 50);
  const late = new Draws(seed, 0x1a7e);
  const shape = { nodes, zones: Math.min(nodes, recipe.zones), virtualMs, rates: recipe.rates };
  const rolling = late.chance(recipe.rolling) ? drawRollingRestart(late, shape) : [];
  const isCalm = profile === "calm";
  return {
    ...{ version: PLAN_VERSION, seed, profile, nodes },
    zones: shape.zones,
    ...(isFormed ? { isFormed, joinMs: FORMED_CONNECT_MS } : { joinMs }),
    virtualMs,
    convergeMs: isLarge ? 180_000 : 120_000,
    preset: recipe.isWide ? "wan" : "lan",
    membership: drawParameters(draws, profile),
    push: !draws.chance(0.1),
    // Where wall clocks jump by an hour, a short lease makes them matter.
    leaseMs: (profile === "clock" && draws.chance(0.5) ? 0.5 : 12) * 3_600_000,
    network: drawNetwork(draws, late, recipe, isCalm),
    clockOffsetMs: recipe.clockOffsetMs,
    clockDriftPpm: recipe.clockDriftPpm,
    workload: {
      ...{ instancesPerNode: 2, keyed: 0.5, unsafe: 0.3 },
      services: Math.max(8, Math.floor(nodes / 8)),
      requestsPerSecond: draws.pick([2, 5, 10]),
      burstsPerSecond: isCalm || nodes > 64 ? 0 : draws.pick([0, 1, 3]),
      ...drawBurstSize(seed),
      // Each host of actors follows every view: in large meshes of a simulation that is most of the work.
      callsPerSecond: nodes > CALLING_NODES_MAX ? 0 : late.pick([0, 2, 5]),
      ...(isFormed ? { callers: FORMED_CALLERS } : {}),
    },
    events: sorted([...drawEvents(draws, late, shape), ...rolling]),
    broken: isCalm ? [] : drawBroken(late, nodes),
  };
}

function isProfile(name: string): name is Profile {
  return (PROFILES as readonly string[]).includes(name);
}

/** Some callers are so busy that only the budget of repeats keeps a stall from doubling their load. */
function drawBurstSize(seed: number): { requestsPerBurst?: number } {
  return new Draws(seed, 0xb512e).chance(0.25) ? { requestsPerBurst: 100 } : {};
}

function drawParameters(draws: Draws, profile: Profile): Record<string, number> {
  if (profile === "calm" || draws.chance(0.5)) return {};
  return {
    observers: draws.between(5, 10),
    indirectProbes: draws.between(2, 4),
    gossipFanout: draws.between(3, 5),
    fullMeshMax: draws.pick([4, 16, 32]),
    randomLinks: draws.between(2, 5),
  };
}

function drawNetwork(
  draws: Draws,
  late: Draws,
  { isWide, zones }: Recipe,
  isCalm: boolean,
): NetworkShape {
  const sameZone: RoadShape = {
    ...{ baseUs: draws.between(80, 400), jitterUs: draws.between(20, 200), bytesPerSecond: 0 },
    loss: isCalm ? 0 : draws.pick([0, 0, 0.0005, 0.002]),
    jitter: late.pick(LATENCY_MODELS),
  };
  const otherZone: RoadShape = isWide
    ? {
        ...{ baseUs: draws.between(10_000, 90_000), jitterUs: draws.between(500, 8_000) },
        ...{
          loss: draws.pick([0, 0.001, 0.01]),
          bytesPerSecond: late.pick([12_500_000, 1_000_000]),
        },
        jitter: late.pick(LATENCY_MODELS),
      }
    : { ...sameZone, baseUs: draws.between(300, 1_500), jitterUs: draws.between(50, 500) };
  const places = late.distinct(zones, REGIONS.length);
  const isGeographic = isWide && late.chance(0.5);
  return {
    ...{ sameZone, otherZone },
    ...(isGeographic ? { zoneDelayUs: delaysBetween(places, () => late.float() * 0.3) } : {}),
    giveUpMs: draws.pick([20_000, 120_000, 900_000]),
    gossipLoss: isCalm ? 0 : draws.pick([0, 0.01, 0.1]),
    gossipDuplicates: draws.pick([0, 0.05]),
    gossipLateMs: draws.pick([0, 5, 100]),
  };
}

/** In some runs a few machines never come right. */
function drawBroken(late: Draws, nodes: number): Broken[] {
  if (nodes < 5 || !late.chance(0.3)) return [];
  const count = late.between(1, Math.max(1, Math.floor(nodes / 8)));
  return late
    .distinct(count, nodes)
    .map((node) => ({ node, how: late.pick(["power", "pause", "cut", "deaf"]) }));
}

function sorted(events: readonly PlanEvent[]): PlanEvent[] {
  return [...events].sort((one, other) => one.atMs - other.atMs);
}
