/**
 * What this agent believes of the mesh, as gauges that are set from the newest view at each scrape:
 * nothing is counted between scrapes, so a busy membership costs nothing here.
 */
import type { BreakerState } from "../../core/router/policy.ts";
import type { MemberState } from "../../core/types.ts";
import type { MeshView } from "../../core/view.ts";
import type { Registry } from "./metrics.ts";

const MEMBER_STATES: readonly MemberState[] = ["alive", "suspect", "dead", "left"];
const BREAKER_STATES: readonly BreakerState[] = ["closed", "half-open", "open"];

export interface MeshSources {
  view(): MeshView;
  /** Requests that run now, by "namespace/name" ("outside" for those that leave the mesh). */
  inFlight(): Iterable<{ readonly service: string; readonly count: number }>;
  /** The state of each instance's breaker on this agent. */
  breakers(): Iterable<{ readonly service: string; readonly state: BreakerState }>;
  /** Open links of the data plane, and open connections of the control plane. */
  links(): number;
  connections(): number;
}

export interface BuildInfo {
  /** Grapevine's version and Node's ("v24.1.0"). */
  readonly version: string;
  readonly nodeVersion: string;
}

/** Defines the gauges; they are set anew at each scrape of `registry`. */
export function createMeshMetrics(
  registry: Registry,
  sources: MeshSources,
  build: BuildInfo,
): void {
  registry
    .gauge("grapevine_build_info", "What runs here; always 1.", "version", "node_version")
    .with(build.version, build.nodeVersion)
    .set(1);
  gaugeMembers(registry, sources);
  gaugeServices(registry, sources);
  gaugeTraffic(registry, sources);
}

function gaugeMembers(registry: Registry, sources: MeshSources): void {
  const members = registry.gauge("grapevine_members", "Known members, by state.", "state");
  const leaving = registry
    .gauge("grapevine_members_leaving", "Members that are about to leave.")
    .with();
  const viewVersion = registry
    .gauge("grapevine_view_version", "Version of the view of the mesh; grows with each change.")
    .with();
  const connections = registry
    .gauge("grapevine_control_connections", "Open connections of the control plane.")
    .with();
  registry.beforeScrape(() => {
    const view = sources.view();
    const { counts, leavers } = countMembers(view);
    for (const state of MEMBER_STATES) members.with(state).set(counts[state]);
    leaving.set(leavers);
    viewVersion.set(view.version);
    connections.set(sources.connections());
  });
}

function gaugeServices(registry: Registry, sources: MeshSources): void {
  const services = registry.gauge("grapevine_services", "Services that the mesh offers.").with();
  const instances = registry.gauge(
    "grapevine_instances",
    "Instances on members that are not dead or left, by service and health.",
    "service",
    "health",
  );
  const conflicts = registry
    .gauge("grapevine_instance_conflicts", "Instances whose id another agent registered too.")
    .with();
  registry.beforeScrape(() => {
    const view = sources.view();
    services.set(view.services.size);
    instances.clear();
    let clashes = 0;
    for (const service of view.services.values()) {
      let passing = 0;
      for (const instance of service.instances) {
        if (instance.health === "passing") passing += 1;
        if (instance.conflict) clashes += 1;
      }
      instances.with(service.key, "passing").set(passing);
      instances.with(service.key, "failing").set(service.instances.length - passing);
    }
    conflicts.set(clashes);
  });
}

function gaugeTraffic(registry: Registry, sources: MeshSources): void {
  const links = registry.gauge("grapevine_links", "Open links to other agents.").with();
  const inFlight = registry.gauge(
    "grapevine_requests_in_flight",
    "Requests that run now.",
    "service",
  );
  const breakers = registry.gauge(
    "grapevine_breakers",
    "Breakers of instances on this agent, by service and state.",
    "service",
    "state",
  );
  registry.beforeScrape(() => {
    links.set(sources.links());
    inFlight.clear();
    for (const { service, count } of sources.inFlight()) inFlight.with(service).set(count);
    breakers.clear();
    for (const [service, states] of countBreakers(sources)) {
      for (const state of BREAKER_STATES) breakers.with(service, state).set(states[state]);
    }
  });
}

function countMembers(view: MeshView): { counts: Record<MemberState, number>; leavers: number } {
  const counts: Record<MemberState, number> = { alive: 0, suspect: 0, dead: 0, left: 0 };
  let leavers = 0;
  for (const member of view.members.values()) {
    counts[member.state] += 1;
    if (member.leaving) leavers += 1;
  }
  return { counts, leavers };
}

function countBreakers(sources: MeshSources): Map<string, Record<BreakerState, number>> {
  const counts = new Map<string, Record<BreakerState, number>>();
  for (const { service, state } of sources.breakers()) {
    const row = counts.get(service) ?? { closed: 0, "half-open": 0, open: 0 };
    row[state] += 1;
    counts.set(service, row);
  }
  return counts;
}
