/**
 * The JSON of the local API: what scripts rely on. Each function makes one documented shape from
 * what the agent knows; durations are milliseconds up to now.
 */
import { actorTypeOf } from "../../core/actors/definition.ts";
import type { BreakerState } from "../../core/router/policy.ts";
import type { Millis } from "../../core/types.ts";
import type { InstanceView, MemberView, MeshView, ServiceView } from "../../core/view.ts";
import { describeTarget } from "../registrations/registration.ts";
import type { LocalInstance } from "../registrations/registrations.ts";
import type { LocalNode } from "./node.ts";

export type MemberShape = Omit<MemberView, "state" | "since"> & {
  readonly status: MemberView["state"];
  /** How long it has been in this state. */
  readonly sinceMs: number;
};

export interface CheckShape {
  readonly type: string;
  readonly message: string;
  /** Since the newest result; null before the first. */
  readonly checkedAgoMs: number | null;
}

export interface InstanceShape {
  readonly id: string;
  readonly agent: string;
  readonly address: string;
  readonly version: string;
  readonly weight: number;
  readonly tags: Readonly<Record<string, string>>;
  readonly health: InstanceView["health"];
  readonly ageMs: number;
  readonly breaker: BreakerState;
  readonly zone: string;
  /** True where another agent registered the same id and wins. */
  readonly conflict: boolean;
  /** Present on instances of this agent that have a check. */
  readonly check?: CheckShape;
}

export interface ServiceShape {
  readonly namespace: string;
  readonly name: string;
  readonly protocol: ServiceView["protocol"];
  readonly ports: readonly number[];
  readonly instances: readonly InstanceShape[];
}

export interface LocalInstanceShape {
  readonly namespace: string;
  readonly name: string;
  readonly id: string;
  readonly protocol: ServiceView["protocol"];
  readonly address: string;
  readonly ports: readonly { readonly servicePort: number; readonly address: string }[];
  readonly version: string;
  readonly weight: number;
  readonly tags: Readonly<Record<string, string>>;
  readonly health: InstanceView["health"];
  readonly origin: "api" | "config";
  readonly ageMs: number;
  readonly leaseMs?: number;
  readonly check?: CheckShape;
}

/** This agent first, then by name and id. */
export function membersShape(view: MeshView, now: Millis): MemberShape[] {
  return [...view.members.values()].sort(compareMembers).map((member) => {
    const { state, since, name, id, leaving, self, bind, link, zone, region } = member;
    const { epoch, incarnation, version } = member;
    const sinceMs = elapsed(since, now);
    return {
      ...{ name, id, status: state, leaving, self, bind, link, zone, region },
      ...{ epoch, incarnation, version, sinceMs },
    };
  });
}

function compareMembers(left: MemberView, right: MemberView): number {
  if (left.self !== right.self) return left.self ? -1 : 1;
  if (left.name !== right.name) return left.name < right.name ? -1 : 1;
  return left.id < right.id ? -1 : 1;
}

/** By namespace and name; actor types are shown apart. */
export function servicesShape(node: LocalNode): ServiceShape[] {
  const services = [...node.view().services.values()].filter(
    ({ protocol }) => protocol !== "actor",
  );
  services.sort((left, right) => (left.key < right.key ? -1 : 1));
  return services.map((service) => serviceShape(service, node));
}

export function serviceShape(service: ServiceView, node: LocalNode): ServiceShape {
  const { namespace, name, protocol, instances } = service;
  const ports = new Set(instances.flatMap((instance) => instance.ports));
  return {
    namespace,
    name,
    protocol,
    ports: [...ports].sort((left, right) => left - right),
    instances: instances.map((instance) => instanceShape(instance, node)),
  };
}

/** An actor type and the processes that host it. */
export interface ActorTypeShape {
  /** "counter", "shop/cart". */
  readonly type: string;
  readonly hosts: readonly {
    readonly instance: string;
    readonly agent: string;
    readonly address: string;
    /** Actors that are alive there; null for hosts of other agents, which alone know it. */
    readonly activations: number | null;
    readonly ageMs: number;
    readonly breaker: BreakerState;
    readonly conflict: boolean;
  }[];
}

/** By type. */
export function actorsShape(node: LocalNode): ActorTypeShape[] {
  const now = node.now();
  const counts = new Map(
    node.activations().map((each) => [`${each.service}/${each.instance}`, each.activations]),
  );
  const { services, self } = node.view();
  const types = [...services.values()].filter(({ protocol }) => protocol === "actor");
  types.sort((left, right) => (left.key < right.key ? -1 : 1));
  return types.map(({ key, instances }) => ({
    type: actorTypeOf(key),
    hosts: instances.map((instance) => ({
      instance: instance.id,
      agent: instance.agentName === "" ? instance.agent : instance.agentName,
      address: instance.address,
      activations: instance.agent === self ? (counts.get(`${key}/${instance.id}`) ?? 0) : null,
      ageMs: elapsed(instance.since, now),
      breaker: node.breaker(instance),
      conflict: instance.conflict,
    })),
  }));
}

function instanceShape(instance: InstanceView, node: LocalNode): InstanceShape {
  const { id, agent, agentName, service, address, version, weight, tags, health } = instance;
  const { zone, conflict } = instance;
  const now = node.now();
  const local = agent === node.view().self ? node.localInstance(service, id) : undefined;
  const check = local === undefined ? undefined : checkShape(local, now);
  return {
    ...{ id, agent: agentName === "" ? agent : agentName, address, version, weight, tags, health },
    ageMs: elapsed(instance.since, now),
    breaker: node.breaker(instance),
    ...{ zone, conflict },
    ...(check === undefined ? {} : { check }),
  };
}

export function localInstanceShape(instance: LocalInstance, now: Millis): LocalInstanceShape {
  const { namespace, name, id, entry, ports, health, origin, leaseMs } = instance;
  const check = checkShape(instance, now);
  return {
    ...{ namespace, name, id, protocol: entry.protocol, address: entry.address },
    ports: ports.map(({ servicePort, target }) => ({
      servicePort,
      address: describeTarget(target),
    })),
    ...{ version: entry.version, weight: entry.weight, tags: entry.tags, health, origin },
    ageMs: elapsed(instance.since, now),
    ...(leaseMs === undefined ? {} : { leaseMs }),
    ...(check === undefined ? {} : { check }),
  };
}

function checkShape(instance: LocalInstance, now: Millis): CheckShape | undefined {
  const { check, checkStatus } = instance;
  if (check === undefined || checkStatus === undefined) return undefined;
  const { message, checked } = checkStatus;
  const checkedAgoMs = checked === undefined ? null : elapsed(checked, now);
  return { type: check.type, message, checkedAgoMs };
}

export function statusShape(node: LocalNode): Record<string, unknown> {
  const view = node.view();
  const members = { alive: 0, suspect: 0, dead: 0, left: 0 };
  for (const member of view.members.values()) members[member.state] += 1;
  const { pid, name, id, version, uptimeMs, ready, draining, links, ...rest } = node.status();
  return {
    ...{ pid, name, id, version, uptimeMs: Math.round(uptimeMs), ready, draining, members },
    services: view.services.size,
    links,
    ...rest,
  };
}

function elapsed(since: Millis, now: Millis): number {
  return Math.max(0, Math.round(now - since));
}
