/** What the table of links knows of one peer: its links, the dial under way, and what waits. */
import { GrapevineError } from "../errors.ts";
import type { Clock, CloseReason, Timer } from "../seams.ts";
import type { Millis, NodeId } from "../types.ts";
import type { CallDone } from "./calls.ts";
import type { ClientStream } from "./client-stream.ts";
import { unreachable } from "./failures.ts";
import type { Link } from "./link.ts";

interface WaitingCall {
  readonly payload: Uint8Array;
  readonly deadlineAt: number;
  readonly done: CallDone;
  readonly timer: Timer;
}

const NEVER_TRIED: CloseReason = { kind: "unreachable", detail: "not tried yet" };

export class PeerRecord {
  readonly peer: NodeId;
  address = "";
  /** Oldest first. */
  readonly links: Link[] = [];
  /** The dial under way. */
  attempt: number | undefined;
  failures = 0;
  lastFailure = NEVER_TRIED;
  /** No dial before this moment of the clock. */
  retryAt = 0;
  forgetTimer: Timer | undefined;
  readonly #clock: Clock;
  readonly #streams = new Set<ClientStream>();
  readonly #calls = new Set<WaitingCall>();

  constructor(peer: NodeId, clock: Clock) {
    this.peer = peer;
    this.#clock = clock;
  }

  /** The link that takes new streams: the newest that is up. */
  get usable(): Link | undefined {
    for (let at = this.links.length - 1; at >= 0; at -= 1) {
      const link = this.links[at];
      if (link?.state === "up") return link;
    }
    return undefined;
  }

  /** A link is up, or may be soon. */
  get hopeful(): boolean {
    return (
      this.attempt !== undefined ||
      this.links.some((link) => link.state === "up" || link.state === "greeting")
    );
  }

  get isDraining(): boolean {
    return this.links.some((link) => link.state === "draining");
  }

  get hasWaiting(): boolean {
    return this.#streams.size + this.#calls.size > 0;
  }

  get waitingCount(): number {
    return this.#streams.size + this.#calls.size;
  }

  /** A new address is a new chance: what is known of the old one says nothing. */
  moveTo(address: string): void {
    if (address === this.address) return;
    this.address = address;
    this.failures = 0;
    this.retryAt = 0;
  }

  onReached(): void {
    this.failures = 0;
    this.retryAt = 0;
    this.forgetTimer?.cancel();
    this.forgetTimer = undefined;
  }

  unreachable(): GrapevineError {
    return unreachable(this.peer, this.address, this.lastFailure);
  }

  waitWithStream(stream: ClientStream): void {
    this.#streams.add(stream);
  }

  abandon(stream: ClientStream): void {
    this.#streams.delete(stream);
  }

  waitWithCall(payload: Uint8Array, deadlineMs: number, done: CallDone): void {
    const deadlineAt = this.#clock.now() + deadlineMs;
    const timer = this.#clock.at(deadlineAt as Millis, () => {
      this.#calls.delete(call);
      const error = new GrapevineError("deadline_exceeded", "no link within the call's deadline", {
        executed: "no",
      });
      done(error, undefined);
    });
    const call: WaitingCall = { payload, deadlineAt, done, timer };
    this.#calls.add(call);
  }

  /** Hands over what waits, in the order in which it came. */
  attachWaiting(link: Link): void {
    const streams = [...this.#streams];
    const calls = this.#takeCalls();
    this.#streams.clear();
    const gone = () => this.unreachable();
    for (const stream of streams) {
      const error = link.state === "up" ? link.mux.open(stream) : gone();
      if (error !== undefined) stream.fail(error);
    }
    for (const { payload, deadlineAt, done } of calls) {
      const left = Math.max(0, deadlineAt - this.#clock.now());
      const error = link.state === "up" ? link.mux.call(payload, left, done) : gone();
      if (error !== undefined) done(error, undefined);
    }
  }

  failWaiting(reason: CloseReason): void {
    if (this.hasWaiting) this.failWaitingWith(unreachable(this.peer, this.address, reason));
  }

  failWaitingWith(error: GrapevineError): void {
    const streams = [...this.#streams];
    const calls = this.#takeCalls();
    this.#streams.clear();
    for (const stream of streams) stream.fail(error);
    for (const call of calls) call.done(error, undefined);
  }

  #takeCalls(): WaitingCall[] {
    const calls = [...this.#calls];
    this.#calls.clear();
    for (const call of calls) call.timer.cancel();
    return calls;
  }
}
