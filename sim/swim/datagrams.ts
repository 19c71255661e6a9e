/**
 * Datagrams between the processes of the SWIM peer, and their streams. A datagram takes the road's
 * time, may be lost there, and waits in the socket's buffer until its process gets the processor;
 * a buffer that is full drops what comes. A stream costs a round trip more, and loses nothing that
 * its machine is up to take.
 */
import { drawFloat } from "../engine/draws.ts";
import type { Lane } from "../engine/lane.ts";
import type { World } from "../engine/world.ts";
import type { Paths } from "../network/paths.ts";
import type { Packet } from "./messages.ts";

/** net.core.rmem_default and rmem_max of Linux, doubled by the kernel for its own book-keeping. */
const SOCKET_BYTES = 2 * 212_992;
/** What the kernel counts for a small datagram besides its bytes. */
const DATAGRAM_OVERHEAD = 768;
/** IP and UDP. */
const DATAGRAM_HEADERS = 28;
/** Of a short connection: handshake, data and end, seven packets of 40 bytes. */
const STREAM_HEADERS = 280;
const LOSS_DRAW = 0x105e;

export interface Socket {
  readonly lane: Lane;
  readonly receive: (packet: Packet) => void;
  waitingBytes: number;
}

export class Datagrams {
  readonly #world: World;
  readonly #paths: Paths;
  readonly #sockets: Socket[] = [];
  readonly #counters = new Map<number, number>();
  sent = 0;
  sentBytes = 0;
  /** For want of room in a socket's buffer. */
  dropped = 0;

  constructor(world: World, paths: Paths) {
    this.#world = world;
    this.#paths = paths;
  }

  /** Sockets belong to the machines in the order of their numbers. */
  open(lane: Lane, receive: (packet: Packet) => void): void {
    this.#sockets.push({ lane, receive, waitingBytes: 0 });
  }

  send(from: number, to: number, packet: Packet): void {
    const bytes = packet.bytes + DATAGRAM_HEADERS;
    this.#count(bytes);
    const counter = this.#next(from, to);
    const key = this.#paths.keyOf(from, to, 0);
    if (drawFloat(key, counter ^ LOSS_DRAW) < this.#paths.lossOf(from, to)) return;
    const transit = this.#paths.transitUs(from, to, bytes, key, counter);
    this.#world.plan(this.#world.now + transit, undefined, "packet", () =>
      this.#arrive(to, packet),
    );
  }

  /** A request over a stream of its own; its answer, if one is given, comes back the same way. */
  request(from: number, to: number, bytes: number, onArrival: () => void): void {
    this.#count(bytes + STREAM_HEADERS);
    const socket = this.#sockets[to];
    if (socket === undefined) return;
    this.#over(from, to, bytes, 3, socket.lane, onArrival);
  }

  answer(from: number, to: number, bytes: number, onArrival: () => void): void {
    this.#count(bytes);
    const socket = this.#sockets[to];
    if (socket !== undefined) this.#over(from, to, bytes, 1, socket.lane, onArrival);
  }

  #over(
    from: number,
    to: number,
    bytes: number,
    transits: number,
    lane: Lane,
    onArrival: () => void,
  ): void {
    const key = this.#paths.keyOf(from, to, 1);
    let tookUs = 0;
    for (let transit = 0; transit < transits; transit += 1) {
      tookUs += this.#paths.transitUs(from, to, bytes, key, this.#next(from, to));
    }
    this.#world.plan(this.#world.now + tookUs, lane, "batch", onArrival);
  }

  #arrive(to: number, packet: Packet): void {
    const socket = this.#sockets[to];
    if (socket === undefined || socket.lane.isOver) return;
    const bytes = packet.bytes + DATAGRAM_OVERHEAD;
    if (socket.waitingBytes + bytes > SOCKET_BYTES) {
      this.dropped += 1;
      return;
    }
    socket.waitingBytes += bytes;
    this.#world.plan(this.#world.now, socket.lane, "packet", () => {
      socket.waitingBytes -= bytes;
      socket.receive(packet);
    });
  }

  #count(bytes: number): void {
    this.sent += 1;
    this.sentBytes += bytes;
  }

  #next(from: number, to: number): number {
    const road = from * 65_536 + to;
    const counter = (this.#counters.get(road) ?? 0) + 1;
    this.#counters.set(road, counter);
    return counter;
  }
}
