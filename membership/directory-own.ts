/**
 * What this node says of itself: decides when its own statements are signed and published, and
 * with which (epoch, seq). Document and vitals are paced separately, see publish-pace.ts. A statement of its own that it does not know, from a
 * former life or a clone, is outrun: the next one stands above it.
 */
import { assert } from "../core/assert.ts";
import { encode } from "../core/codec.ts";
import type { Random, Signer } from "../core/seams.ts";
import type { Millis, NodeId, WallMillis } from "../core/types.ts";
import type { InstanceEntry, OwnerDocument } from "./document.ts";
import {
  divideInstances,
  faultOfOwnContent,
  HEAD_PART,
  type StatementOrder,
  signOwnerPart,
  signVitalsPart,
  VITALS_PART,
} from "./document-codec.ts";
import { instanceKey, type OwnContent, SEQ_MAX } from "./document-fields.ts";
import { PublishPace } from "./publish-pace.ts";

export interface OwnConfig {
  readonly self: NodeId;
  readonly epoch: number;
  readonly nonce: number;
  readonly leaseMs: number;
  readonly publishIntervalMs: number;
}

interface Shard {
  readonly part: number;
  readonly seq: number;
  readonly notAfter: number;
  /** The encoded instances with their health: the shard is signed again when this changes. */
  readonly bytes: Uint8Array;
}

/** Refreshed at a random moment between these parts of the lease. */
const REFRESH_FROM = 1 / 3;
const REFRESH_SPAN = 1 / 6;

export class OwnStatements {
  readonly #config: OwnConfig;
  readonly #random: Random;
  readonly #signer: Signer;
  #content: OwnContent | undefined;
  #contentBytes = new Uint8Array();
  #failing: ReadonlySet<string> = new Set();
  #epoch: number;
  #seq = 0;
  #notAfter = 0;
  #shards: readonly Shard[] = [];
  #documentDueAt: Millis | undefined;
  #vitalsDueAt: Millis | undefined;
  readonly #documentPace: PublishPace;
  readonly #vitalsPace: PublishPace;

  constructor(config: OwnConfig, random: Random, signer: Signer) {
    this.#config = config;
    this.#random = random;
    this.#signer = signer;
    this.#epoch = config.epoch;
    this.#documentPace = new PublishPace(config.publishIntervalMs);
    this.#vitalsPace = new PublishPace(config.publishIntervalMs);
  }

