/**
 * One run of a plan. Nodes join; then faults happen while applications work, and nothing that must
 * never happen may happen; then every fault is healed, and within a bound all nodes must agree
 * again. The result is plain data and, but for the time it took, a function of the plan alone.
 */
import { MEMBERSHIP_PRESETS, suspicionBounds } from "../membership/config.ts";
import { CHECKERS } from "./checkers/all.ts";
import type { CheckContext, Violation } from "./checkers/checker.ts";
import { Panel } from "./checkers/panel.ts";
import { QUIET_MS } from "./checkers/quiet.ts";
import { disagreements, looksSettled, mirrorsMax, unmirrored } from "./convergence.ts";
import { Faults } from "./faults.ts";
import type { KeyRing } from "./keys.ts";
import { Measures } from "./measures.ts";
import type { BroadcastMaker } from "./node/broadcast.ts";
import { Fleet } from "./node/fleet.ts";
import { formMesh } from "./node/formed.ts";
import { Gossip } from "./node/gossip.ts";
import type { Plan } from "./plan.ts";
import type { TraceEvent } from "./trace.ts";
import { Workload } from "./workload.ts";

export interface Report {
  readonly seed: number;
  readonly profile: string;
  readonly nodes: number;
  readonly virtualMs: number;
  /** Of the run alone, measured by the caller. */
  wallMs: number;
  readonly events: number;
  /** Equal for equal plans, on every machine. */
  readonly hash: string;
  readonly faults: Readonly<Record<string, number>>;
  readonly violations: readonly Violation[];
  readonly marks: Readonly<Record<string, number>>;
  readonly metrics: Readonly<Record<string, number>>;
}

export interface SimulationOptions {
  readonly ring: KeyRing;
  /** Sees every event of the trace. */
  readonly onTrace?: (event: TraceEvent) => void;
  /** What carries the broadcast; without it the model does. */
  readonly broadcast?: BroadcastMaker;
}

const modelled: BroadcastMaker = (world, paths) => new Gossip(world, paths);

/** In meshes up to this size applications ask once more when all is quiet. */
const PROBED_NODES_MAX = 64;
const CONVERGE_STEP_MS = 250;
/** After it has come right a mesh must stay so for this long. */
const STAY_MS = 3_000;
/** Unanswered requests and suspicions of the last moment come to an end. */
const GRACE_MS = 12_000;
/** On top of the longest suspicion: spreading, and the kernel's own pauses. */
const DETECT_SLACK_MS = 15_000;

/** By then every node has started and has published all that it has to say. */
const FORM_US = 2_000_000;

type Phase = "join" | "faults" | "converge" | "stay" | "rest" | "probe" | "over";

export class Simulation {
  readonly fleet: Fleet;
  readonly #plan: Plan;
  readonly #faults: Faults;
  readonly #workload: Workload;
  readonly #panel: Panel;
  readonly #measures: Measures;
  #phase: Phase = "join";
  /** When the present phase ends, in microseconds. */
  #until: number;
  #healedAt = 0;
  #convergedMs: number | undefined;

  constructor(plan: Plan, options: SimulationOptions) {
    this.#plan = plan;
    this.#panel = new Panel(checkContext(plan), CHECKERS);
    this.#measures = new Measures(plan.nodes);
    const { ring, onTrace, broadcast = modelled } = options;
    this.fleet = new Fleet(plan, ring, broadcast, (event) => {
      this.#panel.onEvent(event);
      this.#measures.onEvent(event);
      onTrace?.(event);
    });
    this.#workload = new Workload(this.fleet);
    this.#faults = new Faults(this.fleet, this.#workload);
    this.#until = plan.joinMs * 1_000;
    this.#scheduleJoins();
  }

  get isOver(): boolean {
    return this.#phase === "over";
  }

  get hasViolation(): boolean {
    return this.#panel.violations.length > 0;
  }

