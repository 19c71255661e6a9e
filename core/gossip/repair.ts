/**
 * Keeps GossipSub alive on connections that stay open. It loses a peer for good when a stream ends
 * at the wrong moment: it may hold on to an outbound stream that is closed, or forget what a peer
 * subscribes to while the peer sees no reason to say it again. So in every round each peer is
 * introduced again (harmless if all is well), one without an open outbound stream is forgotten
 * first, and one whose subscriptions are not known has its inbound streams cut, upon which it opens
 * new ones and repeats them. It knows GossipSub and libp2p by the few methods that it needs, so that
 * the simulator runs it as well.
 */
import type { NodeId } from "../types.ts";

/** Rounds without an outbound stream until the peer is forgotten: a new stream needs a moment. */
const SILENT_ROUNDS_MAX = 2;
/** Rounds after which subscriptions are asked for. A peer may rightly have none of ours: few. */
const ASK_ROUNDS: readonly number[] = [2, 5, 12];

interface Named {
  toString(): string;
}

interface GossipStream {
  readonly direction: string;
  readonly status: string;
  readonly protocol: string;
  abort(error: Error): void;
}

export interface GossipConnection<Peer> {
  readonly remotePeer: Peer;
  readonly streams: readonly GossipStream[];
}

/** GossipSub, as far as it is looked at. */
export interface RepairedGossip {
  readonly protocols: readonly string[];
  getSubscribers(topic: string): readonly Named[];
}

/** What GossipSub has registered with libp2p. */
export interface GossipTopology<Peer, Connection> {
  readonly onConnect?: (peer: Peer, connection: Connection) => unknown;
  readonly onDisconnect?: (peer: Peer) => unknown;
}

interface PeerHealth {
  withoutStream: number;
  withoutTopic: number;
}

export class GossipRepair<Peer extends Named, Connection extends GossipConnection<Peer>> {
  readonly #gossip: RepairedGossip;
  readonly #topics: readonly string[];
  readonly #topologies: () => readonly GossipTopology<Peer, Connection>[];
  #health = new Map<NodeId, PeerHealth>();

  constructor(
    gossip: RepairedGossip,
    topics: readonly string[],
    topologies: () => readonly GossipTopology<Peer, Connection>[],
  ) {
    this.#gossip = gossip;
    this.#topics = topics;
    this.#topologies = topologies;
  }

  /** Tells GossipSub of a connection, without waiting for libp2p's identify. */
  introduce(connection: Connection): void {
    for (const topology of this.#topologies()) {
      topology.onConnect?.(connection.remotePeer, connection);
    }
  }

  /** One round over all peers and their open connections, the newest last. */
  round(peers: ReadonlyMap<NodeId, readonly Connection[]>): void {
    const health = new Map<NodeId, PeerHealth>();
    const known = this.#subscribers();
    for (const [peer, connections] of peers) {
      const before = this.#health.get(peer);
      const now: PeerHealth = {
        withoutStream: this.#hasOutbound(connections) ? 0 : (before?.withoutStream ?? 0) + 1,
        withoutTopic: known.has(peer) ? 0 : (before?.withoutTopic ?? 0) + 1,
      };
      health.set(peer, now);
      this.#repair(connections, now);
    }
    this.#health = health;
  }

  #repair(connections: readonly Connection[], health: PeerHealth): void {
    const newest = connections.at(-1);
    if (newest === undefined) return;
    const forget = health.withoutStream > 0 && health.withoutStream % SILENT_ROUNDS_MAX === 0;
    if (forget) {
      for (const topology of this.#topologies()) topology.onDisconnect?.(newest.remotePeer);
    }
    if (forget || ASK_ROUNDS.includes(health.withoutTopic)) this.#cutInbound(connections);
    this.introduce(newest);
  }

  #subscribers(): Set<NodeId> {
    const all = this.#topics.flatMap((topic) => this.#gossip.getSubscribers(topic));
    return new Set(all.map((peer) => peer.toString() as NodeId));
  }

  #hasOutbound(connections: readonly Connection[]): boolean {
    return connections.some((connection) =>
      connection.streams.some(
        (stream) =>
          stream.direction === "outbound" &&
          stream.status === "open" &&
          this.#gossip.protocols.includes(stream.protocol),
      ),
    );
  }

  #cutInbound(connections: readonly Connection[]): void {
    for (const connection of connections) {
      for (const stream of [...connection.streams]) {
        if (stream.direction !== "inbound") continue;
        if (!this.#gossip.protocols.includes(stream.protocol)) continue;
        stream.abort(new Error("gossip starts anew on this connection"));
      }
    }
  }
}
