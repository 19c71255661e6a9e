/**
 * Measures a broadcast without a word of its own to the nodes: at a steady pace one of the running
 * processes publishes a message on a topic of which only this file knows, and it is noted who gets
 * it, and when. Model and real class are given the same publishers at the same moments.
 */
import type { Clock } from "../../core/seams.ts";
import type { NodeId } from "../../core/types.ts";
import { drawBelow, mix, streamKey } from "../engine/draws.ts";
import type { Lane } from "../engine/lane.ts";
import type { World } from "../engine/world.ts";
import type { Half } from "../network/stream.ts";
import type { Broadcast, BroadcastSeat } from "../node/broadcast.ts";
import { type BroadcastFigures, quantile } from "./statistics.ts";

const TOPIC = "/sim/probe";
const BYTES = 1_024;
/** Duplicates are counted until then after the last probe: machines that start again send others. */
const SENT_MS = 4_000;
/** After the last probe so long is waited for what comes late. */
const AFTER_MS = 8_000;

export interface ProbeTimes {
  readonly fromMs: number;
  readonly untilMs: number;
  readonly everyMs: number;
}

interface Probe {
  readonly at: number;
  /** Who should get it: what ran at that time and still runs when all is counted. */
  readonly expected: Set<Lane>;
  /** When it came, by lane. */
  readonly heard: Map<Lane, number>;
}

interface Counts {
  readonly delivered: number;
  readonly duplicates: number;
}

export class ProbedBroadcast implements Broadcast {
  readonly #world: World;
  readonly #inner: Broadcast;
  readonly #seats = new Map<BroadcastSeat, ProbedSeat>();
  readonly #probes: Probe[] = [];
  /** What came late has been waited for. */
  isCounted = false;
  #before: Counts = { delivered: 0, duplicates: 0 };
  #after: Counts = { delivered: 0, duplicates: 0 };

  constructor(world: World, inner: Broadcast, { fromMs, untilMs, everyMs }: ProbeTimes) {
    this.#world = world;
    this.#inner = inner;
    const plan = (atMs: number, run: () => void) =>
      world.plan(atMs * 1_000, undefined, "workload", run);
    plan(fromMs, () => {
      this.#before = countsOf(inner);
    });
    for (let atMs = fromMs; atMs < untilMs; atMs += everyMs) plan(atMs, () => this.#publish());
    plan(untilMs + SENT_MS, () => {
      this.#after = countsOf(inner);
    });
    plan(untilMs + AFTER_MS, () => {
      this.isCounted = true;
      for (const { expected, heard } of this.#probes) {
        for (const lane of expected) {
          if (!lane.isOver) continue;
          expected.delete(lane);
          heard.delete(lane);
        }
      }
    });
  }

  get delivered(): number {
    return this.#inner.delivered;
  }

  get duplicates(): number {
    return this.#inner.duplicates;
  }

  join(seat: BroadcastSeat): void {
    const probed = new ProbedSeat(seat, (message) => this.#onHeard(seat.lane, message));
    this.#seats.set(seat, probed);
    this.#inner.join(probed);
  }

  onOpened(seat: BroadcastSeat, peer: NodeId, half: Half): void {
    this.#inner.onOpened(this.#seat(seat), peer, half);
  }

  onClosed(seat: BroadcastSeat, peer: NodeId, half: Half): void {
    this.#inner.onClosed(this.#seat(seat), peer, half);
  }

  publish(seat: BroadcastSeat, topic: string, message: Uint8Array): void {
    this.#inner.publish(this.#seat(seat), topic, message);
  }

  figures(): BroadcastFigures {
    const delays: number[] = [];
    let expected = 0;
    for (const probe of this.#probes) {
      expected += probe.expected.size;
      for (const at of probe.heard.values()) delays.push((at - probe.at) / 1_000);
    }
    const delaysMs = delays.sort((one, other) => one - other);
    const delivered = this.#after.delivered - this.#before.delivered;
    const duplicates = this.#after.duplicates - this.#before.duplicates;
    return {
      probes: this.#probes.length,
      reached: delaysMs.length / Math.max(1, expected),
      ...{ p50: quantile(delaysMs, 0.5), p90: quantile(delaysMs, 0.9) },
      p99: quantile(delaysMs, 0.99),
      duplicatesPerDelivery: duplicates / Math.max(1, delivered),
      delaysMs,
    };
  }

  #seat(seat: BroadcastSeat): ProbedSeat {
    const probed = this.#seats.get(seat);
    if (probed === undefined) throw new Error("assertion failed: the process takes part");
    return probed;
  }

  #publish(): void {
    const world = this.#world;
    for (const seat of this.#seats.keys()) if (seat.lane.isOver) this.#seats.delete(seat);
    const running = [...this.#seats.keys()]
      .filter(({ lane }) => !lane.isPaused)
      .sort((one, other) => one.lane.host - other.lane.host);
    const number = this.#probes.length;
    const chosen = running[drawBelow(streamKey(world.seed, 0x9106e), number, running.length)];
    if (chosen === undefined) return;
    const expected = new Set(running.map(({ lane }) => lane));
    expected.delete(chosen.lane);
    this.#probes.push({ at: world.now, expected, heard: new Map() });
    world.plan(world.now, chosen.lane, "workload", () =>
      this.#inner.publish(this.#seat(chosen), TOPIC, probeMessage(world.seed, number)),
    );
  }

  #onHeard(lane: Lane, message: Uint8Array): void {
    const probe = this.#probes[numberOf(message)];
    if (probe === undefined || probe.heard.has(lane) || !probe.expected.has(lane)) return;
    probe.heard.set(lane, this.#world.now);
  }
}

/** A process that also takes the probes' topic. */
class ProbedSeat implements BroadcastSeat {
  readonly id: NodeId;
  readonly lane: Lane;
  readonly clock: Clock;
  readonly topics: readonly string[];
  readonly #inner: BroadcastSeat;
  readonly #onHeard: (message: Uint8Array) => void;

  constructor(inner: BroadcastSeat, onHeard: (message: Uint8Array) => void) {
    this.#inner = inner;
    this.#onHeard = onHeard;
    this.id = inner.id;
    this.lane = inner.lane;
    this.clock = inner.clock;
    this.topics = [...inner.topics, TOPIC];
  }

  get isSuppressing(): boolean {
    return this.#inner.isSuppressing;
  }

  onGossip(topic: string, from: NodeId, message: Uint8Array): "accept" | "ignore" | "reject" {
    if (topic !== TOPIC) return this.#inner.onGossip(topic, from, message);
    this.#onHeard(message);
    return "accept";
  }
}

function countsOf({ delivered, duplicates }: Broadcast): Counts {
  return { delivered, duplicates };
}

function probeMessage(seed: number, number: number): Uint8Array {
  const message = new Uint8Array(BYTES);
  const view = new DataView(message.buffer);
  view.setUint32(0, number);
  for (let at = 4; at < BYTES; at += 4) view.setUint32(at, mix(seed ^ number, at));
  return message;
}

function numberOf(message: Uint8Array): number {
  return new DataView(message.buffer, message.byteOffset, message.byteLength).getUint32(0);
}
