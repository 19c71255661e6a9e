/**
 * The connected peers as anti-entropy sees them: what each may still cost, and what this node has
 * learned that it can have from it. Losing all of this costs a session and nothing else.
 */
import type { Random } from "../core/seams.ts";
import type { Millis, NodeId } from "../core/types.ts";
import type { TreeItem } from "./anti-entropy-tree.ts";

/** More connections than libp2p keeps. */
const PEERS_MAX = 1_024;
const ELSEWHERE_DRAWS = 8;

export class SyncPeer {
  readonly id: NodeId;
  /** Items to ask for, a few at a time. */
  wanted: readonly TreeItem[] = [];
  readonly #bytesPerSecond: number;
  readonly #burstBytes: number;
  #budgetBytes: number;
  #budgetAt: Millis;

  constructor(id: NodeId, bytesPerSecond: number, burstBytes: number, now: Millis) {
    this.id = id;
    this.#bytesPerSecond = bytesPerSecond;
    this.#burstBytes = burstBytes;
    this.#budgetBytes = burstBytes;
    this.#budgetAt = now;
  }

  hasBudget(now: Millis): boolean {
    const earned = ((now - this.#budgetAt) / 1000) * this.#bytesPerSecond;
    this.#budgetBytes = Math.min(this.#burstBytes, this.#budgetBytes + earned);
    this.#budgetAt = now;
    return this.#budgetBytes > 0;
  }

  charge(bytes: number): void {
    this.#budgetBytes -= bytes;
  }
}

export class SyncPeers {
  readonly #byId = new Map<NodeId, SyncPeer>();
  readonly #list: NodeId[] = [];

  get size(): number {
    return this.#list.length;
  }

  get(id: NodeId): SyncPeer | undefined {
    return this.#byId.get(id);
  }

  /** False if there are too many. */
  add(peer: SyncPeer): boolean {
    if (this.#byId.has(peer.id)) return true;
    if (this.#byId.size >= PEERS_MAX) return false;
    this.#byId.set(peer.id, peer);
    this.#list.push(peer.id);
    return true;
  }

  remove(id: NodeId): void {
    if (this.#byId.delete(id)) this.#list.splice(this.#list.indexOf(id), 1);
  }

  /** Any peer; one time in four preferably one that is elsewhere. */
  draw(random: Random, isElsewhere: (peer: NodeId) => boolean): NodeId | undefined {
    const any = () => this.#list[random.below(this.#list.length)];
    if (random.below(4) === 0) {
      for (let attempt = 0; attempt < ELSEWHERE_DRAWS; attempt += 1) {
        const peer = any();
        if (peer !== undefined && isElsewhere(peer)) return peer;
      }
    }
    return any();
  }

  /** All peers if they are at most `countMax`, else a run of that many from a random start. */
  some(countMax: number, random: Random): NodeId[] {
    if (this.#list.length <= countMax) return [...this.#list];
    const start = random.below(this.#list.length);
    return [...this.#list.slice(start), ...this.#list.slice(0, start)].slice(0, countMax);
  }
}
