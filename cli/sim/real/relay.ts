/**
 * The network between real agents. Each agent advertises two ports of this relay, one for each
 * plane; a connection that arrives there is passed on to the agent's own port, and both of its
 * directions go through a channel that obeys the plan's roads between the two nodes. While an agent
 * does not run, its ports are closed, so that a dial is refused as it would be by its host.
 */
import { connect, createServer, type Server, type Socket } from "node:net";
import { streamKey } from "../../../sim/engine/draws.ts";
import type { Paths, RoadFault } from "../../../sim/network/paths.ts";
import { resetSocket } from "../../../transport/reset-socket.ts";
import { Channel } from "./channel.ts";
import type { Dialers } from "./dialers.ts";

const HOST = "127.0.0.1";
/** Below the ports that kernels give to outgoing connections: ours must be free again after a crash. */
const PORTS_FROM = 20_000;
const PORTS = 10_000;
const TRIES_MAX = 200;
/** A descriptor appears in the list of a process a moment after its connection. */
const IDENTIFY_MS = 50;

export class Relay {
  readonly #paths: Paths;
  readonly #dialers: Dialers;
  readonly #seed: number;
  readonly #gates: Gate[] = [];
  readonly #relayed = new Set<Relayed>();
  /** Accepted, and not passed on yet. */
  readonly #undecided = new Set<Socket>();
  /** Dials that wait for a road. */
  readonly #waiting = new Set<() => void>();
  #connections = 0;
  #isOver = false;

  constructor(paths: Paths, dialers: Dialers, seed: number) {
    this.#paths = paths;
    this.#dialers = dialers;
    this.#seed = seed;
  }

