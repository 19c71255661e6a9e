/**
 * Whether the mesh has come right: every process that runs believes every other one alive and
 * nobody else, all stores are equal, and what each node routes by is what its own tables say. If
 * not, it says who disagrees with whom about what. Machines that the plan leaves broken are not
 * asked; the others must hold them to be gone.
 */
import { instanceKey } from "../membership/document-fields.ts";
import type { Members } from "../membership/members.ts";
import type { Agent } from "./node/agent.ts";
import type { Fleet } from "./node/fleet.ts";
import type { Host } from "./node/host.ts";

/** Disagreements that are named. */
const NAMED_MAX = 12;
const MIRRORS_MAX = 64;
const FORMED_MIRRORS_MAX = 8;

/** Nodes whose derived tables are compared entry by entry. */
export function mirrorsMax(fleet: Fleet): number {
  return fleet.plan.isFormed === true ? FORMED_MIRRORS_MAX : MIRRORS_MAX;
}

/** Empty if all is well. */
export function disagreements(fleet: Fleet): string[] {
  const running = fleet.hosts.filter((host) => host.isRunning && !host.isBroken);
  const found: string[] = [];
  const add = (text: string) => {
    if (found.length < NAMED_MAX) found.push(text);
    return found.length >= NAMED_MAX;
  };
  let agreed: Members | undefined;
  for (const host of running) {
    const table = tableOf(host.agent as Agent);
    if (agreed !== undefined && table.isSameAs(agreed)) continue;
    if (compareMembers(fleet, host, running, add)) return found;
    agreed ??= found.length === 0 ? table : undefined;
  }
  compareRoots(running, add);
  if (found.length > 0) return found;
  compareRegistrations(running, add);
  for (const host of running.slice(0, mirrorsMax(fleet)))
    for (const text of unmirrored(host)) add(text);
  return found;
}

/** True as soon as all members' counts and all roots agree: a cheap test before the thorough one. */
export function looksSettled(fleet: Fleet): boolean {
  let count = 0;
  let root: string | undefined;
  for (const { agent, isBroken } of fleet.hosts) if (agent !== undefined && !isBroken) count += 1;
  for (const { agent, isBroken } of fleet.hosts) {
    if (agent === undefined || isBroken) continue;
    if (agent.lane.isPaused || membersOf(agent) !== count) return false;
    root ??= agent.node.directory.root();
    if (agent.node.directory.root() !== root) return false;
  }
  return true;
}

function tableOf(agent: Agent): Members {
  return agent.node.control.membersTable();
}

function membersOf(agent: Agent): number {
  let members = 0;
  agent.node.control.withMembership((membership) => {
    members = membership.health().members;
  });
  return members;
}

function compareMembers(
  fleet: Fleet,
  host: Host,
  running: readonly Host[],
  add: (text: string) => boolean,
): boolean {
  const { members } = (host.agent as Agent).node.view();
  let alive = 0;
  for (const other of running) {
    const { id, epoch } = other.agent as Agent;
    const member = members.get(id);
    if (member?.state === "alive" && !member.leaving && member.epoch >= epoch) alive += 1;
    else {
      const held = member === undefined ? "nothing" : describe(member);
      if (add(`${host.name} holds ${held} of ${other.name}, which runs`)) return true;
    }
  }
  if (alive < running.length) return false;
  const runs = new Set(running.map((other) => (other.agent as Agent).id));
  for (const member of members.values()) {
    if (member.state !== "alive" && member.state !== "suspect") continue;
    if (runs.has(member.id)) continue;
    const name = `n${fleet.indexOf(member.id)}`;
    if (add(`${host.name} holds ${describe(member)} of ${name}, which does not run`)) return true;
  }
  return false;
}

function describe(member: {
  readonly state: string;
  readonly leaving: boolean;
  readonly epoch: number;
  readonly incarnation: number;
}): string {
  const leaving = member.leaving ? " and leaving" : "";
  return `"${member.state}${leaving}" (epoch ${member.epoch}, incarnation ${member.incarnation})`;
}

function compareRoots(running: readonly Host[], add: (text: string) => boolean): void {
  const byRoot = new Map<string, string[]>();
  for (const host of running) {
    const root = (host.agent as Agent).node.directory.root();
    const names = byRoot.get(root) ?? [];
    byRoot.set(root, names);
    names.push(host.name);
  }
  if (byRoot.size < 2) return;
  for (const [root, names] of byRoot) {
    const shown = names.slice(0, 8).join(" ");
    add(`${names.length} nodes hold directory ${root.slice(0, 8)}: ${shown}`);
  }
}

/** All stores are equal: one of them is compared with what was acknowledged. */
function compareRegistrations(running: readonly Host[], add: (text: string) => boolean): void {
  const first = running[0]?.agent;
  if (first === undefined) return;
  for (const { name, disk, agent } of running) {
    const listed = first.node.directory.get((agent as Agent).id)?.instances ?? [];
    const keys = new Set(listed.map(instanceKey));
    const offered = new Set(disk.registrations.keys());
    for (const { service, entry } of (agent as Agent).node.actors.hostings.all()) {
      offered.add(`${service}/${entry.id}`);
    }
    for (const key of offered) {
      if (!keys.has(key)) add(`the directory lacks ${key}, which ${name} has acknowledged`);
    }
    for (const key of keys) {
      if (!offered.has(key)) add(`the directory still lists ${key} of ${name}`);
    }
  }
}

/** Where what a node routes by differs from its own directory and members. */
export function unmirrored(host: Host): string[] {
  const { node } = host.agent as Agent;
  const view = node.view();
  const found: string[] = [];
  const expected = new Set<string>();
  for (const owner of node.directory.owners()) {
    const state = view.members.get(owner)?.state;
    if (state !== "alive" && state !== "suspect") continue;
    for (const entry of node.directory.get(owner)?.instances ?? []) {
      expected.add(`${instanceKey(entry)} on ${owner}`);
    }
  }
  let count = 0;
  for (const service of view.services.values()) {
    for (const instance of service.instances) {
      count += 1;
      const key = `${instance.service}/${instance.id} on ${instance.agent}`;
      if (!expected.has(key))
        found.push(`${host.name} would route to ${key}, which its tables lack`);
    }
  }
  if (count < expected.size) {
    found.push(`${host.name} routes to ${count} instances; its tables list ${expected.size}`);
  }
  return found;
}
