/**
 * One member of the SWIM peer: its tickers, its gossip, and the way of what it receives. As in
 * memberlist (net.go), pings and acks are answered as they are read, while rumours wait in two
 * queues, those that say "alive" first, and the newest of a queue first.
 */
import { Awareness } from "./awareness.ts";
import { pushPullMs, retransmitLimit, type SwimConfig } from "./config.ts";
import {
  COMPOUND_BYTES,
  type Message,
  PART_BYTES,
  type Packet,
  packetOf,
  type Rumour,
  type StateRow,
} from "./messages.ts";
import { Prober } from "./prober.ts";
import type { SwimListener, SwimSeat } from "./seat.ts";
import { Table } from "./table.ts";

export class SwimMember {
  readonly table: Table;
  readonly awareness: Awareness;
  readonly #prober: Prober;
  readonly #config: SwimConfig;
  readonly #seat: SwimSeat;
  readonly #lives: Rumour[] = [];
  readonly #claims: Rumour[] = [];
  #isDraining = false;

  constructor(config: SwimConfig, seat: SwimSeat, listener: SwimListener) {
    this.#config = config;
    this.#seat = seat;
    this.awareness = new Awareness(config.awarenessMax);
    this.table = new Table(config, seat, this.awareness, listener);
    const { table, awareness } = this;
    const send = (to: number, messages: readonly Message[]) => this.#send(to, messages);
    this.#prober = new Prober({ config, seat, table, awareness, send });
  }

  /** All members are known from the start, as after a join that has settled. */
  start(members: readonly number[]): void {
    for (const node of members) this.table.admit(node);
    const { probeIntervalMs, gossipIntervalMs, pushPullIntervalMs } = this.#config;
    const { random } = this.#seat;
    this.#tick(probeIntervalMs, () => this.#prober.onTick());
    this.#tick(gossipIntervalMs, () => this.#gossip());
    this.#seat.after(random.below(pushPullIntervalMs), () => this.#pushPullLater());
  }

  receive({ from, messages }: Packet): void {
    for (const message of messages) this.#dispatch(from, message);
  }

  /** A peer sends its table over a stream, and gets this one. */
  onExchange(rows: readonly StateRow[]): readonly StateRow[] {
    const own = this.table.rows();
    this.table.merge(rows);
    return own;
  }

  #dispatch(from: number, message: Message): void {
    switch (message.kind) {
      case "ping":
        if (message.target === this.#seat.self) this.#prober.onPing(from, message.seq);
        return;
      case "indirect":
        this.#prober.onIndirect(from, message.seq, message.target, message.wantsNack);
        return;
      case "ack":
        this.#prober.onAck(message.seq);
        return;
      case "nack":
        this.#prober.onNack(message.seq);
        return;
      default:
        this.#handOff(message);
    }
  }

  #handOff(rumour: Rumour): void {
    const queue = rumour.kind === "alive" ? this.#lives : this.#claims;
    if (queue.length >= this.#config.handoffQueueDepth) return;
    queue.push(rumour);
    if (this.#isDraining) return;
    this.#isDraining = true;
    // Behind what can be read now.
    this.#seat.after(0, () => {
      this.#isDraining = false;
      for (;;) {
        const next = this.#lives.pop() ?? this.#claims.pop();
        if (next === undefined) return;
        this.table.hear(next);
      }
    });
  }

  #send(to: number, messages: readonly Message[]): void {
    const { bytes } = packetOf(this.#seat.self, messages);
    const rumours = this.#rumours(bytes + messages.length * PART_BYTES);
    this.#seat.send(to, packetOf(this.#seat.self, [...messages, ...rumours]));
  }

  #rumours(bytesUsed: number): readonly Rumour[] {
    const { members, broadcasts } = this.table;
    const free = this.#config.packetBytesMax - COMPOUND_BYTES - bytesUsed;
    return broadcasts.take(free, retransmitLimit(this.#config, members.length));
  }

  #gossip(): void {
    const { gossipNodes, gossipToTheDeadMs } = this.#config;
    if (this.table.broadcasts.size === 0) return;
    const oldest = this.#seat.now() - gossipToTheDeadMs;
    const hearers = this.table.draw(
      gossipNodes,
      ({ mode, changedAt }) => mode !== "dead" || changedAt >= oldest,
    );
    for (const { node } of hearers) {
      const rumours = this.#rumours(0);
      if (rumours.length === 0) return;
      this.#seat.send(node, packetOf(this.#seat.self, rumours));
    }
  }

  #pushPullLater(): void {
    this.#seat.after(pushPullMs(this.#config, this.table.members.length), () => {
      const [peer] = this.table.draw(1, ({ mode }) => mode === "alive");
      if (peer !== undefined) {
        this.#seat.exchange(peer.node, this.table.rows(), (rows) => this.table.merge(rows));
      }
      this.#pushPullLater();
    });
  }

  /** After a random stagger; ticks that were missed do not come back. */
  #tick(intervalMs: number, callback: () => void): void {
    const again = (dueAt: number) => {
      const now = this.#seat.now();
      this.#seat.after(Math.max(0, dueAt - now), () => {
        const late = Math.floor((this.#seat.now() - dueAt) / intervalMs);
        again(dueAt + (late + 1) * intervalMs);
        callback();
      });
    };
    again(this.#seat.now() + this.#seat.random.below(intervalMs) + intervalMs);
  }
}
