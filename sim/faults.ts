/**
 * Makes the plan's faults happen, and ends each after its time. Whatever is done is told to the
 * trace, so that checkers know what a node may be excused for, and counted, so that a scenario can
 * prove that its faults took place.
 */
import type { InstanceEntry } from "../membership/document.ts";
import { corrupt } from "./byzantine.ts";
import { streamKey } from "./engine/draws.ts";
import { STARVATION, Starver } from "./engine/starvation.ts";
import type { RoadFault } from "./network/paths.ts";
import type { Fleet } from "./node/fleet.ts";
import type { Host } from "./node/host.ts";
import type { PlanEvent, PlanEventKind } from "./plan.ts";

type EventOf<Kind extends PlanEventKind> = Extract<PlanEvent, { kind: Kind }>;
/** Undoes a fault; undefined if nothing is left to undo. */
type Undo = () => void;

const LEAVE_DRAIN_MS = 5_000;

export class Faults {
  /** How often each kind of fault took place. */
  readonly counts = new Map<string, number>();
  readonly #fleet: Fleet;
  readonly #active = new Map<number, Undo>();
  #nextId = 0;
  #clones = 0;

  constructor(fleet: Fleet) {
    this.#fleet = fleet;
  }

  /** Plans every event of the plan; `startUs` is the moment from which they count. */
  schedule(startUs: number): void {
    const { world, plan } = this.#fleet;
    for (const event of plan.events) {
      world.plan(startUs + event.atMs * 1_000, undefined, "fault", () => this.#begin(event));
    }
  }

  /** Ends everything that is still going on, and starts every machine that is down. */
  heal(): void {
    for (const undo of [...this.#active.values()]) undo();
    this.#active.clear();
    for (const host of this.#fleet.hosts) {
      if (host.agent === undefined) this.#powerUp(host);
    }
  }

  #begin(event: PlanEvent): void {
    if (event.kind === "crash") this.#crash(event);
    else if (event.kind === "leave") this.#leave(event);
    else if (event.kind === "pause") this.#pause(event);
    else if (event.kind === "slow") this.#slow(event);
    else if (event.kind === "starve") this.#starve(event);
    else if (event.kind === "partition") this.#partition(event);
    else if (event.kind === "road") this.#road(event);
    else if (event.kind === "reset") this.#reset(event);
    else if (event.kind === "clock") this.#clock(event);
    else if (event.kind === "disk") this.#disk(event);
    else if (event.kind === "application") this.#application(event);
    else if (event.kind === "byzantine") this.#byzantine(event);
    else if (event.kind === "clone") this.#clone(event);
    else this.#registration(event);
  }

  #crash({ node, forMs, how, disk }: EventOf<"crash">): void {
    const host = this.#host(node);
    if (host.agent === undefined) return;
    this.#count(`crash ${how}`);
    if (disk === "lost") this.#count("disk lost");
    this.#fleet.stop(host, how === "kill" ? "killed" : "power");
    const ends: Undo[] = [];
    if (how === "power") {
      host.isPowered = false;
      host.disk.losePower(this.#fleet.world.now);
      ends.push(this.#cut([node], undefined, false, "cut"));
    }
    if (disk === "lost") host.disk.wipe();
    this.#during(`crash ${how}`, forMs, [node], undefined, () => {
      for (const end of ends) end();
      this.#powerUp(host);
    });
  }

  #leave({ node, forMs, version }: EventOf<"leave">): void {
    const host = this.#host(node);
    const { agent } = host;
    if (agent === undefined || agent.node.isLeaving || agent.lane.isPaused) return;
    this.#count("leave");
    if (version !== host.version) this.#count("upgrade");
    this.#fleet.emit({ kind: "leaving", node });
    this.#fleet.world.plan(this.#fleet.world.now, agent.lane, "fault", () => {
      agent.node.leave(LEAVE_DRAIN_MS, () => {
        agent.node.stop();
        if (host.agent === agent) this.#fleet.stop(host, "left");
      });
    });
    this.#during("leave", forMs, [node], undefined, () => {
      if (host.agent === agent) this.#fleet.stop(host, "left");
      host.version = version;
      this.#powerUp(host);
    });
  }

  #pause({ node, forMs, resume }: EventOf<"pause">): void {
    const { agent } = this.#host(node);
    if (agent === undefined || agent.lane.isPaused) return;
    const { world } = this.#fleet;
    this.#count("pause");
    agent.monitorLoop();
    world.pause(agent.lane);
    this.#fleet.emit({ kind: "paused", node });
    this.#during("pause", forMs, [node], undefined, () => {
      if (agent.lane.isOver) return;
      this.#fleet.emit({ kind: "resumed", node });
      world.resume(agent.lane, resume);
    });
  }

  #slow({ node, forMs, costUs }: EventOf<"slow">): void {
    const { agent } = this.#host(node);
    if (agent === undefined) return;
    this.#count("slow");
    agent.lane.costUs = costUs;
    agent.monitorLoop();
    this.#during("slow", forMs, [node], undefined, () => {
      agent.lane.costUs = 0;
    });
  }

  #starve({ node, forMs, blockMs, runMs, resume }: EventOf<"starve">): void {
    const { agent } = this.#host(node);
    if (agent === undefined || agent.lane.isPaused) return;
    const { world } = this.#fleet;
    this.#count("starve");
    const key = streamKey(world.seed, STARVATION, node);
    const shape = { blockMs, runMs, resume };
    const starver = new Starver(world, agent.lane, key, shape, () => agent.monitorLoop());
    this.#during("starve", forMs, [node], undefined, () => starver.end());
  }

  #partition({ left, forMs, oneWay }: EventOf<"partition">): void {
    this.#count(oneWay ? "partition one way" : "partition");
    const inside = new Set(left);
    const right = this.#fleet.hosts.flatMap(({ index }) => (inside.has(index) ? [] : [index]));
    if (right.length === 0) return;
    const end = this.#cut(left, right, oneWay, "cut");
    this.#during(oneWay ? "partition one way" : "partition", forMs, left, right, end);
  }

  #road(event: EventOf<"road">): void {
    const { from, to, forMs, clog, loss, delayMs, jitterMs, bytesPerSecond } = event;
    const name = clog ? "clog" : loss > 0 ? "loss" : bytesPerSecond > 0 ? "narrow road" : "delay";
    this.#count(name);
    const fault: RoadFault = {
      ...{ from: new Set(from), to: new Set(to), block: clog ? "clog" : undefined, loss },
      ...{ delayUs: delayMs * 1_000, jitterUs: jitterMs * 1_000, bytesPerSecond },
    };
    this.#fleet.network.addFault(fault);
    this.#during(name, forMs, from, to, () => this.#fleet.network.removeFault(fault));
  }

  #reset({ node, other }: EventOf<"reset">): void {
    const count = this.#fleet.network.resetBetween(node, other);
    if (count === 0) return;
    this.#count("reset");
    this.#during("reset", 1, [node], [other], () => {});
  }

  #clock({ node, stepMs }: EventOf<"clock">): void {
    this.#count("clock step");
    this.#host(node).machine.offsetMs += stepMs;
  }

  #disk({ node, forMs }: EventOf<"disk">): void {
    const { disk } = this.#host(node);
    this.#count("disk full");
    disk.isFull = true;
    this.#during("disk full", forMs, [node], undefined, () => {
      disk.isFull = false;
    });
  }

  #application({ node, forMs, mode }: EventOf<"application">): void {
    const { agent } = this.#host(node);
    if (agent === undefined) return;
    this.#count(`application ${mode}`);
    agent.application.mode = mode;
    this.#during(`application ${mode}`, forMs, [node], undefined, () => {
      agent.application.mode = "well";
    });
  }

  #byzantine({ node, forMs, behaviour }: EventOf<"byzantine">): void {
    const { agent } = this.#host(node);
    if (agent === undefined) return;
    this.#count(`byzantine ${behaviour}`);
    const end = corrupt(this.#fleet, agent, behaviour);
    this.#during(`byzantine ${behaviour}`, forMs, [node], undefined, end);
  }

  #clone({ node, forMs }: EventOf<"clone">): void {
    const host = this.#host(node);
    this.#count("clone");
    this.#clones += 1;
    const clone = this.#fleet.addClone(host, this.#fleet.hosts.length + this.#clones);
    clone.disk.copyEpoch(host.disk);
    this.#fleet.start(clone);
    this.#during("clone", forMs, [node], undefined, () => this.#fleet.stop(clone, "killed"));
  }

  #registration(event: EventOf<"register" | "deregister">): void {
    const { agent } = this.#host(event.node);
    if (agent === undefined || agent.lane.isPaused || agent.node.isLeaving) return;
    const { service, id, kind } = event;
    this.#fleet.world.plan(this.#fleet.world.now, agent.lane, "workload", () => {
      if (kind === "register") agent.register(instanceOf(service, id));
      else agent.deregister(`default/${service}/${id}`);
    });
  }

  /** Blocks the roads from `left` to `right` (all others if undefined), and back unless one-way. */
  #cut(
    left: readonly number[],
    right: readonly number[] | undefined,
    oneWay: boolean,
    block: "cut" | "clog",
  ): Undo {
    const { network, hosts } = this.#fleet;
    const near = new Set(left);
    const far = new Set(right ?? hosts.map(({ index }) => index).filter((each) => !near.has(each)));
    const whole = { block, loss: 0, delayUs: 0, jitterUs: 0, bytesPerSecond: 0 };
    const faults: RoadFault[] = [{ ...whole, from: near, to: far }];
    if (!oneWay) faults.push({ ...whole, from: far, to: near });
    for (const fault of faults) network.addFault(fault);
    return () => {
      for (const fault of faults) network.removeFault(fault);
    };
  }

  #during(
    fault: string,
    forMs: number,
    left: readonly number[],
    right: readonly number[] | undefined,
    undo: Undo,
  ): void {
    this.#nextId += 1;
    const id = this.#nextId;
    this.#fleet.emit({ kind: "fault", fault, id, on: true, left, right });
    const end = () => {
      if (!this.#active.delete(id)) return;
      undo();
      this.#fleet.emit({ kind: "fault", fault, id, on: false, left, right });
    };
    this.#active.set(id, end);
    const { world } = this.#fleet;
    if (forMs > 0) world.plan(world.now + forMs * 1_000, undefined, "fault", end);
  }

  #powerUp(host: Host): void {
    if (host.agent !== undefined) return;
    if (!host.isPowered) this.#fleet.network.reappear(host.index);
    host.isPowered = true;
    this.#fleet.start(host);
  }

  #host(index: number): Host {
    return this.#fleet.hosts[index] as Host;
  }

  #count(kind: string): void {
    this.counts.set(kind, (this.counts.get(kind) ?? 0) + 1);
  }
}

export function instanceOf(service: string, id: string): InstanceEntry {
  return {
    ...{ namespace: "default", name: service, id, protocol: "http", ports: [80] },
    ...{ address: "127.0.0.1:8080", version: "", weight: 1, tags: {} },
  };
}