  get phase(): Phase {
    return this.#phase;
  }

  get virtualMs(): number {
    return this.fleet.world.now / 1_000;
  }

  /** Advances by at most `ms` of virtual time, so that a caller can show progress. */
  advance(ms: number): void {
    if (this.#phase === "over") return;
    const { world } = this.fleet;
    const target = Math.min(this.#until, world.now + ms * 1_000);
    world.runUntil(target);
    if (world.now >= this.#until) this.#nextPhase();
  }

  run(): Report {
    while (!this.isOver) this.advance(Number.MAX_SAFE_INTEGER / 1_000_000);
    return this.report();
  }

  /** How often each invariant had something to judge. */
  get judged(): Readonly<Record<string, number>> {
    return sorted(this.#panel.judged);
  }

  report(): Report {
    const { world, marks } = this.fleet;
    return {
      ...{ seed: this.#plan.seed, profile: this.#plan.profile, nodes: this.#plan.nodes },
      ...{ virtualMs: Math.round(world.now / 1_000), wallMs: 0 },
      ...{ events: world.events, hash: world.hash },
      faults: sorted(this.#faults.counts),
      violations: this.#panel.violations,
      marks: sorted(marks),
      metrics: {
        ...this.#measures.summary(this.fleet),
        convergedMs: this.#convergedMs ?? -1,
        requests: this.#workload.counts.sent,
        answered: this.#workload.counts.answered,
        failed: this.#workload.counts.failed,
      },
    };
  }

  #scheduleJoins(): void {
    const { hosts, world } = this.fleet;
    if (this.#plan.isFormed === true) {
      for (const host of hosts) {
        this.#workload.furnish(host);
        this.fleet.start(host, []).control.isForming = true;
      }
      world.plan(FORM_US, undefined, "workload", () => formMesh(this.fleet));
      return;
    }
    const pauseUs = Math.floor((this.#plan.joinMs * 1_000) / Math.max(1, hosts.length));
    const { events } = this.#plan;
    const late = new Set(events.flatMap((event) => (event.kind === "join" ? event.nodes : [])));
    for (const host of hosts) {
      this.#workload.furnish(host);
      if (late.has(host.index)) continue;
      world.plan(host.index * pauseUs, undefined, "workload", () => this.fleet.start(host));
    }
  }

  #nextPhase(): void {
    const { world } = this.fleet;
    switch (this.#phase) {
      case "join":
        this.#phase = "faults";
        this.#faults.schedule(world.now);
        this.#workload.start();
        this.#until = world.now + this.#plan.virtualMs * 1_000;
        return;
      case "faults":
        this.#phase = "converge";
        this.#workload.stop();
        this.#faults.heal();
        this.fleet.emit({ kind: "healed", broken: this.#broken() });
        this.#healedAt = world.now;
        this.#until = world.now + CONVERGE_STEP_MS * 1_000;
        return;
      case "converge":
        this.#converge();
        return;
      case "stay":
        if (!this.#hasLapsed()) this.#rest();
        return;
      case "rest":
        this.#workload.probe();
        this.#lastLook(GRACE_MS);
        return;
      case "probe":
        if (!this.#hasLapsed()) {
          this.#finish(disagreements(this.fleet), "did not stay as they were");
        }
        return;
      case "over":
    }
  }

  #converge(): void {
    const { world } = this.fleet;
    const sinceMs = (world.now - this.#healedAt) / 1_000;
    if (looksSettled(this.fleet) && disagreements(this.fleet).length === 0) {
      this.#convergedMs = sinceMs;
      this.#phase = "stay";
      this.#until = world.now + STAY_MS * 1_000;
      return;
    }
    if (sinceMs < this.#plan.convergeMs) {
      this.#until = world.now + CONVERGE_STEP_MS * 1_000;
      return;
    }
    this.#finish(disagreements(this.fleet), `do not agree ${sinceMs / 1_000} s after the heal`);
  }

  /** What was under way has arrived: from here on nothing is left to do. Small meshes are asked again. */
  #rest(): void {
    const { world } = this.fleet;
    const sinceMs = (world.now - this.#healedAt) / 1_000;
    const isSmall = this.#plan.nodes <= PROBED_NODES_MAX;
    if (!isSmall) {
      this.#lastLook(Math.max(0, GRACE_MS - sinceMs));
      return;
    }
    this.#phase = "rest";
    this.#until = world.now + Math.max(0, QUIET_MS + STAY_MS - sinceMs) * 1_000;
  }

  #lastLook(forMs: number): void {
    const { world, hosts } = this.fleet;
    this.#phase = "probe";
    this.fleet.emit({ kind: "rested" });
    for (const { agent } of hosts) if (agent !== undefined) agent.control.handed = 0;
    this.#until = world.now + forMs * 1_000;
  }

  /** Streams that stood still under a fault need their time: agreement counts when it lasts. */
  #hasLapsed(): boolean {
    const { world } = this.fleet;
    const sinceMs = (world.now - this.#healedAt) / 1_000;
    if (sinceMs >= this.#plan.convergeMs || disagreements(this.fleet).length === 0) return false;
    this.#phase = "converge";
    this.#until = world.now + CONVERGE_STEP_MS * 1_000;
    return true;
  }

  #broken(): readonly number[] {
    return this.#plan.broken?.map(({ node }) => node) ?? [];
  }

  /** The end as each node sees it; what it lists once for all nodes with the same store. */
  #tellSettled(): void {
    const listed = new Set<string>();
    const looked = mirrorsMax(this.fleet);
    let settled = 0;
    for (const host of this.fleet.hosts) {
      const { index, agent, isBroken } = host;
      if (agent === undefined || isBroken) continue;
      const root = agent.node.directory.root();
      const services = listed.has(root) ? [] : [...agent.node.view().services.values()];
      listed.add(root);
      const instances = services.flatMap((service) =>
        service.instances.map(({ id }) => `${service.key}/${id}`),
      );
      const mirror = settled < looked ? unmirrored(host) : [];
      settled += 1;
      this.fleet.emit({
        ...{ kind: "settled", node: index, root, instances, held: agent.held() },
        unmirrored: mirror,
        handed: agent.control.handed,
        ...(settled <= looked ? { contents: agent.contents() } : {}),
      });
    }
  }

  #finish(found: readonly string[], what: string): void {
    const { world } = this.fleet;
    this.#phase = "over";
    this.#tellSettled();
    this.#panel.atEnd(world.now);
    if (found.length === 0) return;
    this.#panel.violations.push({
      ...{ checker: "L-M8", atMs: world.now / 1_000, nodes: [] },
      statement: "after the last fault all nodes agree within the bound, and stay so",
      detail: `the nodes ${what}: ${found.join("; ")}`,
    });
  }
}

/** What checkers may know of a run of the plan. */
export function checkContext(plan: Plan): CheckContext {
  const config = { ...MEMBERSHIP_PRESETS[plan.preset], ...plan.membership };
  // Shortest while a node knows of nobody else, longest when it knows of all.
  const { minMs: suspicionMinMs, maxMs: loneSuspicionMs } = suspicionBounds(config, 1);
  const detectMs = suspicionBounds(config, plan.nodes).maxMs + DETECT_SLACK_MS;
  const { observers, fullMeshMax, connectionsMax, probeIntervalMs } = config;
  return {
    ...{ nodes: plan.nodes, detectMs, suspicionMinMs, loneSuspicionMs },
    ...{ observers, fullMeshMax, connectionsMax, probeIntervalMs },
  };
}

function sorted(counts: ReadonlyMap<string, number>): Record<string, number> {
  return Object.fromEntries([...counts].sort(([one], [other]) => (one < other ? -1 : 1)));
}
