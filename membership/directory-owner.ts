/**
 * All that is stored of one owner, and what it adds up to. The parts arrive in any order; a
 * sharded document takes effect when every shard that its head lists is there, and until then the
 * previous one stands, so that a reader never sees half of a change. Health is taken from the part
 * itself or from its vitals, whichever was signed later.
 */
import type { NodeId } from "../core/types.ts";
import type { InstanceEntry, OwnerDocument } from "./document.ts";
import {
  HEAD_PART,
  type OwnerStatement,
  type Statement,
  VITALS_PART,
  type VitalsStatement,
} from "./document-codec.ts";
import { instanceKey } from "./document-fields.ts";

const NONE_FAILING: ReadonlySet<string> = new Set();

export class OwnerRecord {
  readonly owner: NodeId;
  /** In the order of their numbers. */
  readonly parts: readonly Statement[];
  /** The newest complete document; one without instances while the first shards are on the way. */
  readonly document: OwnerDocument | undefined;
  readonly failing: ReadonlySet<string>;

  /** `former` stands until these parts are complete. */
  constructor(owner: NodeId, parts: readonly Statement[], former: OwnerRecord | undefined) {
    this.owner = owner;
    this.parts = parts;
    const { head } = this;
    if (head === undefined) {
      this.document = undefined;
      this.failing = NONE_FAILING;
      return;
    }
    const holders = head.shardSeqs.length === 0 ? [head] : this.#shardsOf(head);
    if (holders === undefined) {
      this.document = former?.document ?? head.document;
      this.failing = former?.failing ?? NONE_FAILING;
      return;
    }
    this.document = holders[0] === head ? head.document : joinedDocument(head, holders);
    const failing = new Set(holders.flatMap((part) => [...this.#failingOf(part)]));
    this.failing = failing.size === 0 ? NONE_FAILING : failing;
  }

  get head(): OwnerStatement | undefined {
    const head = this.part(HEAD_PART);
    return head?.kind === "owner" ? head : undefined;
  }

  part(part: number): Statement | undefined {
    return this.parts.find((statement) => statement.part === part);
  }

  /** With a part replaced; the caller has made sure that it is newer. */
  with(statement: Statement): OwnerRecord {
    const others = this.parts.filter(({ part }) => part !== statement.part);
    const parts = [...others, statement].sort((one, other) => one.part - other.part);
    return new OwnerRecord(this.owner, parts, this);
  }

  without(part: number): OwnerRecord {
    const parts = this.parts.filter((statement) => statement.part !== part);
    return new OwnerRecord(this.owner, parts, this);
  }

  /** True for a part that the head does not count on: left over from another number of shards. */
  isStray(part: number): boolean {
    const shards = this.head?.shardSeqs.length ?? 0;
    const documentPart = part >= VITALS_PART ? part - VITALS_PART : part;
    return documentPart > shards;
  }

  /** The shards that the head lists, or undefined if one is missing or of another moment. */
  #shardsOf(head: OwnerStatement): OwnerStatement[] | undefined {
    const shards: OwnerStatement[] = [];
    for (const [index, seq] of head.shardSeqs.entries()) {
      const shard = this.part(index + 1);
      if (shard?.kind !== "owner" || shard.epoch !== head.epoch || shard.seq !== seq) {
        return undefined;
      }
      shards.push(shard);
    }
    return shards;
  }

  #failingOf(part: OwnerStatement): readonly string[] {
    const vitals = this.part(VITALS_PART + part.part);
    if (vitals?.kind !== "vitals" || !isLater(vitals, part)) return part.failing;
    const listed = new Set(vitals.vitals.failing);
    return part.document.instances.map(instanceKey).filter((key) => listed.has(key));
  }
}

function joinedDocument(head: OwnerStatement, shards: readonly OwnerStatement[]): OwnerDocument {
  return { ...head.document, instances: joined(shards.map((part) => part.document.instances)) };
}

function isLater(vitals: VitalsStatement, part: OwnerStatement): boolean {
  return vitals.epoch > part.epoch || (vitals.epoch === part.epoch && vitals.seq > part.seq);
}

/** A shard may be reused by a later head, so an instance can only stand in one of them. */
function joined(lists: readonly (readonly InstanceEntry[])[]): InstanceEntry[] {
  const all: InstanceEntry[] = [];
  const seen = new Set<string>();
  for (const entry of lists.flat()) {
    const key = instanceKey(entry);
    if (seen.has(key)) continue;
    seen.add(key);
    all.push(entry);
  }
  return all;
}
