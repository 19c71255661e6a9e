/**
 * The control plane of one simulated process: connections that carry packets, and the epidemic
 * broadcast. It keeps the promises of transport/control: several connections to one peer may exist,
 * the newest carries what is sent, and the peer counts as gone with the last.
 */
import {
  CONTROL_CONNECTIONS_PER_PEER_MAX,
  CONTROL_DIALS_MAX,
  CONTROL_QUEUE_BYTES_MAX,
} from "../../core/limits.ts";
import type { Clock, CloseReason, ControlListener, ControlTransport } from "../../core/seams.ts";
import type { NodeId } from "../../core/types.ts";
import type { Lane } from "../engine/lane.ts";
import type { Network } from "../network/network.ts";
import type { Half } from "../network/stream.ts";
import type { Broadcast, BroadcastSeat } from "./broadcast.ts";

const DIRECTORY_PACKET = 2;
const DIAL_MS_MAX = 5_000;
const NO_CERTIFICATE = new Uint8Array();

export interface ControlOptions {
  readonly id: NodeId;
  readonly lane: Lane;
  readonly address: string;
  readonly network: Network;
  readonly clock: Clock;
  readonly broadcast: Broadcast;
  readonly topics: readonly string[];
  /** Told of the first connection with a peer and of the end of the last. */
  readonly onLinked: (peer: NodeId, on: boolean) => void;
}

interface Channel {
  readonly peer: NodeId;
  readonly half: Half;
}

export class SimControl implements ControlTransport, BroadcastSeat {
  readonly lane: Lane;
  readonly topics: readonly string[];
  readonly #options: ControlOptions;
  /** Oldest first; never an empty list. */
  readonly #channels = new Map<NodeId, Channel[]>();
  #listener: ControlListener | undefined;
  #dials = 0;
  /** Sees, and may change, double or withhold, what leaves this process. */
  tamper: ((packet: Uint8Array) => readonly Uint8Array[]) | undefined;
  /** It passes nothing of the broadcast on. */
  isSuppressing = false;
  /** The node is about to be given the tables of a formed mesh, where all know what it publishes. */
  isForming = false;
  sentPackets = 0;
  sentBytes = 0;
  /** Of these, packets with documents. */
  handed = 0;

  constructor(options: ControlOptions) {
    this.#options = options;
    this.lane = options.lane;
    this.topics = options.topics;
  }

  get id(): NodeId {
    return this.#options.id;
  }

  get clock(): Clock {
    return this.#options.clock;
  }

  start(listener: ControlListener): void {
    this.#listener = listener;
    const { network, address, lane, id, broadcast } = this.#options;
    broadcast.join(this);
    network.listen(address, {
      lane,
      id,
      accept: (half, peer) => this.#add(peer, half, undefined),
    });
  }

  dial(address: string, expect: NodeId | undefined): void {
    const { network, lane, id } = this.#options;
    const listener = this.#listening();
    if (expect !== undefined && this.isConnected(expect)) {
      network.world.plan(network.world.now, lane, "connection", () => {
        if (this.isConnected(expect)) listener.onConnected(expect, NO_CERTIFICATE, address);
      });
      return;
    }
    if (this.#dials >= CONTROL_DIALS_MAX) {
      const detail = `${CONTROL_DIALS_MAX} dials are under way already`;
      network.world.plan(network.world.now, lane, "dial", () =>
        listener.onDialFailed(address, expect, { kind: "unreachable", detail }),
      );
      return;
    }
    this.#dials += 1;
    network.dial(address, "packet", expect, {
      lane,
      id,
      timeoutMs: DIAL_MS_MAX,
      opened: (half, peer) => {
        this.#dials -= 1;
        this.#add(peer, half, address);
      },
      failed: (reason) => {
        this.#dials -= 1;
        listener.onDialFailed(address, expect, reason);
      },
    });
  }

  isConnected(peer: NodeId): boolean {
    return this.#channels.has(peer);
  }

  send(peer: NodeId, packet: Uint8Array): void {
    const half = this.#channels.get(peer)?.at(-1)?.half;
    if (half === undefined || half.pendingBytes > CONTROL_QUEUE_BYTES_MAX) return;
    if (this.tamper === undefined) this.#write(half, packet);
    else for (const each of this.tamper(packet)) this.#write(half, each);
  }

  hangUp(peer: NodeId): void {
    const channels = [...(this.#channels.get(peer) ?? [])];
    const { world } = this.#options.network;
    for (const { half } of channels) {
      half.close("hung up");
      world.plan(world.now, this.lane, "connection", () =>
        this.#remove(peer, half, { kind: "closed", detail: "hung up" }),
      );
    }
  }

  neighbours(): readonly NodeId[] {
    return [...this.#channels.keys()];
  }

  publish(topic: string, message: Uint8Array): void {
    if (!this.isForming) this.#options.broadcast.publish(this, topic, message);
  }

  onGossip(topic: string, from: NodeId, message: Uint8Array): "accept" | "ignore" | "reject" {
    return this.#listener?.onPublished(topic, from, message) ?? "ignore";
  }

  #write(half: Half, packet: Uint8Array): void {
    this.sentPackets += 1;
    // The directory's packets are lists that begin with their kind: 4 and 6 carry documents.
    if (packet[0] === DIRECTORY_PACKET && (packet[2] === 4 || packet[2] === 6)) this.handed += 1;
    this.sentBytes += packet.length;
    half.send(packet);
  }

  #add(peer: NodeId, half: Half, address: string | undefined): void {
    const known = this.#channels.get(peer);
    const channels = known ?? [];
    this.#channels.set(peer, channels);
    channels.push({ peer, half });
    if (known === undefined) this.#options.onLinked(peer, true);
    half.listener = {
      onMessage: (packet) => this.#listener?.onPacket(peer, packet),
      onDrain: () => {},
      onClosed: (reason) => this.#remove(peer, half, reason),
    };
    if (known === undefined || address !== undefined) {
      this.#listening().onConnected(peer, NO_CERTIFICATE, address);
    }
    this.#options.broadcast.onOpened(this, peer, half);
    if (channels.length > CONTROL_CONNECTIONS_PER_PEER_MAX) {
      const surplus = (channels[0] as Channel).half;
      surplus.close("a newer connection has taken over");
      this.#remove(peer, surplus, { kind: "closed", detail: "replaced" });
    }
  }

  #remove(peer: NodeId, half: Half, reason: CloseReason): void {
    const channels = this.#channels.get(peer);
    const at = channels?.findIndex((channel) => channel.half === half) ?? -1;
    if (channels === undefined || at < 0) return;
    channels.splice(at, 1);
    if (channels.length === 0) this.#channels.delete(peer);
    this.#options.broadcast.onClosed(this, peer, half);
    if (channels.length > 0) return;
    this.#options.onLinked(peer, false);
    this.#listener?.onDisconnected(peer, reason);
  }

  #listening(): ControlListener {
    if (this.#listener === undefined) throw new Error("assertion failed: the control plane is on");
    return this.#listener;
  }
}
