/** The members this node is connected with, and when each was last heard. */
import type { Random } from "../core/seams.ts";
import type { Millis, NodeId } from "../core/types.ts";

/** Weight of a new round trip in the smoothed one (RFC 6298). */
const RTT_WEIGHT = 1 / 8;

export interface Peer {
  readonly id: NodeId;
  /** The address this node dialled; undefined if the peer dialled. */
  dialled: string | undefined;
  readonly connectedAt: Millis;
  heardAt: Millis;
  /** Smoothed round trip of probes; undefined before the first. */
  rttMs: number | undefined;
  /** When it was last told that it is held dead or suspect. */
  toldAt: Millis | undefined;
  /** When this node last sent it a sync, and pages of buckets it may still ask for. */
  syncedAt: Millis | undefined;
  remainingBuckets: number;
  /** Records that it is owed in answer to old news, and when that was last counted. */
  corrections: number;
  correctedAt: Millis;
}

export class Peers {
  readonly #byId = new Map<NodeId, Peer>();
  readonly #list: Peer[] = [];
  #lastHeardAt: Millis | undefined;

  get size(): number {
    return this.#list.length;
  }

  /** When any peer was last heard. */
  get lastHeardAt(): Millis | undefined {
    return this.#lastHeardAt;
  }

  get(id: NodeId): Peer | undefined {
    return this.#byId.get(id);
  }

  /** In the order of connecting. */
  all(): IterableIterator<Peer> {
    return this.#byId.values();
  }

  /** The peer's entry and whether it is a new one. */
  add(id: NodeId, dialled: string | undefined, now: Millis): { peer: Peer; isNew: boolean } {
    this.#lastHeardAt = now;
    const known = this.#byId.get(id);
    if (known !== undefined) {
      known.dialled ??= dialled;
      known.heardAt = now;
      return { peer: known, isNew: false };
    }
    const peer: Peer = {
      id,
      dialled,
      connectedAt: now,
      heardAt: now,
      rttMs: undefined,
      toldAt: undefined,
      syncedAt: undefined,
      remainingBuckets: 0,
      corrections: 0,
      correctedAt: now,
    };
    this.#byId.set(id, peer);
    this.#list.push(peer);
    return { peer, isNew: true };
  }

  remove(id: NodeId): boolean {
    const peer = this.#byId.get(id);
    if (peer === undefined) return false;
    this.#byId.delete(id);
    const at = this.#list.indexOf(peer);
    const last = this.#list.pop() as Peer;
    if (last !== peer) this.#list[at] = last;
    return true;
  }

  onHeard(id: NodeId, now: Millis): void {
    const peer = this.#byId.get(id);
    if (peer === undefined) return;
    peer.heardAt = now;
    this.#lastHeardAt = now;
  }

  onRoundTrip(peer: Peer, ms: number): void {
    peer.rttMs = peer.rttMs === undefined ? ms : peer.rttMs + (ms - peer.rttMs) * RTT_WEIGHT;
  }

  /** Up to `count` different random peers for which `fits` holds. */
  draw(count: number, random: Random, fits: (peer: Peer) => boolean): Peer[] {
    const drawn: Peer[] = [];
    let left = this.#list.length;
    while (left > 0 && drawn.length < count) {
      const at = random.below(left);
      const peer = this.#list[at] as Peer;
      left -= 1;
      this.#list[at] = this.#list[left] as Peer;
      this.#list[left] = peer;
      if (fits(peer)) drawn.push(peer);
    }
    return drawn;
  }
}
