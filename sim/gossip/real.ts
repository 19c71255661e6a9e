/**
 * The second tier: the real GossipSub class behind the broadcast of simulated nodes, in virtual time.
 * Nothing of the plan's own gossip faults applies to it (a stream loses nothing): what it suffers is
 * what happens to the connections.
 */
import type { NodeId } from "../../core/types.ts";
import type { World } from "../engine/world.ts";
import type { Half } from "../network/stream.ts";
import type { Broadcast, BroadcastSeat } from "../node/broadcast.ts";
import type { SimConnection } from "./connection.ts";
import type { Ground } from "./ground.ts";
import type { Peer } from "./libp2p.ts";
import { type GossipHome, GossipProcess } from "./process.ts";
import type { StreamFrame } from "./stream.ts";

export class RealGossip implements Broadcast, GossipHome {
  readonly seed: number;
  readonly ground: Ground;
  readonly #isFormed: boolean;
  readonly #processes = new Map<BroadcastSeat, GossipProcess>();
  readonly #ends = new Map<Half, { node: GossipProcess; connection: SimConnection }>();
  readonly #peers = new Map<NodeId, Peer>();
  /** Of processes that are gone. */
  #formerDelivered = 0;
  #formerDuplicates = 0;

  /** `isFormed`: all processes start at one moment, and must not keep one heartbeat for that. */
  constructor(world: World, ground: Ground, isFormed: boolean) {
    this.seed = world.seed;
    this.ground = ground;
    this.#isFormed = isFormed;
  }

  get delivered(): number {
    return this.#sum(({ delivered }) => delivered) + this.#formerDelivered;
  }

  get duplicates(): number {
    return this.#sum(({ duplicates }) => duplicates) + this.#formerDuplicates;
  }

  join(seat: BroadcastSeat): void {
    this.#forget();
    const node = new GossipProcess(this, seat);
    this.#processes.set(seat, node);
    if (this.#isFormed) node.startLater();
    else node.start();
  }

  onOpened(seat: BroadcastSeat, peer: NodeId, half: Half): void {
    const node = this.#process(seat);
    const connection = node.prepare(peer, half);
    this.#ends.set(half, { node, connection });
    node.onOpened(connection);
  }

  onClosed(_seat: BroadcastSeat, peer: NodeId, half: Half): void {
    const end = this.#ends.get(half);
    this.#ends.delete(half);
    end?.node.onClosed(peer, end.connection);
  }

  publish(seat: BroadcastSeat, topic: string, message: Uint8Array): void {
    this.#process(seat).publish(topic, message);
  }

  deliver(far: Half, frames: readonly StreamFrame[]): void {
    const end = this.#ends.get(far);
    end?.node.onFrames(end.connection, frames);
  }

  peerOf(id: NodeId): Peer {
    let peer = this.#peers.get(id);
    if (peer === undefined) {
      peer = namedPeer(id);
      this.#peers.set(id, peer);
    }
    return peer;
  }

  #process(seat: BroadcastSeat): GossipProcess {
    const node = this.#processes.get(seat);
    if (node === undefined) throw new Error("assertion failed: the process takes part");
    return node;
  }

  #sum(what: (node: GossipProcess) => number): number {
    let sum = 0;
    for (const node of this.#processes.values()) sum += what(node);
    return sum;
  }

  /** What belonged to processes that were killed. */
  #forget(): void {
    for (const [seat, node] of this.#processes) {
      if (!seat.lane.isOver) continue;
      this.#formerDelivered += node.delivered;
      this.#formerDuplicates += node.duplicates;
      this.#processes.delete(seat);
      for (const [half, end] of this.#ends) if (end.node === node) this.#ends.delete(half);
    }
  }
}

/** GossipSub compares peers and names them, no more: with its signatures off it needs no key. */
function namedPeer(id: NodeId): Peer {
  const peer = { toString: () => id, equals: (other: unknown) => String(other) === id };
  return peer as unknown as Peer;
}
