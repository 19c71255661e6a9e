/**
 * Puts the parts of an agent together: database, registrations, connections to instances, the mesh
 * node over the two planes, forwards and telemetry. Nothing listens to applications yet.
 */
import { randomInt } from "node:crypto";
import { GrapevineError } from "../../core/errors.ts";
import type {
  AttemptContext,
  Exchange,
  ExchangeObserver,
  RequestHead,
} from "../../core/exchange/contract.ts";
import type { LocalInstance } from "../../core/exchange/inbound.ts";
import { refuse } from "../../core/exchange/refused.ts";
import { Records } from "../../core/records.ts";
import type { ServiceKey } from "../../core/types.ts";
import { MEMBERSHIP_PRESETS } from "../../membership/config.ts";
import { SystemClock } from "../../transport/clock.ts";
import { systemRandom } from "../../transport/entropy.ts";
import { createUpstreams, type Upstreams } from "../../transport/http/upstream.ts";
import { KeyVerifier } from "../../transport/identity/signing.ts";
import { flushAtTurnEnd } from "../../transport/link/link-transport.ts";
import type { AgentState } from "../../transport/storage/state.ts";
import { actorSeams } from "../actors/turns.ts";
import { MeshNode, type NodeSettings } from "../assemble.ts";
import type { AgentConfig } from "../config/config.ts";
import { Registrations } from "../registrations/registrations.ts";
import { watchDescriptors } from "../telemetry/descriptors.ts";
import { EventBus } from "../telemetry/events.ts";
import type { Log } from "../telemetry/log.ts";
import { createMeshMetrics } from "../telemetry/mesh-metrics.ts";
import { Registry } from "../telemetry/metrics.ts";
import { createProcessMetrics } from "../telemetry/process-metrics.ts";
import { VERSION } from "../version.ts";
import { Dials } from "./dials.ts";
import { Learned, registrationStore } from "./durable.ts";
import { Forwards } from "./forwards.ts";
import { observeNode, observeRegistrations } from "./observe.ts";
import { openOutside } from "./outside.ts";
import type { Planes } from "./planes.ts";
import type { Trust } from "./trust.ts";

/** Tells this life from a clone of the same key; fits a double. */
const NONCE_BOUND = 2 ** 47;

export interface AgentParts {
  /** Replaced by a reload. */
  config: AgentConfig;
  readonly log: Log;
  readonly events: EventBus;
  readonly records: Records;
  readonly registry: Registry;
  readonly processMetrics: { close(): void };
  readonly descriptors: { close(): void };
  readonly clock: SystemClock;
  readonly state: AgentState;
  readonly trust: Trust;
  readonly planes: Planes;
  readonly upstreams: Upstreams;
  readonly dials: Dials;
  /** Rejects if the agent must stop at once, and says why. */
  readonly failure: PromiseWithResolvers<never>;
  readonly learned: Learned;
  readonly registrations: Registrations;
  readonly node: MeshNode<LocalInstance>;
  readonly forwards: Forwards;
}

export function buildParts(
  config: AgentConfig,
  log: Log,
  state: AgentState,
  trust: Trust,
  planes: Planes,
): AgentParts {
  const clock = new SystemClock();
  const random = systemRandom();
  const registry = new Registry();
  const upstreams = createUpstreams();
  const { identity } = trust;
  const events = new EventBus(() => Date.now());
  const registrations: Registrations = new Registrations({
    clock,
    random: random.fork("checks"),
    store: registrationStore(state),
    agentName: identity.name,
    allowExecChecks: config.enableExecChecks,
    onChange: ({ entries, failing }) => node.setInstances(entries, failing),
    onEvent: (event) => observeRegistrations(event, log),
  });
  const parts: Omit<AgentParts, "node" | "forwards"> = {
    ...{ config, log, events, registry, clock, state, trust, planes, upstreams, registrations },
    records: new Records(),
    processMetrics: createProcessMetrics(registry),
    descriptors: watchDescriptors((text) => log.root.warn(text)),
    dials: new Dials(),
    failure: Promise.withResolvers<never>(),
    learned: new Learned(state, identity.id),
  };
  const seams = {
    clock,
    random,
    signer: identity.signer,
    verifier: new KeyVerifier(),
    control: planes.control,
    links: planes.links,
    flushSoon: flushAtTurnEnd,
    instances: localInstances(registrations, upstreams, clock),
    outside: openOutside(upstreams),
    actors: actorSeams(() => node),
  };
  const settings = nodeSettings(parts, state.nextEpoch(Date.now()));
  const node: MeshNode<LocalInstance> = new MeshNode(
    seams,
    settings,
    observeNode(parts, () => forwards),
  );
  const forwards: Forwards = new Forwards({
    state,
    front: node.router,
    view: () => node.view(),
    report: (event) => log.component("forward").debug(event),
    isOwn: (socket) => upstreams.owns(socket),
    onChange: (type, { service, listen }) => events.publish(type, { service, detail: listen }),
  });
  createMeshMetrics(registry, meshSources(node, planes), {
    version: VERSION,
    nodeVersion: process.version,
  });
  return Object.assign(parts, { node, forwards });
}

function nodeSettings(parts: Omit<AgentParts, "node" | "forwards">, epoch: number): NodeSettings {
  const { config, trust, planes } = parts;
  const { id, certificate, name, zone, region, trustDomain, dev } = trust.identity;
  return {
    self: id,
    epoch,
    nonce: randomInt(NONCE_BOUND),
    certificate,
    name,
    zone: zone || (config.zone ?? ""),
    region: region || (config.region ?? ""),
    labels: config.labels,
    version: VERSION,
    bind: planes.control.advertised,
    link: planes.linkAdvertised,
    // Many agents of one host share its processors; machines of their own do not.
    membership: MEMBERSHIP_PRESETS[dev ? "local" : "lan"],
    checkCertificate: trust.checkOwner,
    egress: () => parts.config.egress,
    caller: `spiffe://${trustDomain}/node/${name}`,
  };
}

/** Requests for instances of this agent go to where they are registered. */
function localInstances(registrations: Registrations, upstreams: Upstreams, clock: SystemClock) {
  return {
    find: (service: ServiceKey, id: string): LocalInstance | undefined =>
      registrations.served(service, id),
    open: (
      instance: LocalInstance,
      context: AttemptContext,
      request: RequestHead,
      observer: ExchangeObserver,
    ): Exchange => {
      const target = registrations.target(instance.service, instance.id, context.port);
      if (target !== undefined) return upstreams.open(target, request, observer);
      const what = `instance ${instance.id} of ${instance.service}`;
      return refuse(clock, new GrapevineError("not_owner", `${what} was removed`), observer);
    },
  };
}

function meshSources(node: MeshNode<LocalInstance>, planes: Planes) {
  return {
    view: () => node.view(),
    inFlight: () => {
      const counts = new Map<string, number>();
      for (const { service, inFlight } of node.router.snapshot().targets) {
        counts.set(service, (counts.get(service) ?? 0) + inFlight);
      }
      return [...counts].map(([service, count]) => ({ service, count }));
    },
    breakers: () =>
      node.router.snapshot().targets.map(({ service, breaker }) => ({ service, state: breaker })),
    links: () => node.links.snapshot().length,
    connections: () => planes.control.snapshot().connections.length,
  };
}
