/** Answers the local API from the running agent: snapshots for questions, its parts for commands. */
import { GrapevineError } from "../../core/errors.ts";
import type { MemberView } from "../../core/view.ts";
import type { LocalNode, NodeStatus } from "../api/node.ts";
import { VERSION } from "../version.ts";
import type { Agent } from "./agent.ts";
import { reload } from "./reload.ts";

export function createLocalNode(agent: Agent): LocalNode {
  const { parts } = agent;
  const { node, registrations, forwards, records, clock } = parts;
  return {
    events: parts.events,
    log: parts.log,
    now: () => clock.now(),
    view: () => node.view(),
    status: () => status(agent),
    breaker: (instance) => node.router.breakerOf(instance),
    localInstance: (service, id) => registrations.get(service, id),
    register: async (registration) => {
      parts.trust.refuseUncertified(registration.namespace, registration.name);
      refuseConflict(agent, registration.namespace, registration.name, registration.id);
      return await registrations.register(registration);
    },
    deregister: (service, id) => registrations.deregister(service, id),
    report: (service, id, ok, message) => registrations.report(service, id, ok, message),
    join: (address) => join(agent, address),
    leave: async () => {
      await agent.leave();
    },
    reload: () => reload(parts),
    forget: async (member) => forget(agent, member),
    activations: () => node.actors.activations(),
    forwards: () => forwards.list(),
    addForward: (forward) => forwards.add(forward),
    removeForward: (service, listen) => forwards.remove(service, listen),
    records: (last) => records.last(last),
    record: (id) => records.get(id),
  };
}

function status(agent: Agent): NodeStatus {
  const { node, trust } = agent.parts;
  const { id, name } = trust.identity;
  const self = node.view().members.get(id);
  return {
    pid: process.pid,
    name,
    id,
    version: VERSION,
    uptimeMs: process.uptime() * 1_000,
    ready: agent.isReady,
    draining: node.isLeaving,
    zone: self?.zone ?? "",
    region: self?.region ?? "",
    links: node.links.snapshot().length,
    addresses: agent.addresses(),
  };
}

/** One instance id belongs to one agent: the second one would be shown and never used. */
function refuseConflict(
  agent: Agent,
  namespace: string,
  name: string,
  id: string | undefined,
): void {
  const view = agent.parts.node.view();
  const instances = view.services.get(`${namespace}/${name}` as never)?.instances ?? [];
  const holder = instances.find((each) => each.id === id && each.agent !== view.self);
  if (holder === undefined) return;
  throw new GrapevineError(
    "conflict",
    `instance ${id} of ${namespace}/${name} is registered on agent ${holder.agentName}; ` +
      "deregister it there, or choose another instance id",
  );
}

async function join(agent: Agent, address: string): Promise<void> {
  const { node, dials } = agent.parts;
  for (const { bind, state, self } of node.view().members.values()) {
    if (bind !== address || state !== "alive") continue;
    if (self) throw new GrapevineError("join_failed", `${address} is this agent itself`);
    return;
  }
  const answered = dials.answer(address);
  node.join(address);
  await answered;
}

function forget(agent: Agent, wanted: string): Pick<MemberView, "id" | "name"> {
  const { node } = agent.parts;
  const found = [...node.view().members.values()].filter(
    ({ id, name }) => id === wanted || name === wanted,
  );
  const [member] = found;
  if (member === undefined) {
    throw new GrapevineError("not_found", `no member has the name or id ${wanted}`);
  }
  if (found.length > 1) {
    const ids = found.map(({ id }) => id).join(", ");
    throw new GrapevineError("conflict", `${found.length} members are named ${wanted}: ${ids}`);
  }
  if (!node.forget(member.id)) {
    throw new GrapevineError(
      "conflict",
      `${member.name} is ${member.state}; only members that are dead or have left can be forgotten`,
    );
  }
  return { id: member.id, name: member.name };
}
