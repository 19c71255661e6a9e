/**
 * Brings what many processes tell into the order in which it happened. All clocks are the host's, but
 * news arrives by different ways; each event therefore waits a moment before it is passed on, so
 * that an earlier one may still overtake it.
 */
import type { TraceEvent } from "../../../sim/trace.ts";

const WAIT_MS = 500;

/** A trace event before its moment is known. */
export type Untimed<Event> = Event extends unknown ? Omit<Event, "at"> : never;

export class Journal {
  readonly #originMs = Date.now();
  readonly #onEvent: (event: TraceEvent) => void;
  #waiting: TraceEvent[] = [];
  #last = 0;
  /** Events passed on so far. */
  count = 0;

  constructor(onEvent: (event: TraceEvent) => void) {
    this.#onEvent = onEvent;
  }

  /** Microseconds since the run began. */
  now(): number {
    return this.at(Date.now());
  }

  at(wallMs: number): number {
    return Math.max(0, Math.round((wallMs - this.#originMs) * 1_000));
  }

  emit(event: Untimed<TraceEvent>, at: number = this.now()): void {
    this.#waiting.push({ at, ...event } as TraceEvent);
  }

  /** Passes on what has waited long enough. */
  advance(): void {
    this.#release(this.now() - WAIT_MS * 1_000);
  }

  flush(): void {
    this.#release(Number.POSITIVE_INFINITY);
  }

  #release(until: number): void {
    const sorted = this.#waiting.sort((one, other) => one.at - other.at);
    const ripe = sorted.findIndex(({ at }) => at > until);
    this.#waiting = ripe < 0 ? [] : sorted.slice(ripe);
    for (const event of ripe < 0 ? sorted : sorted.slice(0, ripe)) {
      // What comes later than the wait allows is told as of now: time never goes back in a trace.
      this.#last = Math.max(this.#last, event.at);
      this.count += 1;
      this.#onEvent(this.#last === event.at ? event : { ...event, at: this.#last });
    }
  }
}
