/**
 * The actor types that this agent offers: each is one instance in the directory, hosted in this
 * process or in one behind the local socket. When the view changes, keys whose owner is another now
 * are taken from their hosts, a bounded number at a time, so that a change of the ring never stalls
 * the node.
 */
import { GrapevineError } from "../errors.ts";
import { ACTOR_HOSTINGS_PER_AGENT_MAX } from "../limits.ts";
import type { Services } from "../router/services.ts";
import type { Clock } from "../seams.ts";
import type { NodeId, ServiceKey } from "../types.ts";
import type { MeshView } from "../view.ts";
import type { ActorCall } from "./call.ts";
import { actorTypeOf } from "./definition.ts";
import { ownerOf, placementVersion } from "./placement.ts";

/** A process that hosts actors. */
export interface ActorBackend {
  /** Takes a call whose key it owns; a call that it cannot run is failed or handed back. */
  deliver(call: ActorCall): void;
  /** The key belongs elsewhere now. */
  release(service: ServiceKey, key: string): void;
  /** Keys that may be active there. */
  keys(service: ServiceKey): Iterable<string>;
  count(service: ServiceKey): number;
}

/** An actor type in the directory. */
export interface ActorEntry {
  readonly namespace: string;
  readonly name: string;
  readonly id: string;
  readonly protocol: "actor";
  readonly ports: readonly number[];
  readonly address: string;
  readonly version: string;
  readonly weight: number;
  readonly tags: Readonly<Record<string, string>>;
}

export interface Hosting {
  readonly service: ServiceKey;
  readonly entry: ActorEntry;
  readonly backend: ActorBackend;
}

interface Row extends Hosting {
  /** The placement by which its keys were looked through last. */
  swept: string;
}

export interface HostingsOptions {
  readonly self: NodeId;
  readonly clock: Clock;
  readonly services: Services;
  readonly view: () => MeshView;
  /** What is offered has changed. */
  readonly onChange: () => void;
}

const KEYS_PER_SLICE = 2_000;

export class Hostings {
  readonly #options: HostingsOptions;
  readonly #rows = new Map<string, Row>();
  /** Keys still to be looked at, by row. */
  #sweeps: { readonly row: Row; readonly keys: Iterator<string> }[] = [];
  #isSweeping = false;

  constructor(options: HostingsOptions) {
    this.#options = options;
  }

  /** Offers a type; throws `conflict` or `too_large`. `address` says for people where it runs. */
  add(service: ServiceKey, id: string, address: string, backend: ActorBackend): Hosting {
    const name = `${service}/${id}`;
    if (this.#rows.has(name)) {
      const what = `instance ${id} of actor type ${actorTypeOf(service)}`;
      throw new GrapevineError("conflict", `${what} is hosted on this agent already`);
    }
    if (this.#rows.size >= ACTOR_HOSTINGS_PER_AGENT_MAX) {
      const what = `${ACTOR_HOSTINGS_PER_AGENT_MAX} actor types (times the processes that host them)`;
      throw new GrapevineError("too_large", `one agent offers at most ${what}`);
    }
    const slash = service.indexOf("/");
    const entry: ActorEntry = {
      namespace: service.slice(0, slash),
      name: service.slice(slash + 1),
      id,
      protocol: "actor",
      ports: [],
      address,
      version: "",
      weight: 1,
      tags: {},
    };
    const row: Row = { service, entry, backend, swept: "" };
    this.#rows.set(name, row);
    this.#options.onChange();
    return row;
  }

  remove(hosting: Hosting): void {
    const name = `${hosting.service}/${hosting.entry.id}`;
    if (this.#rows.get(name) !== hosting) return;
    this.#rows.delete(name);
    this.#options.onChange();
  }

  find(service: ServiceKey, id: string): Hosting | undefined {
    return this.#rows.get(`${service}/${id}`);
  }

  /** An instance id that no other process of this agent has for any of the services. */
  freeId(agentName: string, services: readonly ServiceKey[]): string {
    for (let number = 1; ; number += 1) {
      const suffix = `-${number}`;
      const id = agentName.slice(0, 63 - suffix.length).replace(/-+$/, "") + suffix;
      if (services.every((service) => !this.#rows.has(`${service}/${id}`))) return id;
    }
  }

  all(): Iterable<Hosting> {
    return this.#rows.values();
  }

  entries(): ActorEntry[] {
    return [...this.#rows.values()].map(({ entry }) => entry);
  }

  get isHosting(): boolean {
    return this.#rows.size > 0;
  }

  /** Looks for keys that belong elsewhere now. */
  onView(view: MeshView): void {
    for (const row of this.#rows.values()) {
      const state = this.#options.services.find(row.service, view);
      if (state === undefined) continue;
      const version = placementVersion(state, view);
      if (version === row.swept) continue;
      row.swept = version;
      this.#sweeps = this.#sweeps.filter((sweep) => sweep.row !== row);
      this.#sweeps.push({ row, keys: [...row.backend.keys(row.service)].values() });
    }
    this.#continueSweep();
  }

  #continueSweep(): void {
    if (this.#isSweeping || this.#sweeps.length === 0) return;
    this.#isSweeping = true;
    const { clock } = this.#options;
    clock.at(clock.now(), () => {
      this.#isSweeping = false;
      this.#sweepSlice();
      this.#continueSweep();
    });
  }

  #sweepSlice(): void {
    const { self, services, view } = this.#options;
    const newest = view();
    for (let left = KEYS_PER_SLICE; left > 0; left -= 1) {
      const sweep = this.#sweeps[0];
      if (sweep === undefined) return;
      const { row, keys } = sweep;
      const next = keys.next();
      if (next.done === true) {
        this.#sweeps.shift();
        continue;
      }
      const state = services.find(row.service, newest);
      const owner = state && ownerOf(state, newest, next.value);
      const isHere = owner?.instance.agent === self && owner.id === row.entry.id;
      if (!isHere) row.backend.release(row.service, next.value);
    }
  }
}
