/**
 * What the router holds per service: its ring, its targets (the instances with this node's own
 * breaker and latency estimate for each) and its policies. Everything that follows from the view is
 * built once per version of the service and then shared by all requests; targets outlive versions
 * for as long as their instance does.
 */
import { Ring, wholeWeight } from "../ring/ring.ts";
import type { ServiceKey } from "../types.ts";
import type { InstanceView, MeshView, ServiceView } from "../view.ts";
import type { Breaker, LatencyEstimate, RoutingPolicies, ServicePolicies } from "./policy.ts";

/** One instance as this node sees and judges it. */
export interface Target {
  readonly id: string;
  /** 0 where another instance of the same id wins. */
  readonly weight: number;
  readonly instance: InstanceView;
  /** Its weight over the mean weight of the service. */
  readonly share: number;
  readonly breaker: Breaker;
  readonly latency: LatencyEstimate;
}

export interface ServiceState {
  readonly view: ServiceView;
  readonly policies: ServicePolicies;
  readonly ring: Ring<Target>;
  /** All, those without weight and those in conflict included. */
  readonly targets: readonly Target[];
  readonly ports: readonly number[];
  /** Whether all members of the ring have the same weight. */
  readonly even: boolean;
}

export class Services {
  readonly #policies: RoutingPolicies;
  readonly #states = new Map<ServiceKey, ServiceState>();

  constructor(policies: RoutingPolicies) {
    this.#policies = policies;
  }

  /** Undefined if the view does not know the service. */
  find(key: ServiceKey, view: MeshView): ServiceState | undefined {
    const service = view.services.get(key);
    const known = this.#states.get(key);
    if (service === undefined) {
      if (known !== undefined) this.#drop(key, known);
      return undefined;
    }
    if (known?.view === service) return known;
    const state = this.#build(service, known);
    this.#states.set(key, state);
    if (this.#states.size > view.services.size) this.#dropUnknown(view);
    return state;
  }

  /** What is held of a service now, whatever the newest view. */
  peek(key: ServiceKey): ServiceState | undefined {
    return this.#states.get(key);
  }

  /** The states that requests have asked for, in the order in which they did first. */
  all(): Iterable<ServiceState> {
    return this.#states.values();
  }

  #build(view: ServiceView, before: ServiceState | undefined): ServiceState {
    const policies = before?.policies ?? this.#policies.createService(view.key);
    const known = new Map(before?.targets.map((target) => [targetKey(target.instance), target]));
    const weights = routableWeights(view.instances);
    const mean = meanOf(weights.filter((weight) => weight > 0));
    const targets = view.instances.map((instance, at): Target => {
      const key = targetKey(instance);
      const kept = known.get(key);
      known.delete(key);
      const weight = weights[at] as number;
      return {
        id: instance.id,
        weight,
        instance,
        share: weight > 0 ? weight / mean : 1,
        breaker: kept?.breaker ?? policies.createBreaker(),
        latency: kept?.latency ?? policies.createLatency(),
      };
    });
    for (const gone of known.values()) gone.breaker.dispose();
    const ring = new Ring(targets);
    policies.resize(ring.members.length);
    return {
      view,
      policies,
      ring,
      targets,
      ports: [...new Set(view.instances.flatMap((each) => each.ports))].sort((a, b) => a - b),
      even: ring.members.every((target) => target.weight === ring.members[0]?.weight),
    };
  }

  #drop(key: ServiceKey, state: ServiceState): void {
    this.#states.delete(key);
    for (const target of state.targets) target.breaker.dispose();
  }

  #dropUnknown(view: MeshView): void {
    for (const [key, state] of this.#states) if (!view.services.has(key)) this.#drop(key, state);
  }
}

/** The weight of each instance, 0 for those that a conflict keeps out of the ring. */
function routableWeights(instances: readonly InstanceView[]): number[] {
  const seen = new Set<string>();
  return instances.map((instance) => {
    if (instance.conflict || seen.has(instance.id)) return 0;
    const weight = wholeWeight(instance.weight);
    if (weight > 0) seen.add(instance.id);
    return weight;
  });
}

function meanOf(numbers: readonly number[]): number {
  return numbers.reduce((sum, each) => sum + each, 0) / numbers.length;
}

function targetKey(instance: InstanceView): string {
  return `${instance.agent}/${instance.id}`;
}
