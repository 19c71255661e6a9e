/**
 * Fresh news on its way to others. A rumour rides on every probe and answer that leaves anyway, and
 * is pushed to a few connected members right away. Each is sent a number of times that grows with
 * the logarithm of the cluster (SWIM §4.1); whoever still misses it gets it from a sync. There is
 * one rumour per member and kind: newer news about a member takes the place of older.
 */
import type { NodeId } from "../core/types.ts";

/** Beyond this the most often sent rumour is dropped: the sync carries the rest. */
const RUMOURS_MAX = 1_024;
/** What a probe carries: more would make probes slow. What a push carries: bounded by one page. */
export const PIGGYBACK_BYTES_MAX = 1_200;
export const PUSH_BYTES_MAX = 32 * 1_024;

interface Rumour {
  readonly bytes: Uint8Array;
  /** Who told us: it need not hear it from us. */
  readonly from: NodeId | undefined;
  /** How often it was sent, or heard again; each counts `cost`. */
  sends: number;
  readonly cost: number;
}

export class Rumours {
  /** Rumours by how often they were sent: the least told go first. */
  readonly #tiers: Map<string, Rumour>[] = [new Map()];
  readonly #byKey = new Map<string, Rumour>();
  #hasFresh = false;

  get size(): number {
    return this.#byKey.size;
  }

  /** True once after new rumours: time for a push. */
  takeFresh(): boolean {
    const hasFresh = this.#hasFresh;
    this.#hasFresh = false;
    return hasFresh;
  }

  /**
   * `key` names what the news is about; the newest news under a key wins. With a cost of 2 it is
   * sent half as often.
   */
  add(key: string, bytes: Uint8Array, from: NodeId | undefined, cost = 1): void {
    this.drop(key);
    if (this.#byKey.size >= RUMOURS_MAX) this.#dropMostTold();
    const rumour: Rumour = { bytes, from, sends: 0, cost };
    this.#byKey.set(key, rumour);
    this.#tier(0).set(key, rumour);
    this.#hasFresh = true;
  }

  drop(key: string): void {
    const rumour = this.#byKey.get(key);
    if (rumour === undefined) return;
    this.#byKey.delete(key);
    this.#tier(rumour.sends).delete(key);
  }

  /** Somebody told this node what it is telling itself: one send less is needed. */
  onHeardAgain(key: string, sendsMax: number): void {
    const rumour = this.#byKey.get(key);
    if (rumour !== undefined) this.#countSend(key, rumour, sendsMax);
  }

  clear(): void {
    this.#byKey.clear();
    this.#tiers.length = 0;
    this.#hasFresh = false;
  }

  /** Takes the rumours for one packet to `to` and counts them as sent; spent ones are forgotten. */
  take(to: NodeId, bytesMax: number, sendsMax: number): Uint8Array[] {
    if (this.#byKey.size === 0) return [];
    const taken: [string, Rumour][] = [];
    let room = bytesMax;
    for (const tier of this.#tiers) {
      for (const entry of tier) {
        const { from, bytes } = entry[1];
        if (from === to) continue;
        if (bytes.length > room) {
          room = 0;
          break;
        }
        room -= bytes.length;
        taken.push(entry);
      }
      if (room <= 0) break;
    }
    for (const [key, rumour] of taken) this.#countSend(key, rumour, sendsMax);
    return taken.map(([, rumour]) => rumour.bytes);
  }

  #countSend(key: string, rumour: Rumour, sendsMax: number): void {
    this.drop(key);
    rumour.sends += rumour.cost;
    if (rumour.sends >= sendsMax) return;
    this.#byKey.set(key, rumour);
    this.#tier(rumour.sends).set(key, rumour);
  }

  #tier(sends: number): Map<string, Rumour> {
    while (this.#tiers.length <= sends) this.#tiers.push(new Map());
    return this.#tiers[sends] as Map<string, Rumour>;
  }

  #dropMostTold(): void {
    for (let sends = this.#tiers.length - 1; sends >= 0; sends -= 1) {
      const key = this.#tier(sends).keys().next().value;
      if (key === undefined) continue;
      this.drop(key);
      return;
    }
  }
}
