/** What the SWIM peer needs of the process and the network that it runs in. */
import type { Random } from "../../core/seams.ts";
import type { MemberMode, Packet, StateRow } from "./messages.ts";

export interface Alarm {
  cancel(): void;
}

export interface SwimSeat {
  readonly self: number;
  readonly random: Random;
  /** Milliseconds. */
  now(): number;
  after(ms: number, callback: () => void): Alarm;
  /** A datagram: it may be lost. */
  send(to: number, packet: Packet): void;
  /** A ping over a stream of its own; `onAck` is called if the answer comes. */
  streamPing(to: number, onAck: () => void): void;
  /** Exchanges tables over a stream; `onTable` is called with the answer, if one comes. */
  exchange(
    to: number,
    table: readonly StateRow[],
    onTable: (rows: readonly StateRow[]) => void,
  ): void;
}

/** What the process reports. */
export interface SwimListener {
  onMode(node: number, mode: MemberMode): void;
}
