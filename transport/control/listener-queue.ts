/**
 * Calls the listener one event at a time and never from inside a call that the listener, or anybody
 * who drives it, has made into the transport: such events wait for the end of the turn. Events
 * before the listener is there wait for it.
 */
import type { ControlListener } from "../../core/seams.ts";

type Event = (listener: ControlListener) => void;

export class ListenerQueue {
  #listener: ControlListener | undefined;
  #events: Event[] = [];
  #inside = 0;
  #draining = false;

  start(listener: ControlListener): void {
    this.#listener = listener;
    this.#drainSoon();
  }

  /** Runs a call that came from above; what it sets off is told to the listener later. */
  during<Result>(call: () => Result): Result {
    this.#inside += 1;
    try {
      return call();
    } finally {
      this.#inside -= 1;
    }
  }

  deliver(event: Event): void {
    if (this.#listener === undefined || this.#inside > 0 || this.#events.length > 0) {
      this.#events.push(event);
      this.#drainSoon();
    } else {
      this.#call(this.#listener, event);
    }
  }

  /** Asks the listener at once; undefined if it is not there or busy. */
  ask<Answer>(question: (listener: ControlListener) => Answer): Answer | undefined {
    const listener = this.#listener;
    if (listener === undefined || this.#inside > 0) return undefined;
    return this.during(() => question(listener));
  }

  #call(listener: ControlListener, event: Event): void {
    this.during(() => event(listener));
    if (this.#events.length > 0) this.#drainSoon();
  }

  #drainSoon(): void {
    if (this.#draining || this.#listener === undefined || this.#events.length === 0) return;
    this.#draining = true;
    queueMicrotask(() => this.#drain());
  }

  #drain(): void {
    this.#draining = false;
    const listener = this.#listener;
    while (listener !== undefined) {
      const event = this.#events.shift();
      if (event === undefined) return;
      this.during(() => event(listener));
    }
  }
}
