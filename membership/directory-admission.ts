/**
 * The gates before the directory's store: what was refused is remembered by hash for a while, so
 * that anti-entropy does not fetch a poisonous document again and again, and each owner may push
 * only so often, so that one owner that changes without end cannot occupy the mesh.
 */
import type { Millis, NodeId } from "../core/types.ts";

interface Refusal {
  readonly owner: NodeId | undefined;
  readonly reason: string;
  readonly until: Millis;
  /** True where the verdict may change with time or with the owner's state. */
  readonly isTemporary: boolean;
}

/** Refused messages by hash; bounded, the oldest are forgotten first. */
export class Quarantine {
  readonly #entries = new Map<string, Refusal>();
  readonly #sizeMax: number;

  constructor(sizeMax: number) {
    this.#sizeMax = sizeMax;
  }

  get size(): number {
    return this.#entries.size;
  }

  add(hash: string, refusal: Refusal): void {
    this.#entries.delete(hash);
    if (this.#entries.size >= this.#sizeMax) {
      const oldest = this.#entries.keys().next().value;
      if (oldest !== undefined) this.#entries.delete(oldest);
    }
    this.#entries.set(hash, refusal);
  }

  has(hash: string, now: Millis): boolean {
    const entry = this.#entries.get(hash);
    if (entry === undefined) return false;
    if (now < entry.until) return true;
    this.#entries.delete(hash);
    return false;
  }

  /** Forgets what was refused only because of the owner's state at the time. */
  releaseTemporary(owner: NodeId): void {
    for (const [hash, entry] of this.#entries) {
      if (entry.isTemporary && entry.owner === owner) this.#entries.delete(hash);
    }
  }
}

interface Bucket {
  tokens: number;
  at: Millis;
}

/** A token bucket per owner; an owner whose bucket is full again takes no memory. */
export class PushLimiter {
  readonly #buckets = new Map<NodeId, Bucket>();
  readonly #perSecond: number;
  readonly #burst: number;
  readonly #ownersMax: number;

  constructor(perSecond: number, burst: number, ownersMax: number) {
    this.#perSecond = perSecond;
    this.#burst = burst;
    this.#ownersMax = ownersMax;
  }

  /** Takes `cost` tokens; false if there are none left. */
  take(owner: NodeId, cost: number, now: Millis): boolean {
    const bucket = this.#buckets.get(owner) ?? { tokens: this.#burst, at: now };
    const earned = ((now - bucket.at) / 1000) * this.#perSecond;
    bucket.tokens = Math.min(this.#burst, bucket.tokens + earned);
    bucket.at = now;
    this.#buckets.delete(owner);
    if (this.#buckets.size >= this.#ownersMax) this.#dropOldest();
    this.#buckets.set(owner, bucket);
    if (bucket.tokens < cost) return false;
    bucket.tokens -= cost;
    return true;
  }

  /** Forgets owners whose bucket has filled up again; they stand first, being used longest ago. */
  prune(now: Millis): void {
    const fullAfterMs = (this.#burst / this.#perSecond) * 1000;
    for (const [owner, bucket] of this.#buckets) {
      if (now - bucket.at < fullAfterMs) return;
      this.#buckets.delete(owner);
    }
  }

  #dropOldest(): void {
    const oldest = this.#buckets.keys().next().value;
    if (oldest !== undefined) this.#buckets.delete(oldest);
  }
}
