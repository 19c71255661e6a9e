/**
 * The roads between machines: how long a packet takes from one to another, and what is wrong with
 * the road just now. Roads are directed, so that a fault may strike one direction alone. Faults lie
 * over each other; each ends on its own.
 */
import { drawFloat, streamKey } from "../engine/draws.ts";
import { drawJitter, type LatencyModel } from "./latency.ts";

/** A healthy road. Times in microseconds, one way. */
export interface RoadShape {
  readonly baseUs: number;
  /** Mean of the delay on top. */
  readonly jitterUs: number;
  /** How that delay is spread; "exponential" if absent. */
  readonly jitter?: LatencyModel;
  /** Probability that one packet is lost. */
  readonly loss: number;
  /** 0 for no limit worth counting. */
  readonly bytesPerSecond: number;
}

export interface NetworkShape {
  readonly sameZone: RoadShape;
  readonly otherZone: RoadShape;
  /** From zone to zone instead of otherZone's base: what distance costs, one way. */
  readonly zoneDelayUs?: readonly (readonly number[])[];
  /** After this long without an acknowledgement the kernel gives a connection up. */
  readonly giveUpMs: number;
  /** Of messages of the epidemic broadcast, on top of the roads' own: lost, doubled, and late. */
  readonly gossipLoss: number;
  readonly gossipDuplicates: number;
  readonly gossipLateMs: number;
}

/** Something wrong with every road from a machine of one set to one of another. */
export interface RoadFault {
  readonly from: ReadonlySet<number>;
  readonly to: ReadonlySet<number>;
  /** "cut": packets are lost. "clog": they wait. */
  readonly block: "cut" | "clog" | undefined;
  readonly loss: number;
  readonly delayUs: number;
  readonly jitterUs: number;
  /** 0 for no limit. */
  readonly bytesPerSecond: number;
  /** Share of the broadcast's messages that arrive twice. */
  readonly duplicates?: number;
}

/** What a router holds for a road that is slower than what comes; beyond it packets are lost. */
const QUEUE_BYTES = 256 * 1024;
/** Faster roads never fill. */
const QUEUED_BELOW = 2_000_000;
const PAIR = 65_536;

/** A packet that is lost is sent again after this, then after twice as long, and so on. */
const RESEND_US = 200_000;
const RESEND_US_MAX = 120_000_000;
const RESENDS_MAX = 24;

export class Paths {
  readonly #seed: number;
  readonly #shape: NetworkShape;
  readonly #zoneOf: (host: number) => number;
  readonly #time: { readonly now: number };
  readonly #faults: RoadFault[] = [];
  /** Until when each slow road is busy with what was sent. */
  readonly #busyUntil = new Map<number, number>();
  #blocking = 0;
  /** Packets that found a router's queue full. */
  overflows = 0;

  constructor(
    seed: number,
    shape: NetworkShape,
    zoneOf: (host: number) => number,
    time: { readonly now: number },
  ) {
    this.#seed = seed;
    this.#shape = shape;
    this.#zoneOf = zoneOf;
    this.#time = time;
  }

  get shape(): NetworkShape {
    return this.#shape;
  }

