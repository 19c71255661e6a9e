/** What goes wrong with machines and processes: they die, stall, starve, lie, and forget. */
import { corrupt } from "./byzantine.ts";
import { streamKey } from "./engine/draws.ts";
import { STARVATION, Starver } from "./engine/starvation.ts";
import type { EventOf, FaultSite, Undo } from "./fault-site.ts";

const LEAVE_DRAIN_MS = 5_000;

export class MachineFaults {
  readonly #site: FaultSite;
  /** How clocks were before anybody touched them. */
  readonly #clocks = new Map<number, { readonly offsetMs: number; readonly driftPpm: number }>();
  #clones = 0;

  constructor(site: FaultSite) {
    this.#site = site;
  }

  crash({ node, forMs, how, disk }: EventOf<"crash">): void {
    const site = this.#site;
    const host = site.host(node);
    if (host.agent === undefined) return;
    site.count(`crash ${how}`);
    if (disk !== "kept") site.count(`disk ${disk}`);
    const ends: Undo[] = [];
    if (how === "power") ends.push(site.powerDown(host));
    else site.fleet.stop(host, "killed");
    if (disk === "lost") host.disk.wipe();
    else if (disk === "rolled back") host.disk.rollBack();
    site.during(`crash ${how}`, forMs, [node], undefined, () => {
      for (const end of ends) end();
      site.powerUp(host);
    });
  }

  zone({ zone, forMs, how }: EventOf<"zone">): void {
    const site = this.#site;
    const { hosts } = site.fleet;
    // A machine that starts meanwhile is cut off as well: it must not bridge the two sides.
    const inside = hosts.filter((host) => host.zone === zone && (how === "cut" || host.isRunning));
    const outside = hosts.filter((host) => host.zone !== zone).map(({ index }) => index);
    if (inside.length === 0 || outside.length === 0) return;
    site.count(`zone ${how}`);
    const left = inside.map(({ index }) => index);
    if (how === "cut") {
      site.during("partition", forMs, left, outside, site.cut(left, outside, false, "cut"));
      return;
    }
    const ends = inside.map((host) => site.powerDown(host));
    site.during("crash power", forMs, left, undefined, () => {
      for (const end of ends) end();
      for (const host of inside) site.powerUp(host);
    });
  }

  join({ nodes }: EventOf<"join">): void {
    const site = this.#site;
    const late = nodes.map((node) => site.host(node)).filter((host) => host.starts === 0);
    if (late.length === 0) return;
    site.count("join wave");
    for (const host of late) site.powerUp(host);
  }

  leave({ node, forMs, version }: EventOf<"leave">): void {
    const site = this.#site;
    const { fleet } = site;
    const host = site.host(node);
    const { agent } = host;
    if (agent === undefined || agent.node.isLeaving || agent.lane.isPaused) return;
    site.count("leave");
    if (version !== host.version) site.count("upgrade");
    fleet.emit({ kind: "leaving", node });
    fleet.world.plan(fleet.world.now, agent.lane, "fault", () => {
      agent.node.leave(LEAVE_DRAIN_MS, () => {
        agent.node.stop();
        if (host.agent === agent) fleet.stop(host, "left");
      });
    });
    site.during("leave", forMs, [node], undefined, () => {
      if (host.agent === agent) fleet.stop(host, "left");
      host.version = version;
      site.powerUp(host);
    });
  }

  pause({ node, forMs, resume }: EventOf<"pause">): void {
    const site = this.#site;
    const { agent } = site.host(node);
    if (agent === undefined || agent.lane.isPaused) return;
    const { world } = site.fleet;
    site.count("pause");
    agent.monitorLoop();
    world.pause(agent.lane);
    site.fleet.emit({ kind: "paused", node });
    site.during("pause", forMs, [node], undefined, () => {
      if (agent.lane.isOver) return;
      site.fleet.emit({ kind: "resumed", node });
      world.resume(agent.lane, resume);
    });
  }

  slow({ node, forMs, costUs }: EventOf<"slow">): void {
    const { agent } = this.#site.host(node);
    if (agent === undefined) return;
    this.#site.count("slow");
    agent.lane.costUs = costUs;
    agent.monitorLoop();
    this.#site.during("slow", forMs, [node], undefined, () => {
      agent.lane.costUs = 0;
    });
  }

  starve({ node, forMs, blockMs, runMs, costUs, resume }: EventOf<"starve">): void {
    const { agent } = this.#site.host(node);
    if (agent === undefined || agent.lane.isPaused) return;
    const { world } = this.#site.fleet;
    this.#site.count("starve");
    const key = streamKey(world.seed, STARVATION, node);
    const shape = { blockMs, runMs, costUs, resume };
    const starver = new Starver(world, agent.lane, key, shape, () => agent.monitorLoop());
    this.#site.during("starve", forMs, [node], undefined, () => starver.end());
  }

  swap({ node, other, forMs }: EventOf<"swap">): void {
    const site = this.#site;
    const hosts = [site.host(node), site.host(other)] as const;
    if (node === other || hosts.some(({ agent }) => agent === undefined)) return;
    site.count("swapped addresses");
    for (const host of hosts) site.fleet.stop(host, "killed");
    site.fleet.swapAddresses(...hosts);
    site.during("swapped addresses", forMs, [node, other], undefined, () => {
      for (const host of hosts) site.powerUp(host);
    });
  }

  clock({ node, stepMs, driftPpm }: EventOf<"clock">): void {
    const host = this.#site.host(node);
    if (!this.#clocks.has(node)) this.#clocks.set(node, { ...host.machine });
    if (stepMs !== 0) this.#site.count("clock step");
    host.machine.offsetMs += stepMs;
    if (driftPpm === undefined) return;
    this.#site.count("clock drift");
    host.machine.driftPpm = driftPpm;
    host.agent?.clock.setRate(driftPpm);
  }

  /** Every clock is again as it was at first. */
  setClocksRight(): void {
    for (const [node, { offsetMs, driftPpm }] of this.#clocks) {
      const { machine, agent } = this.#site.host(node);
      Object.assign(machine, { offsetMs, driftPpm });
      agent?.clock.setRate(driftPpm);
    }
  }

  disk({ node, forMs, mode = "full" }: EventOf<"disk">): void {
    const { disk } = this.#site.host(node);
    this.#site.count(`disk ${mode}`);
    disk.mode = mode;
    this.#site.during(`disk ${mode}`, forMs, [node], undefined, () => {
      disk.mode = "well";
    });
  }

  application({ node, forMs, mode }: EventOf<"application">): void {
    const { agent } = this.#site.host(node);
    if (agent === undefined) return;
    this.#site.count(`application ${mode}`);
    agent.application.mode = mode;
    this.#site.during(`application ${mode}`, forMs, [node], undefined, () => {
      agent.application.mode = "well";
    });
  }

  byzantine({ node, forMs, behaviour }: EventOf<"byzantine">): void {
    const { agent } = this.#site.host(node);
    if (agent === undefined) return;
    this.#site.count(`byzantine ${behaviour}`);
    const end = corrupt(this.#site.fleet, agent, behaviour);
    this.#site.during(`byzantine ${behaviour}`, forMs, [node], undefined, end);
  }

  clone({ node, forMs }: EventOf<"clone">): void {
    const { fleet } = this.#site;
    const host = this.#site.host(node);
    this.#site.count("clone");
    this.#clones += 1;
    const clone = fleet.addClone(host, fleet.hosts.length + this.#clones);
    clone.disk.copyEpoch(host.disk);
    fleet.start(clone);
    this.#site.during("clone", forMs, [node], undefined, () => fleet.stop(clone, "killed"));
  }
}
