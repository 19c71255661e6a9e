/** Views of a small mesh, for tests of what reads them. */
import { serviceKey } from "../../core/names.ts";
import type { Millis, NodeId, ServiceKey } from "../../core/types.ts";
import type { InstanceView, MemberView, MeshView, ServiceView } from "../../core/view.ts";

export function nodeId(name: string): NodeId {
  return `id-${name}` as NodeId;
}

export function memberView(name: string, changes: Partial<MemberView> = {}): MemberView {
  return {
    id: nodeId(name),
    name,
    state: "alive",
    leaving: false,
    self: false,
    bind: "127.0.0.1:7946",
    link: "127.0.0.1:7947",
    zone: "z1",
    region: "",
    epoch: 1,
    incarnation: 0,
    version: "0.1.0",
    since: 1_000 as Millis,
    ...changes,
  };
}

export function instanceView(
  service: string,
  id: string,
  agent: string,
  changes: Partial<InstanceView> = {},
): InstanceView {
  return {
    id,
    service: serviceKey("default", service),
    agent: nodeId(agent),
    agentName: agent,
    protocol: "http",
    ports: [80],
    address: "127.0.0.1:8080",
    version: "",
    weight: 1,
    tags: {},
    health: "passing",
    zone: "z1",
    region: "",
    since: 1_000 as Millis,
    conflict: false,
    ...changes,
  };
}

/** The first member that is marked as self is the viewer. */
export function meshView(content: {
  members?: readonly MemberView[];
  instances?: readonly InstanceView[];
  version?: number;
}): MeshView {
  const members = content.members ?? [memberView("a", { self: true })];
  const services = new Map<ServiceKey, ServiceView>();
  for (const instance of content.instances ?? []) {
    const key = instance.service;
    const [namespace = "", name = ""] = key.split("/");
    const instances = [...(services.get(key)?.instances ?? []), instance];
    services.set(key, { key, namespace, name, protocol: instance.protocol, instances });
  }
  return {
    version: content.version ?? 1,
    self: members.find((member) => member.self)?.id ?? nodeId("a"),
    members: new Map(members.map((member) => [member.id, member])),
    services,
  };
}
