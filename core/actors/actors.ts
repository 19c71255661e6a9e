/** The actor side of one mesh node: what it hosts, where its calls go, and how it takes leave. */
import type { DecisionRecord } from "../record.ts";
import type { RoutingPolicies } from "../router/policy.ts";
import type { Services } from "../router/services.ts";
import type { Clock, Random } from "../seams.ts";
import type { NodeId, ServiceKey } from "../types.ts";
import type { MeshView } from "../view.ts";
import { type AnyActorDefinition, actorService } from "./definition.ts";
import { ActorHost, type HostedTypeSnapshot } from "./host.ts";
import { type Hosting, Hostings } from "./hostings.ts";
import { ActorRouter, type ActorRouterOptions } from "./router.ts";

export interface ActorsOptions {
  readonly self: NodeId;
  readonly clock: Clock;
  readonly random: Random;
  /** Calls back before anything else happens; and at the end of the event-loop turn. */
  readonly soon: (callback: () => void) => void;
  readonly later: (callback: () => void) => void;
  readonly view: () => MeshView;
  readonly services: Services;
  readonly judgeError: RoutingPolicies["judgeError"];
  readonly send: ActorRouterOptions["send"];
  readonly onRecord: (record: DecisionRecord) => void;
  /** What this node offers has changed. */
  readonly onChange: () => void;
  readonly onTimerFailed: (type: string, key: string, thrown: unknown) => void;
  /** Makes the reference that an actor gets from its context. */
  readonly reference: (definition: AnyActorDefinition, key: string) => unknown;
}

export class Actors {
  readonly hostings: Hostings;
  readonly router: ActorRouter;
  readonly #host: ActorHost;

  constructor(options: ActorsOptions) {
    const { self, clock, random, services, view } = options;
    this.hostings = new Hostings({ self, clock, services, view, onChange: options.onChange });
    this.router = new ActorRouter({
      ...{ self, clock, services, view, hostings: this.hostings },
      random: random.fork("call ids"),
      judgeError: options.judgeError,
      send: options.send,
      onRecord: options.onRecord,
    });
    this.#host = new ActorHost({
      clock,
      random: random.fork("actors"),
      soon: options.soon,
      later: options.later,
      onHomeless: (call) => this.router.rehome(call),
      reference: options.reference,
      onTimerFailed: options.onTimerFailed,
    });
  }

  /** Hosts types in this process as instance `id`. Throws `conflict` or `too_large`. */
  host(definitions: readonly AnyActorDefinition[], id: string, address: string): void {
    const hosted: Hosting[] = [];
    try {
      for (const definition of definitions) {
        const service = actorService(definition.name);
        this.#host.add(service, definition);
        hosted.push(this.hostings.add(service, id, address, this.#host));
      }
    } catch (error) {
      for (const hosting of hosted) this.hostings.remove(hosting);
      throw error;
    }
  }

  onView(view: MeshView): void {
    this.hostings.onView(view);
  }

  /** Ends every activation after its running turn; `done` follows. Others own the keys by then. */
  drain(done: () => void): void {
    this.#host.drain(done);
  }

  /** Calls of peers that are under way here, in this process or in those that it offers. */
  get inbound(): number {
    return this.router.inbound;
  }

  stop(): void {
    this.#host.stop();
  }

  /** What lives in this process. */
  snapshot(): readonly HostedTypeSnapshot[] {
    return this.#host.snapshot();
  }

  /** Activations of a type by instance, for all processes that this agent offers. */
  activations(): readonly {
    readonly service: ServiceKey;
    readonly instance: string;
    readonly activations: number;
  }[] {
    return [...this.hostings.all()].map(({ service, entry, backend }) => ({
      service,
      instance: entry.id,
      activations: backend.count(service),
    }));
  }
}