  /** Takes a port for a plane of a node; it refuses connections until it is opened. */
  async gate(node: number): Promise<Gate> {
    const gate = new Gate(node, (socket, of) => this.#accept(socket, of));
    await gate.reserve();
    this.#gates.push(gate);
    return gate;
  }

  addFault(fault: RoadFault): void {
    this.#paths.add(fault);
    this.#onRoads();
  }

  removeFault(fault: RoadFault): void {
    this.#paths.remove(fault);
    this.#onRoads();
  }

  /** Resets every connection between two nodes; gives how many there were. */
  resetBetween(one: number, other: number): number {
    let count = 0;
    for (const relayed of [...this.#relayed]) {
      const { from, to } = relayed;
      const isBetween = (from === one && to === other) || (from === other && to === one);
      if (!isBetween) continue;
      count += 1;
      relayed.reset();
    }
    return count;
  }

  close(): void {
    this.#isOver = true;
    for (const gate of this.#gates) gate.shut();
    for (const socket of this.#undecided) socket.destroy();
    for (const relayed of [...this.#relayed]) relayed.reset();
  }

  #onRoads(): void {
    for (const relayed of this.#relayed) relayed.onRoads();
    for (const retry of [...this.#waiting]) retry();
  }

  #accept(socket: Socket, gate: Gate, isSecondTry = false): void {
    socket.pause();
    if (!isSecondTry) {
      socket.on("error", () => undefined);
      this.#undecided.add(socket);
      socket.once("close", () => this.#undecided.delete(socket));
    }
    const from = this.#dialers.find(socket.remotePort ?? 0, gate.port);
    if (from !== undefined) this.#passOn(socket, from, gate);
    else if (isSecondTry) resetSocket(socket);
    else setTimeout(() => this.#accept(socket, gate, true), IDENTIFY_MS);
  }

  /** A connection needs both roads: what opens it goes there and back. */
  #passOn(socket: Socket, from: number, gate: Gate): void {
    const { node: to } = gate;
    const isBlocked = () =>
      this.#paths.blocked(from, to) !== undefined || this.#paths.blocked(to, from) !== undefined;
    const attempt = () => {
      if (!socket.destroyed && isBlocked()) return;
      this.#waiting.delete(attempt);
      if (socket.destroyed) return;
      this.#connections += 1;
      const key = streamKey(this.#seed, from, to, this.#connections);
      const us =
        this.#paths.transitUs(from, to, 0, key, 0) + this.#paths.transitUs(to, from, 0, key, 1);
      if (us < 4_000) this.#connect(socket, from, gate, key);
      else setTimeout(() => this.#connect(socket, from, gate, key), us / 1_000);
    };
    socket.once("close", attempt);
    this.#waiting.add(attempt);
    attempt();
  }

  #connect(socket: Socket, from: number, gate: Gate, key: number): void {
    const { target, node: to } = gate;
    if (socket.destroyed) return;
    if (target === undefined || this.#isOver) {
      resetSocket(socket);
      return;
    }
    const far = connect({ host: HOST, port: target, noDelay: true, allowHalfOpen: true });
    far.on("error", () => {
      if (far.connecting) resetSocket(socket);
    });
    socket.once("close", () => {
      if (far.connecting) far.destroy();
    });
    far.once("connect", () => {
      this.#undecided.delete(socket);
      const relayed = new Relayed(this.#paths, { from, to, key }, socket, far, () =>
        this.#relayed.delete(relayed),
      );
      this.#relayed.add(relayed);
      socket.resume();
    });
  }
}

/** One port of one node. */
export class Gate {
  readonly node: number;
  /** The agent's own port; undefined while it does not run. */
  target: number | undefined;
  readonly #onSocket: (socket: Socket, gate: Gate) => void;
  #server: Server | undefined;
  #port = 0;

  constructor(node: number, onSocket: (socket: Socket, gate: Gate) => void) {
    this.node = node;
    this.#onSocket = onSocket;
  }

  get port(): number {
    return this.#port;
  }

  get address(): string {
    return `${HOST}:${this.#port}`;
  }

  async reserve(): Promise<void> {
    for (let tries = 1; ; tries += 1) {
      this.#port = PORTS_FROM + Math.floor(Math.random() * PORTS);
      try {
        await this.#listen();
        break;
      } catch (error) {
        if (tries >= TRIES_MAX) throw error;
      }
    }
    this.shut();
  }

  async open(target: number): Promise<void> {
    this.target = target;
    if (this.#server === undefined) await this.#listen();
  }

  /** Refuses from now on; connections that are open stay. */
  shut(): void {
    this.target = undefined;
    const server = this.#server;
    this.#server = undefined;
    // Its end waits for the last connection, which is of no interest here.
    server?.close();
  }

  async #listen(): Promise<void> {
    const options = { noDelay: true, allowHalfOpen: true, pauseOnConnect: true };
    const server = createServer(options, (socket) => this.#onSocket(socket, this));
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen({ host: HOST, port: this.#port, exclusive: true }, () => resolve());
    });
    this.#server = server;
  }
}

/** A connection that was passed on. */
class Relayed {
  readonly from: number;
  readonly to: number;
  readonly #sockets: readonly Socket[];
  readonly #channels: readonly Channel[];

  constructor(
    paths: Paths,
    { from, to, key }: { readonly from: number; readonly to: number; readonly key: number },
    near: Socket,
    far: Socket,
    onOver: () => void,
  ) {
    this.from = from;
    this.to = to;
    this.#sockets = [near, far];
    this.#channels = [
      new Channel(paths, { from, to, key }, near, far),
      new Channel(paths, { from: to, to: from, key: streamKey(key, 1) }, far, near),
    ];
    let open = 2;
    for (const socket of this.#sockets) {
      socket.once("close", () => {
        open -= 1;
        if (open > 0) return;
        for (const channel of this.#channels) channel.end();
        onOver();
      });
    }
  }

  onRoads(): void {
    for (const channel of this.#channels) channel.onRoads();
  }

  reset(): void {
    for (const channel of this.#channels) channel.end();
    for (const socket of this.#sockets) resetSocket(socket);
  }
}
