/**
 * The real GossipSub class in one simulated process, with production's settings and production's
 * repair. Whatever it does, it does inside `#act`: in the surroundings of its own process, until its
 * promises have come to rest, and with what it sent put on the way at the end.
 */
import { gossipsub, TopicValidatorResult } from "@libp2p/gossipsub";
import { GossipRepair } from "../../core/gossip/repair.ts";
import { gossipSettings, HEARTBEAT_MS, UPKEEP_MS } from "../../core/gossip/settings.ts";
import type { Millis, NodeId } from "../../core/types.ts";
import { drawBelow, drawFloat, streamKey } from "../engine/draws.ts";
import type { Half } from "../network/stream.ts";
import type { BroadcastSeat } from "../node/broadcast.ts";
import { asConnection, type ConnectionOwner, SimConnection } from "./connection.ts";
import type { Ambience, Ground } from "./ground.ts";
import type { Components, Connection, Peer, Stream, StreamHandler, Topology } from "./libp2p.ts";
import type { StreamFrame } from "./stream.ts";

const VERDICTS = {
  accept: TopicValidatorResult.Accept,
  ignore: TopicValidatorResult.Ignore,
  reject: TopicValidatorResult.Reject,
} as const;

/** What all processes of a run share. */
export interface GossipHome {
  readonly seed: number;
  readonly ground: Ground;
  /** The same object for the same id. */
  peerOf(id: NodeId): Peer;
  deliver(far: Half, frames: readonly StreamFrame[]): void;
}

export class GossipProcess implements ConnectionOwner {
  readonly ground: Ground;
  readonly ambience: Ambience;
  delivered = 0;
  readonly #seat: BroadcastSeat;
  readonly #home: GossipHome;
  readonly #gossip: ReturnType<ReturnType<typeof gossipsub>>;
  readonly #repair: GossipRepair<Peer, Connection>;
  readonly #topologies = new Map<string, Topology>();
  readonly #handlers = new Map<string, StreamHandler>();
  readonly #connections = new Map<NodeId, SimConnection[]>();
  readonly #unflushed = new Set<SimConnection>();
  #received = 0;
  #published = 0;
  #isActing = false;

