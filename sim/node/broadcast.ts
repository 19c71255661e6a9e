/**
 * The epidemic broadcast as the nodes of a run see it. Two things stand behind it: the model of
 * gossip.ts, which ten thousand nodes can afford, and in the second tier the real GossipSub class
 * (sim/gossip/), which the model is measured against. Both travel over the nodes' own connections.
 */
import type { Clock } from "../../core/seams.ts";
import type { NodeId } from "../../core/types.ts";
import type { Lane } from "../engine/lane.ts";
import type { World } from "../engine/world.ts";
import type { Paths } from "../network/paths.ts";
import type { Half } from "../network/stream.ts";

/** A process's place in the broadcast. */
export interface BroadcastSeat {
  readonly id: NodeId;
  readonly lane: Lane;
  readonly clock: Clock;
  readonly topics: readonly string[];
  /** It lies: it hears everything, and passes nothing on. */
  readonly isSuppressing: boolean;
  onGossip(topic: string, from: NodeId, message: Uint8Array): "accept" | "ignore" | "reject";
}

export interface Broadcast {
  /** Messages that a node got for the first time. */
  readonly delivered: number;
  /** Messages that came to a node that had them. */
  readonly duplicates: number;
  /** Takes the place of the identity's former process. */
  join(seat: BroadcastSeat): void;
  onOpened(seat: BroadcastSeat, peer: NodeId, half: Half): void;
  onClosed(seat: BroadcastSeat, peer: NodeId, half: Half): void;
  publish(seat: BroadcastSeat, topic: string, message: Uint8Array): void;
}

export type BroadcastMaker = (world: World, paths: Paths) => Broadcast;