  /** A key for the draws of one stream of packets. */
  keyOf(from: number, to: number, ordinal: number): number {
    return streamKey(this.#seed, from, to, ordinal);
  }

  add(fault: RoadFault): void {
    this.#faults.push(fault);
    if (fault.block !== undefined) this.#blocking += 1;
  }

  remove(fault: RoadFault): void {
    const at = this.#faults.indexOf(fault);
    if (at < 0) return;
    this.#faults.splice(at, 1);
    if (fault.block !== undefined) this.#blocking -= 1;
  }

  clear(): void {
    this.#faults.length = 0;
    this.#blocking = 0;
  }

  blocked(from: number, to: number): "cut" | "clog" | undefined {
    if (this.#blocking === 0) return undefined;
    let found: "cut" | "clog" | undefined;
    for (const fault of this.#faults) {
      if (fault.block === undefined || !fault.from.has(from) || !fault.to.has(to)) continue;
      if (fault.block === "cut") return "cut";
      found = fault.block;
    }
    return found;
  }

  /** How long one packet of a stream takes, resending of lost ones included, in microseconds. */
  transitUs(from: number, to: number, bytes: number, key: number, counter: number): number {
    const road = this.#roadOf(from, to);
    let delay = this.#baseUs(road, from, to);
    let jitter = road.jitterUs;
    let slowest = road.bytesPerSecond;
    for (const fault of this.#faults) {
      if (!fault.from.has(from) || !fault.to.has(to)) continue;
      delay += fault.delayUs;
      jitter += fault.jitterUs;
      slowest = lower(slowest, fault.bytesPerSecond);
    }
    if (jitter > 0) delay += drawJitter(road.jitter, key, counter * 4, jitter);
    let lost = 0;
    if (slowest > 0) {
      const queued = this.#queueUs(from, to, bytes, slowest);
      delay += queued.us;
      lost = queued.isLost ? RESEND_US : 0;
    }
    return delay + lost + this.#resendUs(this.lossOf(from, to), delay, key, counter);
  }

  /** Of a broadcast's messages on this road: the probability that one arrives twice. */
  duplicatesOf(from: number, to: number): number {
    let once = 1 - this.#shape.gossipDuplicates;
    for (const fault of this.#faults) {
      const share = fault.duplicates ?? 0;
      if (share > 0 && fault.from.has(from) && fault.to.has(to)) once *= 1 - share;
    }
    return 1 - once;
  }

  /** The probability that a single packet is lost. */
  lossOf(from: number, to: number): number {
    let passes = 1 - this.#roadOf(from, to).loss;
    for (const fault of this.#faults) {
      if (fault.loss > 0 && fault.from.has(from) && fault.to.has(to)) passes *= 1 - fault.loss;
    }
    return 1 - passes;
  }

  #resendUs(loss: number, oneWayUs: number, key: number, counter: number): number {
    if (loss <= 0) return 0;
    let waited = 0;
    let pause = RESEND_US + 2 * oneWayUs;
    const losses = drawLosses(loss, key, counter);
    for (let resend = 0; resend < losses; resend += 1) {
      waited += pause;
      pause = Math.min(pause * 2, RESEND_US_MAX);
    }
    return waited;
  }

  /** The time on the wire, behind what waits there already. */
  #queueUs(from: number, to: number, bytes: number, bytesPerSecond: number) {
    const wireUs = Math.ceil((bytes * 1_000_000) / bytesPerSecond);
    if (bytesPerSecond >= QUEUED_BELOW) return { us: wireUs, isLost: false };
    const { now } = this.#time;
    const pair = from * PAIR + to;
    const busyUntil = Math.max(now, this.#busyUntil.get(pair) ?? 0);
    const isLost = ((busyUntil - now) * bytesPerSecond) / 1_000_000 > QUEUE_BYTES;
    if (isLost) this.overflows += 1;
    else this.#busyUntil.set(pair, busyUntil + wireUs);
    return { us: busyUntil - now + wireUs, isLost };
  }

  #baseUs({ baseUs }: RoadShape, from: number, to: number): number {
    const { zoneDelayUs } = this.#shape;
    if (zoneDelayUs === undefined) return baseUs;
    const here = this.#zoneOf(from);
    const there = this.#zoneOf(to);
    return here === there ? baseUs : (zoneDelayUs[here]?.[there] ?? baseUs);
  }

  #roadOf(from: number, to: number): RoadShape {
    const isNear = this.#zoneOf(from) === this.#zoneOf(to);
    return isNear ? this.#shape.sameZone : this.#shape.otherZone;
  }
}

/** When data that was held up since `since` is next sent, once the road is open at `now`. */
export function nextResendUs(since: number, now: number): number {
  let at = since;
  let pause = RESEND_US;
  while (at <= now) {
    at += pause;
    pause = Math.min(pause * 2, RESEND_US_MAX);
  }
  return at;
}

/** How often in a row one packet is lost. */
function drawLosses(loss: number, key: number, counter: number): number {
  let losses = 0;
  while (losses < RESENDS_MAX && drawFloat(key, counter * 4 + 1 + losses * 0x1000_0000) < loss) {
    losses += 1;
  }
  return losses;
}

function lower(one: number, other: number): number {
  if (one === 0) return other;
  return other === 0 ? one : Math.min(one, other);
}