  constructor(home: GossipHome, seat: BroadcastSeat) {
    this.#home = home;
    this.#seat = seat;
    this.ground = home.ground;
    this.ambience = this.#makeAmbience();
    const settings = gossipSettings(seat.topics, (data) => this.#nameMessage(data));
    this.#gossip = gossipsub(settings)(this.#components());
    this.#repair = new GossipRepair(this.#gossip, seat.topics, () => [
      ...this.#topologies.values(),
    ]);
  }

  get protocols(): readonly string[] {
    return [...this.#handlers.keys()];
  }

  get duplicates(): number {
    return this.#received - this.#published - this.delivered;
  }

  start(): void {
    const gossip = this.#gossip as unknown as { start(): void };
    this.#act(() => gossip.start());
    this.#act(() => {
      for (const topic of this.#seat.topics) this.#join(topic);
    });
    this.#scheduleUpkeep();
  }

  /** At some moment of the next heartbeat. */
  startLater(): void {
    const { clock, lane } = this.#seat;
    const key = streamKey(this.#home.seed, 0xbea7, lane.id);
    const at = clock.now() + drawBelow(key, 0, HEARTBEAT_MS);
    clock.at(at as Millis, () => this.start());
  }

  prepare(peer: NodeId, half: Half): SimConnection {
    const connection = new SimConnection(this, this.#home.peerOf(peer), half);
    const connections = this.#connections.get(peer) ?? [];
    this.#connections.set(peer, connections);
    connections.push(connection);
    return connection;
  }

  onOpened(connection: SimConnection): void {
    this.#act(() => this.#repair.introduce(asConnection(connection)));
  }

  onClosed(peer: NodeId, connection: SimConnection): void {
    const connections = this.#connections.get(peer) ?? [];
    const rest = connections.filter((each) => each !== connection);
    if (rest.length > 0) this.#connections.set(peer, rest);
    else this.#connections.delete(peer);
    this.#act(() => {
      connection.onClosed();
      if (rest.length > 0) return;
      for (const topology of this.#topologies.values()) {
        topology.onDisconnect?.(this.#home.peerOf(peer));
      }
    });
  }

  onFrames(connection: SimConnection, frames: readonly StreamFrame[]): void {
    this.#act(() => {
      for (const frame of frames) connection.onFrame(frame);
    });
  }

  publish(topic: string, message: Uint8Array): void {
    if (this.#seat.isSuppressing) return;
    this.#published += 1;
    const copy = new Uint8Array(message);
    this.#act(() => {
      this.#gossip.publish(topic, copy).catch(() => {});
    });
  }

  flushLater(connection: SimConnection): void {
    this.#unflushed.add(connection);
  }

  onStream(stream: Stream, connection: Connection): void {
    this.#handlers.get(stream.protocol)?.(stream, connection);
  }

  deliver(far: Half, frames: readonly StreamFrame[]): void {
    this.#home.deliver(far, frames);
  }

  /** A message that GossipSub hands to the node may make the node publish at once. */
  #act(body: () => void): void {
    if (this.#isActing) {
      body();
      return;
    }
    this.#isActing = true;
    try {
      this.ground.within(this.ambience, body);
    } finally {
      this.#isActing = false;
    }
    for (const connection of this.#unflushed) connection.flush();
    this.#unflushed.clear();
  }

  #join(topic: string): void {
    this.#gossip.topicValidators.set(topic, (from, message) => {
      this.delivered += 1;
      const verdict = this.#seat.onGossip(topic, from.toString() as NodeId, message.data);
      // What GossipSub is told to ignore it neither passes on nor tells of.
      return VERDICTS[this.#seat.isSuppressing ? "ignore" : verdict];
    });
    this.#gossip.subscribe(topic);
  }

  #scheduleUpkeep(): void {
    const { clock } = this.#seat;
    clock.at((clock.now() + UPKEEP_MS) as Millis, () => {
      const peers = [...this.#connections].map(
        ([peer, connections]) => [peer, connections.map(asConnection)] as const,
      );
      this.#act(() => this.#repair.round(new Map(peers)));
      this.#scheduleUpkeep();
    });
  }

  #makeAmbience(): Ambience {
    const { clock, lane } = this.#seat;
    const key = streamKey(this.#home.seed, 0x605517, lane.id);
    let draws = 0;
    return {
      wallMs: () => Math.floor(clock.wall()),
      random: () => {
        draws += 1;
        return drawFloat(key, draws);
      },
      after: (ms, callback) =>
        clock.at((clock.now() + Math.max(1, ms)) as Millis, () => this.#act(callback)),
    };
  }

  /** GossipSub asks for a name once for each message that it publishes or receives. */
  #nameMessage(data: Uint8Array): Uint8Array {
    this.#received += 1;
    return this.ground.sha256(data);
  }

  #components(): Components {
    const registrar = {
      handle: (protocol: string, handler: StreamHandler) => {
        this.#handlers.set(protocol, handler);
      },
      register: (protocol: string, topology: Topology) => {
        this.#topologies.set(protocol, topology);
        return protocol;
      },
    };
    const components = {
      peerId: this.#home.peerOf(this.#seat.id),
      registrar,
      // Who is in whose mesh is noted there and never read: peers are not exchanged.
      peerStore: { merge: () => this.#settled() },
      logger: { forComponent: () => quiet },
    };
    return components as unknown as Components;
  }

  #settled(): PromiseWithResolvers<void>["promise"] {
    const done = this.ground.later<void>();
    done.resolve();
    return done.promise;
  }
}

const nothing = () => {};
const quiet = Object.assign(() => {}, { enabled: false, error: nothing, trace: nothing });
