/**
 * Draws the faults of a plan: how many of each kind, when, whom they strike and how badly. Kinds that
 * came later draw from a stream of their own, so that the plan of a seed keeps the faults it had.
 */
import type { Draws } from "./engine/draws.ts";
import { BYZANTINE_BEHAVIOURS, type PlanEvent, type PlanEventKind } from "./plan-event.ts";

export interface Shape {
  readonly nodes: number;
  readonly zones: number;
  readonly virtualMs: number;
  /** Kinds of faults with how many a minute to expect, at 32 nodes. */
  readonly rates: Partial<Record<PlanEventKind, number>>;
}

export function drawEvents(draws: Draws, late: Draws, shape: Shape): PlanEvent[] {
  const { nodes, virtualMs, rates } = shape;
  const events: PlanEvent[] = [];
  const minutes = virtualMs / 60_000;
  const ids = { next: 0, registered: [] as { node: number; service: string; id: string }[] };
  for (const [kind, rate] of Object.entries(rates) as [PlanEventKind, number][]) {
    // The severity of each kind is the seed's: some runs have none of it, some much.
    const isLoad = kind === "register" || kind === "deregister";
    const share = isLoad ? 1 : draws.pick([0, 0.5, 1, 1, 2]);
    const expected = rate * share * minutes * Math.max(1, Math.min(4, nodes / 32));
    const count = Math.floor(expected) + (draws.chance(expected % 1) ? 1 : 0);
    for (let made = 0; made < count; made += 1) {
      const atMs = draws.between(0, Math.max(0, virtualMs - 1_000));
      const event = drawEvent(draws, late, kind, atMs, shape, ids);
      if (event !== undefined) events.push(...repeated(draws, late, event, shape));
    }
  }
  return events.sort((one, other) => one.atMs - other.atMs);
}

/** Now and then a partition comes and goes, and an application registers in a storm. */
function repeated(
  draws: Draws,
  late: Draws,
  event: PlanEvent,
  { nodes, virtualMs }: Shape,
): readonly PlanEvent[] {
  const { kind, atMs } = event;
  if (kind === "road" && late.chance(0.15)) return lossy(late, atMs, nodes);
  if (event.kind === "clock" && late.chance(0.3)) {
    // A machine whose clock is lost is often one that loses its power.
    const power = { kind: "crash", node: event.node, how: "power", disk: "kept" } as const;
    return [event, { ...power, atMs: atMs + late.between(500, 20_000), forMs: 5_000 }];
  }
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

/** One member loses most of what it sends and gets, for long: Rapid's experiment (its figure 10). */
function lossy(late: Draws, atMs: number, nodes: number): readonly PlanEvent[] {
  const one = late.between(0, nodes - 1);
  const others = Array.from({ length: nodes }, (_, node) => node).filter((node) => node !== one);
  if (others.length === 0) return [];
  const loss = { clog: false, loss: 0.8, delayMs: 0, jitterMs: 0, bytesPerSecond: 0 };
  const road = { atMs, kind: "road", forMs: 150_000, ...loss } as const;
  return [
    { ...road, from: [one], to: others },
    { ...road, from: others, to: [one] },
  ];
}

interface Ids {
  next: number;
  readonly registered: { readonly node: number; readonly service: string; readonly id: string }[];
}

function drawEvent(
  draws: Draws,
  late: Draws,
  kind: PlanEventKind,
  atMs: number,
  shape: Shape,
  ids: Ids,
): PlanEvent | undefined {
  const { nodes } = shape;
  const node = draws.between(0, nodes - 1);
  const forMs = draws.pick([500, 2_000, 5_000, 10_000, 20_000, 45_000]);
  switch (kind) {
    case "crash": {
      const how = draws.pick(["kill", "kill", "power"] as const);
      const fate = draws.float();
      const disk = fate < 0.15 ? "lost" : fate < 0.25 ? "rolled back" : "kept";
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
        // What events cost on a slow machine is the business of "slow".
        ...{ runMs: draws.pick([20, 200]), costUs: 0 },
        resume: draws.pick(["timers", "io", "shuffled"]),
      };
    case "partition":
      return drawPartition(draws, atMs, nodes);
    case "road":
      return drawRoad(draws, atMs, nodes);
    case "reset":
      return { atMs, kind, node, other: (node + draws.between(1, nodes)) % nodes };
    case "clock": {
      const stepMs = draws.pick([-3_600_000, -60_000, -500, 500, 60_000, 3_600_000]);
      const drift = late.chance(0.3) ? { driftPpm: late.pick([-5_000, -200, 200, 5_000]) } : {};
      return { atMs, kind, node, stepMs, ...drift };
    }
    case "disk":
      return { atMs, kind, node, forMs, mode: late.pick(["full", "slow", "torn"]) };
    case "application":
      return { atMs, kind, node, forMs, mode: draws.pick(["errors", "slow", "hangs"]) };
    case "byzantine":
      return { atMs, kind, node, forMs, behaviour: draws.pick(BYZANTINE_BEHAVIOURS) };
    case "clone":
      return { atMs, kind, node, forMs };
    case "register":
    case "deregister":
      return drawRegistration(draws, kind, atMs, node, ids);
    default:
      return drawLate(draws, late, kind, atMs, node, shape);
  }
}

function drawLate(
  draws: Draws,
  late: Draws,
  kind: "half-open" | "overload" | "zone" | "swizzle" | "join" | "swap",
  atMs: number,
  node: number,
  { nodes, zones }: Shape,
): PlanEvent {
  const forMs = late.pick([2_000, 10_000, 20_000, 45_000]);
  switch (kind) {
    case "half-open":
      return { atMs, kind, node, other: (node + draws.between(1, nodes)) % nodes };
    case "swap":
      return { atMs, kind, node, other: (node + draws.between(1, nodes)) % nodes, forMs };
    case "overload":
      return { atMs, kind, node, forMs, requestsPerSecond: late.pick([50, 200]) };
    case "zone":
      return {
        atMs,
        kind,
        zone: late.between(0, zones - 1),
        forMs,
        how: late.pick(["power", "cut"]),
      };
    case "swizzle":
    case "join": {
      const struck = late.distinct(late.between(1, Math.max(1, Math.floor(nodes / 4))), nodes);
      return kind === "join" ? { atMs, kind, nodes: struck } : { atMs, kind, nodes: struck, forMs };
    }
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

/** Every node leaves and comes back with the next version, one after another. */
export function drawRollingRestart(late: Draws, { nodes, virtualMs }: Shape): PlanEvent[] {
  const order = late.distinct(nodes, nodes).map((node) => ({ node, place: late.float() }));
  order.sort((one, other) => one.place - other.place);
  const everyMs = Math.floor(Math.min(5_000, (virtualMs * 0.9) / nodes));
  return order.map(({ node }, at) => ({
    ...{ atMs: at * everyMs, kind: "leave", node, version: "0.2.0" },
    forMs: Math.max(1_000, Math.floor(everyMs * 0.8)),
  }));
}