  /** True if it differs from what was set before; then it is due. */
  setContent(content: OwnContent, now: Millis): boolean {
    const fault = faultOfOwnContent(content);
    assert(fault === undefined, `publishable registrations: ${fault}`);
    const bytes = new Uint8Array(encode(content));
    if (this.#content !== undefined && isEqual(bytes, this.#contentBytes)) return false;
    this.#content = content;
    this.#contentBytes = bytes;
    this.#documentDueAt = this.#documentPace.nextAfter(now);
    return true;
  }

  /** True if it differs from what was set before; instances not registered yet may be named. */
  setFailing(failing: readonly string[], now: Millis): boolean {
    const next = new Set(failing);
    if (next.size === this.#failing.size && failing.every((key) => this.#failing.has(key))) {
      return false;
    }
    this.#failing = next;
    if (this.#content !== undefined) this.#vitalsDueAt = this.#vitalsPace.nextAfter(now);
    return true;
  }

  /** As it will be published, before it is; undefined until content was set. */
  document(): OwnerDocument | undefined {
    if (this.#content === undefined) return undefined;
    const { self: owner, nonce } = this.#config;
    const order = { owner, epoch: this.#epoch, seq: this.#seq, nonce, notAfter: this.#notAfter };
    return { ...this.#content, ...order };
  }

  failing(): ReadonlySet<string> {
    const own = this.#content?.instances.map(instanceKey) ?? [];
    return new Set(own.filter((key) => this.#failing.has(key)));
  }

  /** True if `order` is not below everything that was issued here. */
  isAhead(order: Pick<StatementOrder, "epoch" | "seq">): boolean {
    return order.epoch > this.#epoch || (order.epoch === this.#epoch && order.seq >= this.#seq);
  }

  /** Makes the next statement stand above `order`, and due not before `notBefore`. */
  outrun(order: Pick<StatementOrder, "epoch" | "seq">, notBefore: Millis): void {
    if (!this.isAhead(order)) return;
    this.#epoch = order.seq >= SEQ_MAX ? order.epoch + 1 : order.epoch;
    this.#seq = order.seq >= SEQ_MAX ? 0 : order.seq;
    this.#shards = [];
    if (this.#content === undefined) return;
    const due = this.#documentPace.nextAfter(notBefore);
    if (this.#documentDueAt === undefined || due < this.#documentDueAt) this.#documentDueAt = due;
  }

  nextDeadline(): Millis | undefined {
    if (this.#documentDueAt === undefined) return this.#vitalsDueAt;
    if (this.#vitalsDueAt === undefined) return this.#documentDueAt;
    return Math.min(this.#documentDueAt, this.#vitalsDueAt) as Millis;
  }

  /** Signs what is due, shards before their head. Empty if nothing is. */
  issue(now: Millis, wall: WallMillis): Uint8Array[] {
    const content = this.#content;
    if (content === undefined) return [];
    if (this.#documentDueAt !== undefined && now >= this.#documentDueAt) {
      return this.#issueDocument(content, now, wall);
    }
    if (this.#vitalsDueAt !== undefined && now >= this.#vitalsDueAt) {
      return this.#issueVitals(content, now);
    }
    return [];
  }

  #issueDocument(content: OwnContent, now: Millis, wall: WallMillis): Uint8Array[] {
    const { leaseMs } = this.#config;
    this.#notAfter = Math.max(0, Math.floor(wall + leaseMs));
    const messages: Uint8Array[] = [];
    const divided = divideInstances(content);
    assert(divided !== "too_large", "setContent has refused what does not fit");
    this.#shards = (divided ?? []).map((instances, index) =>
      this.#issueShard(index + 1, content, instances, messages),
    );
    const head = { ...content, instances: divided === undefined ? content.instances : [] };
    const seqs = this.#shards.map((shard) => shard.seq);
    messages.push(this.#sign(HEAD_PART, head, seqs));
    this.#documentPace.onPublish(now);
    this.#documentDueAt = this.#refreshAt(now);
    // Every part says how its instances are, unless it was left as it stood.
    if (divided === undefined) this.#vitalsDueAt = undefined;
    return messages;
  }

  #issueShard(
    part: number,
    content: OwnContent,
    instances: readonly InstanceEntry[],
    messages: Uint8Array[],
  ): Shard {
    const failing = failingOf(instances, this.#failing);
    const bytes = new Uint8Array(encode([{ ...content, instances }, failing]));
    const former = this.#shards[part - 1];
    const isFresh =
      former !== undefined &&
      former.notAfter > this.#notAfter - this.#config.leaseMs * REFRESH_FROM;
    if (isFresh && isEqual(former.bytes, bytes)) return former;
    messages.push(this.#sign(part, { ...content, instances }, []));
    return { part, seq: this.#seq, notAfter: this.#notAfter, bytes };
  }

  #sign(part: number, content: OwnContent, shardSeqs: readonly number[]): Uint8Array {
    this.#advance();
    const { self: owner, nonce } = this.#config;
    const order = { owner, epoch: this.#epoch, seq: this.#seq, nonce, notAfter: this.#notAfter };
    return signOwnerPart(part, order, content, shardSeqs, this.#failing, this.#signer);
  }

  #issueVitals(content: OwnContent, now: Millis): Uint8Array[] {
    this.#vitalsDueAt = undefined;
    this.#vitalsPace.onPublish(now);
    const divided = divideInstances(content);
    assert(divided !== "too_large", "setContent has refused what does not fit");
    // Content that waits for its turn would be divided otherwise; it will carry the health itself.
    if ((divided?.length ?? 0) !== this.#shards.length || this.#seq === 0) return [];
    const parts = divided ?? [content.instances];
    return parts.map((instances, index) => {
      this.#advance();
      const failing = failingOf(instances, this.#failing);
      const part = VITALS_PART + (divided === undefined ? HEAD_PART : index + 1);
      const order = { owner: this.#config.self, epoch: this.#epoch, seq: this.#seq };
      return signVitalsPart(part, { ...order, failing }, this.#signer);
    });
  }

  #advance(): void {
    this.#seq += 1;
    if (this.#seq < SEQ_MAX) return;
    this.#epoch += 1;
    this.#seq = 1;
  }

  #refreshAt(now: Millis): Millis {
    const part = REFRESH_FROM + REFRESH_SPAN * this.#random.float();
    return (now + this.#config.leaseMs * part) as Millis;
  }
}

function failingOf(instances: readonly InstanceEntry[], failing: ReadonlySet<string>): string[] {
  return instances.map(instanceKey).filter((key) => failing.has(key));
}

function isEqual(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && one.every((byte, at) => byte === other[at]);
}
