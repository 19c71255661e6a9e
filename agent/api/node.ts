/**
 * What the local API asks of the running agent. Questions are answered from snapshots and never
 * wait; commands resolve when they are done, and throw a GrapevineError whose message the caller is
 * shown as it is.
 */
import type { DecisionRecord } from "../../core/record.ts";
import type { BreakerState } from "../../core/router/policy.ts";
import type { Millis, NodeId, ServiceKey } from "../../core/types.ts";
import type { InstanceView, MeshView } from "../../core/view.ts";
import type { Registration } from "../registrations/registration.ts";
import type { LocalInstance } from "../registrations/registrations.ts";
import type { EventBus } from "../telemetry/events.ts";
import type { Log } from "../telemetry/log.ts";

export interface NodeStatus {
  readonly pid: number;
  readonly name: string;
  readonly id: NodeId;
  readonly version: string;
  readonly uptimeMs: number;
  readonly ready: boolean;
  readonly draining: boolean;
  readonly zone: string;
  readonly region: string;
  /** Open links of the data plane. */
  readonly links: number;
  /** HOST:PORT with the real ports, "off" where a listener is off; the socket's path. */
  readonly addresses: {
    readonly bind: string;
    readonly link: string;
    readonly proxy: string;
    readonly admin: string;
    readonly dns: string;
    readonly socket: string;
  };
}

export interface Activations {
  readonly service: ServiceKey;
  readonly instance: string;
  readonly activations: number;
}

/** A local port that leads to a service, kept by the agent until removed. */
export interface Forward {
  readonly service: ServiceKey;
  /** The service port that is dialled; undefined: see forwardPort. */
  readonly port: number | undefined;
  /** HOST:PORT where the agent listens, with the real port. */
  readonly listen: string;
}

/**
 * The service port that a forward dials now: the one it names, else 80 if the service has it, else
 * the service's lowest, so that a forward may be made before its service is there.
 */
export function forwardPort(forward: Forward, view: MeshView): number {
  if (forward.port !== undefined) return forward.port;
  const service = view.services.get(forward.service);
  const ports = service?.instances.flatMap((instance) => instance.ports) ?? [];
  return ports.length === 0 || ports.includes(80) ? 80 : Math.min(...ports);
}

export interface LocalNode {
  readonly events: EventBus;
  readonly log: Log;

  /** The clock of the view's moments. */
  now(): Millis;
  view(): MeshView;
  status(): NodeStatus;
  /** The breaker of an instance on this agent; "closed" where none was needed yet. */
  breaker(instance: InstanceView): BreakerState;
  /** What is registered with this agent itself. */
  localInstance(service: ServiceKey, id: string): LocalInstance | undefined;

  /** Resolves when durable and usable on this agent. */
  register(registration: Registration): Promise<{ created: boolean; instance: LocalInstance }>;
  deregister(service: ServiceKey, id: string): Promise<LocalInstance>;
  /** The application's word on an instance: feeds its ttl check, renews its lease. */
  report(service: ServiceKey, id: string, ok: boolean, message: string): LocalInstance;

  /** Resolves when a member answered there; throws `join_failed`. */
  join(address: string): Promise<void>;
  /** Drains and leaves; resolves when the mesh was told. The process ends after the answer. */
  leave(): Promise<void>;
  /** Reads the configuration again; resolves with what took effect and what needs a restart. */
  reload(): Promise<{ readonly changed: readonly string[]; readonly ignored: readonly string[] }>;
  /** Forgets a dead or left member, by name or id; throws `not_found` or `conflict`. */
  forget(member: string): Promise<{ readonly id: NodeId; readonly name: string }>;

  /** Actors that live in this agent's process or in those that it offers, by type and instance. */
  activations(): readonly Activations[];

  forwards(): readonly Forward[];
  /** The same again changes nothing; another service on the same address is a `conflict`. */
  addForward(forward: Forward): Promise<{ created: boolean; forward: Forward }>;
  /** Without `listen` every forward to the service; throws `not_found` if there is none. */
  removeForward(service: ServiceKey, listen: string | undefined): Promise<readonly Forward[]>;

  /** The newest records, newest first. */
  records(last: number): readonly DecisionRecord[];
  record(id: string): DecisionRecord | undefined;
}
