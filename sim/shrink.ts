/**
 * Makes a failing plan as small as it gets while it still fails in the same way: first the faults
 * (delta debugging, Zeller and Hildebrandt 2002), then whom they strike, then the nodes that no
 * fault names, then how long and how badly each fault strikes, and last the length of the run. Each
 * candidate is run; nothing is assumed about which parts matter.
 */
import { CALMER } from "./calmer.ts";
import type { Plan, PlanEvent } from "./plan.ts";
import { nodesOf, renumberedEvent } from "./plan-event.ts";

export interface Shrinking {
  readonly plan: Plan;
  readonly runs: number;
  /** What was taken away, step by step, for people. */
  readonly account: readonly string[];
}

/** A phase is given up when it would take more runs than this in all. */
const RUNS_MAX = 400;
/** Durations are not made finer than this. */
const GRAIN_MS = 250;
/** The last fault must have time to take effect. */
const TAIL_MS = 1_000;
/** Longer lists of nodes are only halved. */
const SINGLY_MAX = 8;

/** Yields each candidate and is told whether it fails; so the caller may stop between two runs. */
export function shrink(start: Plan): Generator<Plan, Shrinking, boolean> {
  return new Shrinker(start).run();
}

type Attempts<Result> = Generator<Plan, Result, boolean>;

class Shrinker {
  #plan: Plan;
  #runs = 0;
  readonly #account: string[] = [];

  constructor(plan: Plan) {
    this.#plan = plan;
  }

