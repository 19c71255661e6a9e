/**
 * SWIM's failure detector as memberlist runs it (state.go, probeNode): once a second the next member
 * of a shuffled list is pinged; after half a second up to three others are asked to ping it, and a
 * ping goes over a stream as well; who has not answered by the end of the interval is suspect. One
 * probe runs at a time: while one lasts longer than its interval, at most one further tick is kept.
 */
import type { Awareness } from "./awareness.ts";
import type { SwimConfig } from "./config.ts";
import type { Message } from "./messages.ts";
import type { Alarm, SwimSeat } from "./seat.ts";
import type { Member, Table } from "./table.ts";

interface Probe {
  readonly seq: number;
  readonly target: Member;
  /** The life that was probed: another one is not to blame. */
  readonly incarnation: number;
  timeout: Alarm;
  end: Alarm;
  nacksWanted: number;
  nacks: number;
  isReachedByStream: boolean;
}

interface Relay {
  readonly from: number;
  readonly seq: number;
  readonly forget: Alarm;
}

export interface ProberParts {
  readonly config: SwimConfig;
  readonly seat: SwimSeat;
  readonly table: Table;
  readonly awareness: Awareness;
  /** Sends with rumours on board. */
  readonly send: (to: number, messages: readonly Message[]) => void;
}

export class Prober {
  readonly #parts: ProberParts;
  readonly #relays = new Map<number, Relay>();
  #index = 0;
  #seq = 0;
  #probe: Probe | undefined;
  #isTickKept = false;

  constructor(parts: ProberParts) {
    this.#parts = parts;
  }

  onTick(): void {
    if (this.#probe !== undefined) this.#isTickKept = true;
    else this.#begin();
  }

  onPing(from: number, seq: number): void {
    this.#parts.send(from, [{ kind: "ack", seq }]);
  }

  onIndirect(from: number, seq: number, target: number, wantsNack: boolean): void {
    const { config, seat, send } = this.#parts;
    const ownSeq = this.#nextSeq();
    const forget = seat.after(config.probeTimeoutMs, () => {
      if (this.#relays.delete(ownSeq) && wantsNack) send(from, [{ kind: "nack", seq }]);
    });
    this.#relays.set(ownSeq, { from, seq, forget });
    send(target, [{ kind: "ping", seq: ownSeq, target }]);
  }

  onAck(seq: number): void {
    const relay = this.#relays.get(seq);
    if (relay !== undefined) {
      this.#relays.delete(seq);
      relay.forget.cancel();
      this.#parts.send(relay.from, [{ kind: "ack", seq: relay.seq }]);
    } else if (this.#probe?.seq === seq) this.#finish(-1);
  }

  onNack(seq: number): void {
    if (this.#probe?.seq === seq) this.#probe.nacks += 1;
  }

  #begin(): void {
    const target = this.#next();
    if (target === undefined) return;
    const { config, seat, awareness, send } = this.#parts;
    const seq = this.#nextSeq();
    const intervalMs = config.lhaProbe
      ? awareness.scale(config.probeIntervalMs)
      : config.probeIntervalMs;
    const { node, incarnation, mode } = target;
    const probe: Probe = {
      ...{ seq, target, incarnation, nacksWanted: 0, nacks: 0, isReachedByStream: false },
      // memberlist does not stretch this one: waiting longer does not get datagrams through.
      timeout: seat.after(config.probeTimeoutMs, () => this.#askOthers(probe)),
      end: seat.after(intervalMs, () => this.#onEnd(probe)),
    };
    this.#probe = probe;
    const ping: Message = { kind: "ping", seq, target: node };
    if (mode === "alive" || !config.buddy) send(node, [ping]);
    else send(node, [ping, { kind: "suspect", node, incarnation, from: seat.self }]);
  }

  #askOthers(probe: Probe): void {
    const { config, seat, table, send } = this.#parts;
    const { seq, target } = probe;
    const helpers = table.draw(
      config.indirectChecks,
      (member) => member !== target && member.mode === "alive",
    );
    if (config.lhaProbe) probe.nacksWanted = helpers.length;
    for (const { node } of helpers) {
      send(node, [{ kind: "indirect", seq, target: target.node, wantsNack: config.lhaProbe }]);
    }
    seat.streamPing(target.node, () => {
      probe.isReachedByStream = true;
    });
  }

  #onEnd(probe: Probe): void {
    if (probe.isReachedByStream) {
      this.#finish(-1);
      return;
    }
    const { nacksWanted, nacks, target, incarnation } = probe;
    const { seat, table } = this.#parts;
    // Helpers that do not even say no: then it is this node that does not hear.
    const change = nacksWanted > 0 ? Math.max(0, nacksWanted - nacks) : 1;
    table.suspect({ node: target.node, incarnation, from: seat.self });
    this.#finish(change);
  }

  #finish(healthChange: number): void {
    const { config, awareness } = this.#parts;
    this.#probe?.timeout.cancel();
    this.#probe?.end.cancel();
    this.#probe = undefined;
    if (config.lhaProbe) awareness.apply(healthChange);
    if (!this.#isTickKept) return;
    this.#isTickKept = false;
    this.#begin();
  }

  #next(): Member | undefined {
    const { table, seat } = this.#parts;
    for (let looked = 0; looked <= table.members.length; looked += 1) {
      if (this.#index >= table.members.length) {
        table.reset();
        this.#index = 0;
      }
      const member = table.members[this.#index];
      this.#index += 1;
      if (member !== undefined && member.node !== seat.self && member.mode !== "dead") {
        return member;
      }
    }
    return undefined;
  }

  #nextSeq(): number {
    this.#seq += 1;
    return this.#seq;
  }
}
