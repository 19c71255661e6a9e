/**
 * Draws a plan from a profile and a seed (swarm testing, Groce et al. 2012): which kinds of faults
 * occur, how often and how badly, what the network is like, and some of the protocol's own
 * parameters are drawn, too, so that correctness never comes to rest on one lucky setting.
 */
import { GrapevineError } from "../core/errors.ts";
import { Draws } from "./engine/draws.ts";
import type { NetworkShape, RoadShape } from "./network/paths.ts";
import { PLAN_VERSION, type Plan, type PlanEvent, type PlanEventKind } from "./plan.ts";

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

export interface ProfileChoice {
  readonly profile: string;
  readonly seed: number;
  /** Undefined leaves it to the profile. */
  readonly nodes: number | undefined;
  readonly minutes: number | undefined;
}

interface Recipe {
  readonly nodes: number;
  readonly minutes: number;
  readonly zones: number;
  readonly isWide: boolean;
  /** Kinds of faults with how many a minute to expect, at 32 nodes. */
  readonly rates: Partial<Record<PlanEventKind, number>>;
  readonly clockOffsetMs: number;
  readonly clockDriftPpm: number;
}

const QUIET: Recipe = {
  ...{ nodes: 32, minutes: 5, zones: 3, isWide: false, clockOffsetMs: 50, clockDriftPpm: 20 },
  rates: { register: 4, deregister: 2 },
};

