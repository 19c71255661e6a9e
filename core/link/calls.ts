/**
 * One-frame calls of one link: those that wait here for their replies, and those of the peer that
 * wait for ours. Deadlines are swept by one timer per table instead of one per call: replies come
 * long before their deadlines, so most sweeps find nothing.
 */
import { GrapevineError } from "../errors.ts";
import type { Clock, Timer } from "../seams.ts";
import type { Millis } from "../types.ts";

export type CallDone = (error: GrapevineError | undefined, reply: Uint8Array | undefined) => void;

interface PendingCall {
  readonly done: CallDone;
  readonly deadlineAt: number;
  /** Where its frame began in the calls lane. */
  readonly position: number;
}

export class CallTable {
  readonly #clock: Clock;
  readonly #pending = new Map<number, PendingCall>();
  #timer: Timer | undefined;
  #timerAt = Number.POSITIVE_INFINITY;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get size(): number {
    return this.#pending.size;
  }

  add(id: number, position: number, deadlineMs: number, done: CallDone): void {
    const deadlineAt = this.#clock.now() + deadlineMs;
    this.#pending.set(id, { done, deadlineAt, position });
    if (deadlineAt < this.#timerAt) this.#arm(deadlineAt);
  }

  /** False if no call of that id waits: it has run out of time, or never was. */
  settle(id: number, error: GrapevineError | undefined, reply: Uint8Array | undefined): boolean {
    const call = this.#pending.get(id);
    if (call === undefined) return false;
    this.#pending.delete(id);
    call.done(error, reply);
    return true;
  }

  /** Ends all calls, each with the error that `errorOf` makes for it. */
  failAll(errorOf: (id: number, position: number) => GrapevineError): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    const calls = [...this.#pending];
    this.#pending.clear();
    for (const [id, call] of calls) call.done(errorOf(id, call.position), undefined);
  }

  #arm(at: number): void {
    this.#timer?.cancel();
    this.#timerAt = at;
    this.#timer = this.#clock.at(at as Millis, () => this.#sweep());
  }

  #sweep(): void {
    const now = this.#clock.now();
    let next = Number.POSITIVE_INFINITY;
    const late: CallDone[] = [];
    for (const [id, call] of this.#pending) {
      if (call.deadlineAt <= now) {
        this.#pending.delete(id);
        late.push(call.done);
      } else if (call.deadlineAt < next) next = call.deadlineAt;
    }
    this.#timer = undefined;
    this.#timerAt = Number.POSITIVE_INFINITY;
    if (next !== Number.POSITIVE_INFINITY) this.#arm(next);
    for (const done of late) {
      done(
        new GrapevineError("deadline_exceeded", "no reply within the call's deadline"),
        undefined,
      );
    }
  }
}
