/**
 * Where faults are made: they are counted, told to the trace while they last, and ended after their
 * time or by the heal. What one kind of fault does to a machine or a road is written elsewhere.
 */
import type { RoadFault } from "./network/paths.ts";
import type { Fleet } from "./node/fleet.ts";
import type { Host } from "./node/host.ts";
import type { PlanEvent, PlanEventKind } from "./plan-event.ts";

export type EventOf<Kind extends PlanEventKind> = Extract<PlanEvent, { kind: Kind }>;
export type Undo = () => void;

export class FaultSite {
  readonly fleet: Fleet;
  /** How often each kind of fault took place. */
  readonly counts = new Map<string, number>();
  readonly #active = new Map<number, Undo>();
  #nextId = 0;

  constructor(fleet: Fleet) {
    this.fleet = fleet;
  }

  host(index: number): Host {
    return this.fleet.hosts[index] as Host;
  }

  count(kind: string): void {
    this.counts.set(kind, (this.counts.get(kind) ?? 0) + 1);
  }

  /** The fault lasts for `forMs` (0: until all is healed). */
  during(
    fault: string,
    forMs: number,
    left: readonly number[],
    right: readonly number[] | undefined,
    undo: Undo,
  ): void {
    this.#nextId += 1;
    const id = this.#nextId;
    this.fleet.emit({ kind: "fault", fault, id, on: true, left, right });
    const end = () => {
      if (!this.#active.delete(id)) return;
      undo();
      this.fleet.emit({ kind: "fault", fault, id, on: false, left, right });
    };
    this.#active.set(id, end);
    const { world } = this.fleet;
    if (forMs > 0) world.plan(world.now + forMs * 1_000, undefined, "fault", end);
  }

  endAll(): void {
    for (const undo of [...this.#active.values()]) undo();
    this.#active.clear();
  }

  /** Blocks the roads from `left` to `right` (all others if undefined), and back unless one-way. */
  cut(
    left: readonly number[],
    right: readonly number[] | undefined,
    oneWay: boolean,
    block: "cut" | "clog",
  ): Undo {
    const { network, hosts } = this.fleet;
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

  /** The machine goes dark: nobody is told. */
  powerDown(host: Host): Undo {
    const { fleet } = this;
    fleet.stop(host, "power");
    host.isPowered = false;
    host.disk.losePower(fleet.world.now);
    return this.cut([host.index], undefined, false, "cut");
  }

  powerUp(host: Host): void {
    if (host.agent !== undefined) return;
    if (!host.isPowered) this.fleet.network.reappear(host.index);
    host.isPowered = true;
    this.fleet.start(host);
  }
}