const RECIPES: Readonly<Record<Profile, Recipe>> = {
  calm: { ...QUIET },
  wan: { ...QUIET, isWide: true, rates: { ...QUIET.rates, road: 2, reset: 2 } },
  gray: {
    ...QUIET,
    rates: {
      ...{ ...QUIET.rates, slow: 2, road: 4, pause: 3, application: 3, disk: 1, starve: 1 },
      crash: 1,
    },
  },
  partition: { ...QUIET, rates: { ...QUIET.rates, partition: 2, road: 1, reset: 2 } },
  crash: { ...QUIET, rates: { ...QUIET.rates, crash: 6, leave: 1 } },
  upgrade: { ...QUIET, rates: { ...QUIET.rates, leave: 6, crash: 0.5 } },
  clock: {
    ...QUIET,
    ...{ clockOffsetMs: 120_000, clockDriftPpm: 500 },
    rates: { ...QUIET.rates, clock: 4, crash: 2, pause: 1 },
  },
  byzantine: { ...QUIET, rates: { ...QUIET.rates, byzantine: 2, clone: 0.5, crash: 1 } },
  large: { ...QUIET, nodes: 256, minutes: 2, rates: { register: 2, crash: 1, pause: 0.5 } },
  mixed: {
    ...QUIET,
    rates: {
      ...{ register: 4, deregister: 2, crash: 2, leave: 1, pause: 1.5, slow: 1, partition: 0.7 },
      ...{ road: 1.5, reset: 1.5, clock: 0.7, disk: 0.5, application: 1 },
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
  return {
    ...{ version: PLAN_VERSION, seed, profile, nodes },
    zones: Math.min(nodes, recipe.zones),
    joinMs: draws.chance(0.3) ? 2_000 : Math.min(60_000, 5_000 + nodes * 50),
    virtualMs,
    convergeMs: isLarge ? 180_000 : 120_000,
    preset: recipe.isWide ? "wan" : "lan",
    membership: drawParameters(draws, profile),
    push: !draws.chance(0.1),
    // Where wall clocks jump by an hour, a short lease makes them matter.
    leaseMs: (profile === "clock" && draws.chance(0.5) ? 0.5 : 12) * 3_600_000,
    network: drawNetwork(draws, recipe.isWide, profile === "calm"),
    clockOffsetMs: recipe.clockOffsetMs,
    clockDriftPpm: recipe.clockDriftPpm,
    workload: {
      ...{ instancesPerNode: 2, keyed: 0.5, unsafe: 0.3 },
      services: Math.max(8, Math.floor(nodes / 8)),
      requestsPerSecond: draws.pick([2, 5, 10]),
      burstsPerSecond: profile === "calm" || nodes > 64 ? 0 : draws.pick([0, 1, 3]),
    },
    events: drawEvents(draws, recipe, nodes, virtualMs),
  };
}

function isProfile(name: string): name is Profile {
  return (PROFILES as readonly string[]).includes(name);
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

function drawNetwork(draws: Draws, isWide: boolean, isCalm: boolean): NetworkShape {
  const sameZone: RoadShape = {
    ...{ baseUs: draws.between(80, 400), jitterUs: draws.between(20, 200), bytesPerSecond: 0 },
    loss: isCalm ? 0 : draws.pick([0, 0, 0.0005, 0.002]),
  };
  const otherZone: RoadShape = isWide
    ? {
        ...{ baseUs: draws.between(10_000, 90_000), jitterUs: draws.between(500, 8_000) },
        ...{ loss: draws.pick([0, 0.001, 0.01]), bytesPerSecond: 12_500_000 },
      }
    : { ...sameZone, baseUs: draws.between(300, 1_500), jitterUs: draws.between(50, 500) };
  return {
    ...{ sameZone, otherZone },
    giveUpMs: draws.pick([20_000, 120_000, 900_000]),
    gossipLoss: isCalm ? 0 : draws.pick([0, 0.01, 0.1]),
    gossipDuplicates: draws.pick([0, 0.05]),
    gossipLateMs: draws.pick([0, 5, 100]),
  };
}

function drawEvents(draws: Draws, recipe: Recipe, nodes: number, virtualMs: number): PlanEvent[] {
  const events: PlanEvent[] = [];
  const minutes = virtualMs / 60_000;
  const ids = { next: 0, registered: [] as { node: number; service: string; id: string }[] };
  for (const [kind, rate] of Object.entries(recipe.rates) as [PlanEventKind, number][]) {
    // The severity of each kind is the seed's: some runs have none of it, some much.
    const isLoad = kind === "register" || kind === "deregister";
    const share = isLoad ? 1 : draws.pick([0, 0.5, 1, 1, 2]);
    const expected = rate * share * minutes * Math.max(1, Math.min(4, nodes / 32));
    const count = Math.floor(expected) + (draws.chance(expected % 1) ? 1 : 0);
    for (let made = 0; made < count; made += 1) {
      const atMs = draws.between(0, Math.max(0, virtualMs - 1_000));
      const event = drawEvent(draws, kind, atMs, nodes, ids);
      if (event !== undefined) events.push(...repeated(draws, event, virtualMs));
    }
  }
  return events.sort((one, other) => one.atMs - other.atMs);
}

/** Now and then a partition comes and goes, and an application registers in a storm. */
function repeated(draws: Draws, event: PlanEvent, virtualMs: number): readonly PlanEvent[] {
  const { kind, atMs } = event;
  if (kind !== "partition" && kind !== "register") return [event];
  if (!draws.chance(0.15)) return [event];
  const everyMs = kind === "partition" ? draws.between(10_000, 25_000) : 100;
  const times = kind === "partition" ? draws.between(5, 9) : 30;
  const startMs = Math.min(atMs, Math.max(0, virtualMs - times * everyMs));
  return Array.from({ length: times }, (_, at): PlanEvent => {
    const when = { atMs: startMs + at * everyMs };
    if (event.kind === "partition") return { ...event, ...when, forMs: Math.floor(everyMs * 0.8) };
    return event.kind === "register" ? { ...event, ...when, id: `${event.id}-${at}` } : event;
  });
}

interface Ids {
  next: number;
  readonly registered: { readonly node: number; readonly service: string; readonly id: string }[];
}

function drawEvent(
  draws: Draws,
  kind: PlanEventKind,
  atMs: number,
  nodes: number,
  ids: Ids,
): PlanEvent | undefined {
  const node = draws.between(0, nodes - 1);
  const forMs = draws.pick([500, 2_000, 5_000, 10_000, 20_000, 45_000]);
  switch (kind) {
    case "crash": {
      const how = draws.pick(["kill", "kill", "power"] as const);
      const disk = draws.chance(0.15) ? "lost" : "kept";
      return { atMs, kind, node, forMs: draws.pick([500, forMs, 60_000, 0]), how, disk };
    }
    case "leave":
      return { atMs, kind, node, forMs: 2_000 + forMs, version: draws.pick(["0.1.0", "0.2.0"]) };
    case "pause":
      return {
        atMs,
        kind,
        node,
        forMs,
        resume: draws.pick(["timers", "timers", "io", "shuffled"]),
      };
    case "slow":
      return { atMs, kind, node, forMs, costUs: draws.pick([500, 3_000, 20_000]) };
    case "starve":
      return {
        ...{ atMs, kind, node, forMs, blockMs: draws.pick([300, 2_000, 6_000]) },
        ...{ runMs: draws.pick([20, 200]), resume: draws.pick(["timers", "io", "shuffled"]) },
      };
    case "partition":
      return drawPartition(draws, atMs, nodes);
    case "road":
      return drawRoad(draws, atMs, nodes);
    case "reset":
      return { atMs, kind, node, other: (node + draws.between(1, nodes)) % nodes };
    case "clock":
      return {
        atMs,
        kind,
        node,
        stepMs: draws.pick([-3_600_000, -60_000, -500, 500, 60_000, 3_600_000]),
      };
    case "disk":
      return { atMs, kind, node, forMs };
    case "application":
      return { atMs, kind, node, forMs, mode: draws.pick(["errors", "slow", "hangs"]) };
    case "byzantine": {
      const behaviour = draws.pick([
        "garbage",
        "replay",
        "flood",
        "accuse",
        "equivocate",
        "forge",
        "withhold",
      ] as const);
      return { atMs, kind, node, forMs, behaviour };
    }
    case "clone":
      return { atMs, kind, node, forMs };
    case "register":
    case "deregister":
      return drawRegistration(draws, kind, atMs, node, ids);
  }
}

function drawRegistration(
  draws: Draws,
  kind: "register" | "deregister",
  atMs: number,
  node: number,
  ids: Ids,
): PlanEvent | undefined {
  if (kind === "deregister") {
    return ids.registered.length === 0 ? undefined : { atMs, kind, ...draws.pick(ids.registered) };
  }
  ids.next += 1;
  const made = { node, service: `s${draws.between(0, 7)}`, id: `x${ids.next}` };
  ids.registered.push(made);
  return { atMs, kind, ...made };
}

function drawPartition(draws: Draws, atMs: number, nodes: number): PlanEvent | undefined {
  if (nodes < 2) return undefined;
  const size = draws.chance(0.4) ? 1 : draws.between(1, Math.max(1, Math.floor(nodes / 2)));
  const forMs = draws.pick([2_000, 8_000, 20_000, 40_000, 60_000]);
  const left = draws.distinct(size, nodes);
  return { atMs, kind: "partition", left, forMs, oneWay: draws.chance(0.3) };
}

function drawRoad(draws: Draws, atMs: number, nodes: number): PlanEvent {
  const from = draws.distinct(draws.between(1, Math.max(1, Math.floor(nodes / 8))), nodes);
  const to = draws.distinct(draws.between(1, Math.max(1, Math.floor(nodes / 2))), nodes);
  const forMs = draws.pick([2_000, 10_000, 30_000, 60_000]);
  const none = { clog: false, loss: 0, delayMs: 0, jitterMs: 0, bytesPerSecond: 0 };
  const what = draws.pick([
    { clog: true },
    { loss: 0.1 },
    { loss: 0.4 },
    { loss: 0.8 },
    { delayMs: 200, jitterMs: 200 },
    { delayMs: 1_500, jitterMs: 500 },
    { bytesPerSecond: 20_000 },
  ]);
  return { atMs, kind: "road", from, to, forMs, ...none, ...what };
}
