/** A seat with a clock of its own: what a member sends is written down, and nothing answers. */
import { SeededRandom } from "../../../core/random.ts";
import type { MemberMode, Packet, StateRow } from "../../../sim/swim/messages.ts";
import type { SwimListener, SwimSeat } from "../../../sim/swim/seat.ts";

interface Planned {
  readonly at: number;
  callback: (() => void) | undefined;
}

export class TestSeat implements SwimSeat, SwimListener {
  readonly self: number;
  readonly random = new SeededRandom(7);
  readonly sent: { readonly to: number; readonly packet: Packet }[] = [];
  readonly streamPings: { readonly to: number; readonly onAck: () => void }[] = [];
  readonly exchanges: { readonly to: number; readonly table: readonly StateRow[] }[] = [];
  readonly modes: (readonly [number, MemberMode])[] = [];
  #planned: Planned[] = [];
  #now = 0;

  constructor(self: number) {
    this.self = self;
  }

  now(): number {
    return this.#now;
  }

  after(ms: number, callback: () => void) {
    const planned: Planned = { at: this.#now + ms, callback };
    this.#planned.push(planned);
    return {
      cancel: () => {
        planned.callback = undefined;
      },
    };
  }

  send(to: number, packet: Packet): void {
    this.sent.push({ to, packet });
  }

  streamPing(to: number, onAck: () => void): void {
    this.streamPings.push({ to, onAck });
  }

  exchange(to: number, table: readonly StateRow[]): void {
    this.exchanges.push({ to, table });
  }

  onMode(node: number, mode: MemberMode): void {
    this.modes.push([node, mode]);
  }

  /** Everything that falls due in the next `ms`, in order. */
  run(ms: number): void {
    const until = this.#now + ms;
    for (;;) {
      this.#planned = this.#planned.filter(({ callback }) => callback !== undefined);
      const next = this.#planned
        .filter(({ at }) => at <= until)
        .sort((one, other) => one.at - other.at)[0];
      if (next === undefined) break;
      this.#now = Math.max(this.#now, next.at);
      const { callback } = next;
      next.callback = undefined;
      callback?.();
    }
    this.#now = until;
  }

  /** Kinds of messages sent, with their receivers. */
  said(kind: string): readonly number[] {
    return this.sent.flatMap(({ to, packet }) =>
      packet.messages.filter((message) => message.kind === kind).map(() => to),
    );
  }
}
