/**
 * Makes the plan's faults happen, and ends each after its time. Whatever is done is told to the
 * trace, so that checkers know what a node may be excused for, and counted, so that a scenario can
 * prove that its faults took place.
 */
import { FaultSite, type Undo } from "./fault-site.ts";
import { MachineFaults } from "./machine-faults.ts";
import type { Fleet } from "./node/fleet.ts";
import type { Broken } from "./plan.ts";
import type { PlanEvent } from "./plan-event.ts";
import { RoadFaults } from "./road-faults.ts";
import type { Workload } from "./workload.ts";

export class Faults {
  readonly #site: FaultSite;
  readonly #machines: MachineFaults;
  readonly #roads: RoadFaults;
  readonly #workload: Workload;
  #isHealed = false;

  constructor(fleet: Fleet, workload: Workload) {
    this.#site = new FaultSite(fleet);
    this.#machines = new MachineFaults(this.#site);
    this.#roads = new RoadFaults(this.#site);
    this.#workload = workload;
    for (const event of fleet.plan.events) {
      if (event.kind !== "crash" || event.disk !== "rolled back") continue;
      this.#site.host(event.node).disk.keepsSnapshot = true;
    }
  }

  get counts(): ReadonlyMap<string, number> {
    return this.#site.counts;
  }

  /** Plans every event of the plan; `startUs` is the moment from which they count. */
  schedule(startUs: number): void {
    const { world, plan } = this.#site.fleet;
    for (const event of plan.events) {
      world.plan(startUs + event.atMs * 1_000, undefined, "fault", () => this.#begin(event));
    }
  }

  /**
   * Ends everything that is still going on, and starts every machine that is down; then breaks, for
   * good, the machines that the plan leaves broken.
   */
  heal(): void {
    this.#isHealed = true;
    const site = this.#site;
    const { hosts, plan } = site.fleet;
    site.endAll();
    const broken = new Set(plan.broken?.map(({ node }) => node));
    // The documents of a member that stays dead are kept by their lease, so by each node's clock.
    if (broken.size > 0) this.#machines.setClocksRight();
    for (const host of hosts) if (!broken.has(host.index)) site.powerUp(host);
    for (const each of plan.broken ?? []) this.#breakForGood(each);
  }

  #breakForGood({ node, how }: Broken): void {
    const site = this.#site;
    const host = site.host(node);
    host.isBroken = true;
    site.count(`left broken: ${how}`);
    const undo = this.#broken(node, how);
    site.during(`broken ${how}`, 0, [node], undefined, undo);
  }

  #broken(node: number, how: Broken["how"]): Undo {
    const site = this.#site;
    const host = site.host(node);
    if (how === "power") return host.agent === undefined ? () => {} : site.powerDown(host);
    if (how === "cut") return site.cut([node], undefined, false, "cut");
    if (how === "deaf") return site.cut([node], undefined, true, "cut");
    const { agent } = host;
    if (agent === undefined || agent.lane.isPaused) return () => {};
    site.fleet.world.pause(agent.lane);
    site.fleet.emit({ kind: "paused", node });
    return () => site.fleet.world.resume(agent.lane, "timers");
  }

  #begin(event: PlanEvent): void {
    // A plan may be longer than its run.
    if (this.#isHealed) return;
    switch (event.kind) {
      case "partition":
      case "road":
      case "swizzle":
      case "reset":
      case "half-open":
        this.#onRoad(event);
        return;
      case "register":
      case "deregister":
        this.#workload.registration(event);
        return;
      case "overload":
        this.#site.count("overload");
        this.#workload.overload(event);
        this.#site.during("overload", event.forMs, [event.node], undefined, () => {});
        return;
      default:
        this.#onMachine(event);
    }
  }

  #onRoad(event: PlanEvent): void {
    if (event.kind === "partition") this.#roads.partition(event);
    else if (event.kind === "road") this.#roads.road(event);
    else if (event.kind === "swizzle") this.#roads.swizzle(event);
    else if (event.kind === "reset") this.#roads.reset(event);
    else if (event.kind === "half-open") this.#roads.halfOpen(event);
  }

  #onMachine(event: PlanEvent): void {
    if (event.kind === "crash") this.#machines.crash(event);
    else if (event.kind === "zone") this.#machines.zone(event);
    else if (event.kind === "join") this.#machines.join(event);
    else if (event.kind === "leave") this.#machines.leave(event);
    else if (event.kind === "pause") this.#machines.pause(event);
    else if (event.kind === "slow") this.#machines.slow(event);
    else if (event.kind === "starve") this.#machines.starve(event);
    else if (event.kind === "swap") this.#machines.swap(event);
    else if (event.kind === "clock") this.#machines.clock(event);
    else if (event.kind === "disk") this.#machines.disk(event);
    else if (event.kind === "application") this.#machines.application(event);
    else if (event.kind === "byzantine") this.#machines.byzantine(event);
    else if (event.kind === "clone") this.#machines.clone(event);
  }
}
