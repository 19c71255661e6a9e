/** What goes wrong between machines: partitions, bad and clogged roads, broken and forgotten connections. */
import { drawBelow, streamKey } from "./engine/draws.ts";
import type { EventOf, FaultSite, Undo } from "./fault-site.ts";
import type { RoadFault } from "./network/paths.ts";

/** Names the draws of the order in which roads are clogged and opened. */
const SWIZZLE = 0x5122;

export class RoadFaults {
  readonly #site: FaultSite;

  constructor(site: FaultSite) {
    this.#site = site;
  }

  partition({ left, forMs, oneWay }: EventOf<"partition">): void {
    const { fleet } = this.#site;
    const inside = new Set(left);
    const right = fleet.hosts.flatMap(({ index }) => (inside.has(index) ? [] : [index]));
    if (right.length === 0) return;
    const name = oneWay ? "partition one way" : "partition";
    this.#site.count(name);
    this.#site.during(name, forMs, left, right, this.#site.cut(left, right, oneWay, "cut"));
  }

  road(event: EventOf<"road">): void {
    const { from, to, forMs, clog, loss, delayMs, jitterMs, bytesPerSecond, duplicates } = event;
    const name = roadName(event);
    this.#site.count(name);
    const { network } = this.#site.fleet;
    const fault: RoadFault = {
      ...{ from: new Set(from), to: new Set(to), block: clog ? "clog" : undefined, loss },
      ...{ delayUs: delayMs * 1_000, jitterUs: jitterMs * 1_000, bytesPerSecond },
      duplicates: duplicates ?? 0,
    };
    network.addFault(fault);
    this.#site.during(name, forMs, from, to, () => network.removeFault(fault));
  }

  /** One node's roads after another are clogged in the first half and opened in the second. */
  swizzle({ nodes, forMs, atMs }: EventOf<"swizzle">): void {
    const { fleet } = this.#site;
    const { world } = fleet;
    this.#site.count("swizzle");
    const key = streamKey(world.seed, SWIZZLE, atMs);
    const stepUs = Math.floor((forMs * 500) / Math.max(1, nodes.length));
    const closing = shuffled(nodes, streamKey(key, 1));
    const opening = shuffled(nodes, streamKey(key, 2));
    const undos = new Map<number, Undo>();
    let isOver = false;
    for (const [at, node] of closing.entries()) {
      world.plan(world.now + at * stepUs, undefined, "fault", () => {
        if (!isOver) undos.set(node, this.#site.cut([node], undefined, false, "clog"));
      });
    }
    const open = (node: number) => {
      undos.get(node)?.();
      undos.delete(node);
    };
    for (const [at, node] of opening.entries()) {
      world.plan(world.now + forMs * 500 + at * stepUs, undefined, "fault", () => open(node));
    }
    this.#site.during("swizzle", forMs, nodes, undefined, () => {
      isOver = true;
      for (const node of [...undos.keys()]) open(node);
    });
  }

  reset({ node, other }: EventOf<"reset">): void {
    if (this.#site.fleet.network.resetBetween(node, other) === 0) return;
    this.#site.count("reset");
    this.#site.during("reset", 1, [node], [other], () => {});
  }

  /** A middlebox has lost its table. What the ends send is dropped until their kernels give up. */
  halfOpen({ node, other }: EventOf<"half-open">): void {
    if (this.#site.fleet.network.forgetBetween(node, other) === 0) return;
    this.#site.count("half-open");
    this.#site.during("half-open", 1, [node], [other], () => {});
  }
}

function roadName({ clog, loss, bytesPerSecond, duplicates = 0 }: EventOf<"road">): string {
  if (clog) return "clog";
  if (loss > 0) return "loss";
  if (bytesPerSecond > 0) return "narrow road";
  return duplicates > 0 ? "duplicates" : "delay";
}

function shuffled(nodes: readonly number[], key: number): number[] {
  const order = [...nodes];
  for (let at = order.length - 1; at > 0; at -= 1) {
    const other = drawBelow(key, at, at + 1);
    [order[at], order[other]] = [order[other] as number, order[at] as number];
  }
  return order;
}
