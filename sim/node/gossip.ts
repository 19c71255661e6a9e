/**
 * A model of the epidemic broadcast (gossipsub): a message goes to a few of the neighbours at once,
 * each of which judges it and, if it accepts, passes it on; what was missed comes a heartbeat later
 * from a neighbour that has it. Messages may be lost, doubled and late. It stands for gossipsub's
 * timing and its gaps, not for its control messages.
 */
import type { NodeId } from "../../core/types.ts";
import { drawBelow, drawExponential, drawFloat, streamKey } from "../engine/draws.ts";
import type { Lane } from "../engine/lane.ts";
import type { World } from "../engine/world.ts";
import { digestOf } from "../network/digest.ts";
import type { Paths } from "../network/paths.ts";

/** A process's place in the broadcast. */
export interface GossipSeat {
  readonly id: NodeId;
  readonly lane: Lane;
  readonly topics: readonly string[];
  neighbours(): readonly NodeId[];
  onGossip(topic: string, from: NodeId, message: Uint8Array): "accept" | "ignore" | "reject";
}

/** Gossipsub's D, and one neighbour that hears of the message with the next heartbeat. */
const EAGER = 6;
const LAZY = 1;
const HEARTBEAT_US = 1_000_000;
/** Messages whose receivers are remembered. */
const SEEN_MAX = 4_096;

interface Rumour {
  readonly topic: string;
  readonly message: Uint8Array;
  readonly digest: number;
  readonly number: number;
  /** Lanes that have judged it. */
  readonly seen: Set<number>;
}

export class Gossip {
  readonly #world: World;
  readonly #paths: Paths;
  readonly #seats = new Map<NodeId, GossipSeat>();
  readonly #recent = new Map<string, Rumour>();
  #published = 0;
  delivered = 0;
  lost = 0;

  constructor(world: World, paths: Paths) {
    this.#world = world;
    this.#paths = paths;
  }

  /** Takes the place of the identity's former process. */
  join(seat: GossipSeat): void {
    this.#seats.set(seat.id, seat);
  }

  publish(from: GossipSeat, topic: string, message: Uint8Array): void {
    this.#published += 1;
    const digest = digestOf(message);
    const rumour: Rumour = {
      topic,
      message: new Uint8Array(message),
      digest,
      number: this.#published,
      seen: new Set([from.lane.id]),
    };
    this.#recent.set(`${this.#published}`, rumour);
    if (this.#recent.size > SEEN_MAX) {
      const oldest = this.#recent.keys().next().value;
      if (oldest !== undefined) this.#recent.delete(oldest);
    }
    this.#pass(from, rumour);
  }

  #pass(from: GossipSeat, rumour: Rumour): void {
    const neighbours = from.neighbours();
    const key = streamKey(this.#world.seed, from.lane.id, rumour.number);
    const count = Math.min(EAGER + LAZY, neighbours.length);
    const order = [...neighbours];
    for (let turn = 0; turn < count; turn += 1) {
      const at = turn + drawBelow(key, turn, order.length - turn);
      const chosen = order[at] as NodeId;
      order[at] = order[turn] as NodeId;
      order[turn] = chosen;
      const seat = this.#seats.get(chosen);
      if (seat !== undefined) this.#hand(from, seat, rumour, key, turn);
    }
  }

  #hand(from: GossipSeat, to: GossipSeat, rumour: Rumour, key: number, turn: number): void {
    if (rumour.seen.has(to.lane.id) || !to.topics.includes(rumour.topic)) return;
    const paths = this.#paths;
    const { gossipLoss, gossipLateMs } = paths.shape;
    const here = from.lane.host;
    const there = to.lane.host;
    const isLost = drawFloat(key, 100 + turn) < gossipLoss;
    if (isLost || paths.blocked(here, there) !== undefined) {
      this.lost += 1;
      return;
    }
    const base = paths.transitUs(here, there, rumour.message.length, key, turn);
    const late = drawExponential(key, 200 + turn, gossipLateMs * 1_000);
    const pause = turn < EAGER ? 0 : drawBelow(key, 300 + turn, HEARTBEAT_US) + 2 * base;
    const copies = drawFloat(key, 400 + turn) < paths.duplicatesOf(here, there) ? 2 : 1;
    for (let copy = 0; copy < copies; copy += 1) {
      const at = this.#world.now + base + late + pause + copy * (late + base);
      this.#world.plan(
        at,
        to.lane,
        "gossip",
        () => this.#arrive(from, to, rumour, copy > 0),
        rumour.digest,
      );
    }
  }

  #arrive(from: GossipSeat, to: GossipSeat, rumour: Rumour, isCopy: boolean): void {
    if (rumour.seen.has(to.lane.id) && !isCopy) return;
    rumour.seen.add(to.lane.id);
    this.delivered += 1;
    const verdict = to.onGossip(rumour.topic, from.id, rumour.message);
    if (verdict === "accept" && !isCopy) this.#pass(to, rumour);
  }
}
