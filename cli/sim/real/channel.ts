/**
 * One direction of a relayed connection. What arrives from one process is handed to the other after
 * the time that the plan's road takes, by the same rules as in the simulator (sim/network/): in
 * order and whole, loss as a stall, held back behind a cut and sent again after pauses that double,
 * and the sender loses patience as its kernel would.
 */
import type { Socket } from "node:net";
import { nextResendUs, type Paths } from "../../../sim/network/paths.ts";
import { resetSocket } from "../../../transport/reset-socket.ts";

/** What may wait here before the sender is told to wait. */
const WINDOW_BYTES = 512 * 1024;
/** A timer cannot keep less. */
const AT_ONCE_US = 2_000;

type Parcel =
  | { readonly kind: "data"; readonly bytes: Buffer }
  | { readonly kind: "end" | "reset" };

export interface Ends {
  readonly from: number;
  readonly to: number;
  /** For the draws of its packets. */
  readonly key: number;
}

export class Channel {
  readonly #paths: Paths;
  readonly #ends: Ends;
  readonly #source: Socket;
  readonly #sink: Socket;
  #held: Parcel[] = [];
  #underway: { readonly at: number; readonly parcel: Parcel }[] = [];
  #timer: NodeJS.Timeout | undefined;
  #patience: NodeJS.Timeout | undefined;
  #pending = 0;
  #counter = 0;
  #lastArrival = 0;
  #stalledSince: number | undefined;
  #isCut = false;
  #isOver = false;

  constructor(paths: Paths, ends: Ends, source: Socket, sink: Socket) {
    this.#paths = paths;
    this.#ends = ends;
    this.#source = source;
    this.#sink = sink;
    source.on("data", (bytes) => this.#push({ kind: "data", bytes: bytes as Buffer }));
    source.on("end", () => this.#push({ kind: "end" }));
    // A kernel answers data for a process that is gone with a reset; what was on its way is lost.
    source.on("close", (hadError) => {
      if (hadError) this.#push({ kind: "reset" });
    });
    sink.on("drain", () => this.#resume());
  }

  /** A road may have opened or closed. */
  onRoads(): void {
    const since = this.#stalledSince;
    if (this.#isOver || since === undefined || this.#blocked() !== undefined) return;
    if (this.#held.length === 0 && this.#unacknowledged()) return;
    this.#stalledSince = undefined;
    clearTimeout(this.#patience);
    const held = this.#held;
    this.#held = [];
    const now = nowUs();
    if (this.#isCut) this.#lastArrival = Math.max(this.#lastArrival, nextResendUs(since, now));
    this.#isCut = false;
    for (const parcel of held) this.#transmit(parcel);
  }

  end(): void {
    this.#isOver = true;
    this.#held = [];
    this.#underway = [];
    clearTimeout(this.#timer);
    clearTimeout(this.#patience);
  }

  #push(parcel: Parcel): void {
    if (this.#isOver) return;
    if (parcel.kind === "data") this.#pending += parcel.bytes.length;
    if (this.#pending > WINDOW_BYTES) this.#source.pause();
    this.#transmit(parcel);
  }

  #transmit(parcel: Parcel): void {
    const blocked = this.#blocked();
    if (this.#held.length > 0 || blocked !== undefined) {
      this.#isCut ||= blocked === "cut";
      this.#held.push(parcel);
      this.#losePatienceLater();
      return;
    }
    if (this.#unacknowledged()) this.#losePatienceLater();
    const { from, to, key } = this.#ends;
    const bytes = parcel.kind === "data" ? parcel.bytes.length : 0;
    this.#counter += 1;
    const now = nowUs();
    const transit = this.#paths.transitUs(from, to, bytes, key, this.#counter);
    const at = Math.max(now + (transit < AT_ONCE_US ? 0 : transit), this.#lastArrival);
    this.#lastArrival = at;
    if (this.#underway.length === 0 && at <= now) this.#deliver(parcel);
    else {
      this.#underway.push({ at, parcel });
      if (this.#underway.length === 1) this.#wait();
    }
  }

  #wait(): void {
    const next = this.#underway[0];
    if (next === undefined) return;
    const ms = Math.max(0, Math.ceil((next.at - nowUs()) / 1_000));
    this.#timer = setTimeout(() => {
      const now = nowUs();
      const ripe = this.#underway.findIndex(({ at }) => at > now);
      const due = this.#underway.splice(0, ripe < 0 ? this.#underway.length : ripe);
      for (const { parcel } of due) this.#deliver(parcel);
      this.#wait();
    }, ms);
  }

  #deliver(parcel: Parcel): void {
    if (this.#isOver) return;
    if (parcel.kind === "data") {
      this.#pending -= parcel.bytes.length;
      if (this.#sink.writable) this.#sink.write(parcel.bytes);
      this.#resume();
    } else if (parcel.kind === "end") this.#sink.end();
    else resetSocket(this.#sink);
  }

  #resume(): void {
    if (this.#sink.writableNeedDrain) this.#source.pause();
    else if (this.#pending < WINDOW_BYTES / 2 && this.#source.isPaused()) this.#source.resume();
  }

  #blocked(): "cut" | "clog" | undefined {
    return this.#paths.blocked(this.#ends.from, this.#ends.to);
  }

  /** Data gets through where acknowledgements do not, but the kernel loses patience. */
  #unacknowledged(): boolean {
    return this.#paths.blocked(this.#ends.to, this.#ends.from) !== undefined;
  }

  #losePatienceLater(): void {
    if (this.#stalledSince !== undefined) return;
    this.#stalledSince = nowUs();
    this.#patience = setTimeout(() => {
      // The far side hears of it when the road is open again.
      resetSocket(this.#source);
      this.#held = [{ kind: "reset" }];
    }, this.#paths.shape.giveUpMs);
  }
}

function nowUs(): number {
  return performance.now() * 1_000;
}
