/**
 * Whether real agents have come right: each lists every other one alive in its newest life, and all
 * list exactly the instances that were acknowledged. If not, it says who disagrees with whom about
 * what. What the simulator reads from tables, this asks for over the local sockets.
 */
import { createHash } from "node:crypto";
import type { MemberShape, ServiceShape } from "../../../agent/api/shapes.ts";
import type { AgentProcess } from "./agent-process.ts";

/** Disagreements that are named. */
const NAMED_MAX = 12;

export interface Listing {
  readonly agent: AgentProcess;
  readonly members: readonly MemberShape[];
  /** namespace/service/id, in order. */
  readonly instances: readonly string[];
  readonly root: string;
}

export async function takeListings(agents: readonly AgentProcess[]): Promise<Listing[]> {
  return await Promise.all(agents.map(takeListing));
}

async function takeListing(agent: AgentProcess): Promise<Listing> {
  const client = agent.life?.client;
  const members = (await client?.get("/v1/members")) as readonly MemberShape[] | undefined;
  const services = (await client?.get("/v1/services")) as readonly ServiceShape[] | undefined;
  const placed = (services ?? []).flatMap(({ namespace, name, instances }) =>
    instances.map((instance) => ({ ...instance, key: `${namespace}/${name}/${instance.id}` })),
  );
  const places = placed.map(({ key, agent: owner }) => `${key} on ${owner}`).sort();
  const root = createHash("sha256").update(places.join("\n")).digest("hex").slice(0, 16);
  return { agent, members: members ?? [], instances: placed.map(({ key }) => key).sort(), root };
}

/** Empty if all is well. */
export function disagreements(
  listings: readonly Listing[],
  acknowledged: readonly ReadonlySet<string>[],
): string[] {
  const found = [...compareMembers(listings), ...compareRoots(listings)];
  const first = listings[0];
  if (found.length === 0 && first !== undefined) {
    const expected = new Set(acknowledged.flatMap((keys) => [...keys]));
    for (const key of expected) {
      if (!first.instances.includes(key)) found.push(`nobody lists ${key}, which was acknowledged`);
    }
    for (const key of first.instances) {
      if (!expected.has(key)) found.push(`${key} is still listed`);
    }
  }
  return found.slice(0, NAMED_MAX);
}

function compareMembers(listings: readonly Listing[]): string[] {
  const found: string[] = [];
  const epochs = new Map(
    listings.map(({ agent, members }) => [
      agent.id as string,
      members.find(({ self }) => self)?.epoch ?? Number.POSITIVE_INFINITY,
    ]),
  );
  for (const { agent, members } of listings) {
    const held = new Map(members.map((member) => [member.id as string, member]));
    for (const { agent: other } of listings) {
      const member = held.get(other.id);
      const isNewest = member !== undefined && member.epoch >= (epochs.get(other.id) ?? 0);
      if (member?.status === "alive" && !member.leaving && isNewest) continue;
      const what =
        member === undefined
          ? "nothing"
          : `"${member.status}${member.leaving ? " and leaving" : ""}" (epoch ${member.epoch})`;
      found.push(`${agent.name} holds ${what} of ${other.name}, which runs`);
    }
  }
  return found;
}

function compareRoots(listings: readonly Listing[]): string[] {
  const byRoot = Map.groupBy(listings, ({ root }) => root);
  if (byRoot.size < 2) return [];
  return [...byRoot.values()].map(
    (same) =>
      `${same[0]?.instances.length} instances are listed by ` +
      same.map(({ agent }) => agent.name).join(" "),
  );
}