  *run(): Attempts<Shrinking> {
    for (let before = ""; before !== JSON.stringify(this.#plan) && this.#runs < RUNS_MAX; ) {
      before = JSON.stringify(this.#plan);
      yield* this.#fewerEvents();
      yield* this.#calmer();
      yield* this.#fewerStruck();
      yield* this.#fewerNodes();
      yield* this.#milderEvents();
      yield* this.#shorterRun();
    }
    return { plan: this.#plan, runs: this.#runs, account: this.#account };
  }

  *#try(plan: Plan, what: string): Attempts<boolean> {
    if (this.#runs >= RUNS_MAX) return false;
    this.#runs += 1;
    const isFailing = yield plan;
    if (!isFailing) return false;
    this.#plan = plan;
    this.#account.push(what);
    return true;
  }

  /** ddmin: halves, then quarters, and so on, of what is left. */
  *#fewerEvents(): Attempts<void> {
    let pieces = 2;
    while (this.#plan.events.length > 0 && this.#runs < RUNS_MAX) {
      const { events } = this.#plan;
      const size = Math.ceil(events.length / pieces);
      let isSmaller = false;
      for (let from = 0; from < events.length; from += size) {
        const left = [...events.slice(0, from), ...events.slice(from + size)];
        const gone = events.length - left.length;
        const what = `left out ${gone} of ${events.length} events`;
        isSmaller = yield* this.#try({ ...this.#plan, events: left }, what);
        if (isSmaller) break;
      }
      if (isSmaller) pieces = Math.max(2, pieces - 1);
      else if (size <= 1) return;
      else pieces = Math.min(events.length, pieces * 2);
    }
  }

  *#calmer(): Attempts<void> {
    for (const [what, step] of CALMER) {
      const calm = step(this.#plan);
      if (JSON.stringify(calm) !== JSON.stringify(this.#plan)) yield* this.#try(calm, what);
    }
  }

  /** What a fault strikes: half of it, then less by one. Only who is named by no fault can go. */
  *#fewerStruck(): Attempts<void> {
    for (let at = 0; at < this.#plan.events.length; at += 1) {
      for (const field of ["left", "from", "to", "nodes"]) {
        while (yield* this.#halfStruck(at, field));
        while (yield* this.#oneLessStruck(at, field));
      }
    }
  }

  *#halfStruck(at: number, field: string): Attempts<boolean> {
    const struck = struckBy(this.#plan.events[at], field);
    const middle = Math.ceil(struck.length / 2);
    if (struck.length < 2) return false;
    return (
      (yield* this.#strike(at, field, struck.slice(0, middle))) ||
      (yield* this.#strike(at, field, struck.slice(middle)))
    );
  }

  *#oneLessStruck(at: number, field: string): Attempts<boolean> {
    const struck = struckBy(this.#plan.events[at], field);
    if (struck.length < 2 || struck.length > SINGLY_MAX) return false;
    for (const one of struck) {
      const others = struck.filter((node) => node !== one);
      if (yield* this.#strike(at, field, others)) return true;
    }
    return false;
  }

  *#strike(at: number, field: string, nodes: readonly number[]): Attempts<boolean> {
    const event = this.#plan.events[at] as PlanEvent;
    const former = struckBy(event, field).length;
    const events = this.#plan.events.with(at, { ...event, [field]: nodes } as PlanEvent);
    const what = `${event.kind}: ${nodes.length} of the ${former} nodes in "${field}"`;
    return yield* this.#try({ ...this.#plan, events }, what);
  }

  /** Nodes are numbered anew, so that those that faults name move to the front. */
  *#fewerNodes(): Attempts<void> {
    for (;;) {
      const { nodes, events, broken = [] } = this.#plan;
      const named = new Set([...events.flatMap(nodesOf), ...broken.map(({ node }) => node)]);
      const least = Math.max(2, named.size, 2 * broken.length + 1);
      const wanted = Math.max(least, Math.floor(nodes / 2));
      const isSmaller =
        wanted < nodes &&
        (yield* this.#try(
          renumbered(this.#plan, named, wanted),
          `${wanted} nodes instead of ${nodes}`,
        ));
      if (isSmaller) continue;
      const isOneLess =
        nodes > least &&
        (yield* this.#try(
          renumbered(this.#plan, named, nodes - 1),
          `${nodes - 1} nodes, not ${nodes}`,
        ));
      if (!isOneLess) return;
    }
  }

  *#milderEvents(): Attempts<void> {
    for (let at = 0; at < this.#plan.events.length; at += 1) {
      for (const field of ["forMs", "costUs", "blockMs", "delayMs", "jitterMs", "loss"] as const) {
        while (yield* this.#halve(at, field));
      }
    }
  }

  *#halve(at: number, field: string): Attempts<boolean> {
    const event = this.#plan.events[at] as PlanEvent & Record<string, unknown>;
    const value = event[field];
    if (typeof value !== "number") return false;
    const half = field === "loss" ? Number((value / 2).toFixed(3)) : Math.floor(value / 2);
    const least = field === "forMs" ? GRAIN_MS : field === "loss" ? 0.05 : 1;
    if (half < least) return false;
    const events = this.#plan.events.with(at, { ...event, [field]: half } as PlanEvent);
    return yield* this.#try(
      { ...this.#plan, events },
      `${event.kind}: ${field} ${half}, not ${value}`,
    );
  }

  *#shorterRun(): Attempts<void> {
    const { events, virtualMs } = this.#plan;
    const last = Math.max(0, ...events.map(({ atMs }) => atMs));
    const shortest = last + TAIL_MS;
    for (const wanted of [shortest, Math.floor((shortest + virtualMs) / 2)]) {
      if (wanted >= this.#plan.virtualMs) continue;
      if (yield* this.#try({ ...this.#plan, virtualMs: wanted }, `${wanted} ms of faults`)) return;
    }
  }
}

function renumbered(plan: Plan, named: ReadonlySet<number>, nodes: number): Plan {
  const numbers = new Map([...named].sort((one, other) => one - other).map((old, at) => [old, at]));
  const to = (node: number) => numbers.get(node) as number;
  const events = plan.events.map((event) => renumberedEvent(event, to));
  const broken = plan.broken?.map((each) => ({ ...each, node: to(each.node) })) ?? [];
  // A zone that a fault names stays, though it may be empty.
  const namedZones = events.map((event) => (event.kind === "zone" ? event.zone + 1 : 1));
  const zones = Math.max(Math.min(plan.zones, nodes), ...namedZones);
  return { ...plan, nodes, zones, events, broken };
}

/** The nodes that the event lists in a field; none if it has no such list. */
function struckBy(event: PlanEvent | undefined, field: string): readonly number[] {
  const value = (event as Readonly<Record<string, unknown>> | undefined)?.[field];
  return Array.isArray(value) ? value : [];
}
