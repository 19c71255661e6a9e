/**
 * A mesh that has long since formed: every node begins with the tables that joining would have led
 * to, and only makes its connections. All nodes share what is equal, which is what lets ten thousand
 * of them fit into one process.
 */
import { FingerprintTree } from "../../membership/anti-entropy-tree.ts";
import { Members } from "../../membership/members.ts";
import { type Agent, REGION } from "./agent.ts";
import { type Written, writtenKey } from "./disk.ts";
import type { Fleet } from "./fleet.ts";

/** All nodes have started and have published; none has met another. */
export function formMesh(fleet: Fleet): void {
  const agents = fleet.hosts.flatMap(({ agent }) => (agent === undefined ? [] : [agent]));
  const first = agents[0];
  if (first === undefined) return;
  const now = first.clock.now();
  const members = new Members(fleet.registry, now);
  const store = new FingerprintTree();
  for (const agent of agents) {
    agent.node.control.withMembership((membership) => {
      members.apply(membership.ownStatement, now);
    });
    for (const record of agent.node.directory.store.records()) {
      for (const statement of record.parts) store.put(statement);
    }
  }
  const documents = documentsOf(store, fleet.world.now);
  for (const agent of agents) takeOver(agent, members, store, documents);
}

function takeOver(
  { node, host, control }: Agent,
  members: Members,
  store: FingerprintTree,
  documents: ReadonlyMap<string, Written>,
): void {
  node.control.takeOver(members, store, [REGION]);
  control.isForming = false;
  host.disk.beginWith(documents);
}

function documentsOf(store: FingerprintTree, at: number): ReadonlyMap<string, Written> {
  const documents = new Map<string, Written>();
  for (const { owner, parts } of store.records()) {
    for (const { kind, part, message } of parts) {
      if (kind === "owner") documents.set(writtenKey(owner, part), { owner, message, at });
    }
  }
  return documents;
}
