/** Who offers which instance, as acknowledged, and since when: from the trace alone. */
import type { TraceEventOf } from "../trace.ts";

export interface Offer {
  readonly isThere: boolean;
  /** Since when. */
  readonly at: number;
}

export class Offers {
  /** By service, instance and node. */
  readonly #byService = new Map<string, Map<string, Map<number, Offer>>>();
  readonly #started = new Set<number>();

  /** Who has lost its disk offers nothing of before; the first registrations come before the first start. */
  onStart({ node, disk }: TraceEventOf<"start">): void {
    if (disk !== "kept" && this.#started.has(node)) {
      for (const instances of this.#byService.values()) {
        for (const nodes of instances.values()) nodes.delete(node);
      }
    }
    this.#started.add(node);
  }

  on({
    kind,
    at,
    node,
    instance,
  }: TraceEventOf<"registered"> | TraceEventOf<"deregistered">): void {
    const service = instance.slice(0, instance.lastIndexOf("/"));
    const instances = this.#byService.get(service) ?? new Map<string, Map<number, Offer>>();
    this.#byService.set(service, instances);
    const nodes = instances.get(instance) ?? new Map<number, Offer>();
    instances.set(instance, nodes);
    nodes.set(node, { isThere: kind === "registered", at });
  }

  of(service: string): ReadonlyMap<string, ReadonlyMap<number, Offer>> {
    return this.#byService.get(service) ?? new Map();
  }
}
