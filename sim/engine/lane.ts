/**
 * The event loop of one simulated process. It runs one event at a time; while it is paused, or busy
 * with an event that takes long on a slow machine, what comes waits. After a pause the order in
 * which the waiting events run is the plan's choice: Node runs expired timers before it reads its
 * sockets, which is exactly what makes a stalled process accuse others.
 */
import type { SimEvent } from "./agenda.ts";

export type ResumeOrder = "timers" | "io" | "shuffled";

export class Lane {
  /** Names it in the hash: no two processes of a run share one. */
  readonly id: number;
  /** The host on which it runs. */
  readonly host: number;
  /** What each event costs on this machine now, in microseconds; 0 for nothing worth counting. */
  costUs = 0;
  #isOver = false;
  #isPaused = false;
  #busyUntil = 0;
  /** In the order in which they will run. */
  #waiting: SimEvent[] = [];
  #head = 0;
  #wakeAt: number | undefined;

  constructor(id: number, host: number) {
    this.id = id;
    this.host = host;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  get isPaused(): boolean {
    return this.#isPaused;
  }

  get waiting(): number {
    return this.#waiting.length - this.#head;
  }

  get busyUntil(): number {
    return this.#busyUntil;
  }

  /** The process is gone, and everything that was to happen in it. */
  end(): void {
    this.#isOver = true;
    this.#waiting = [];
    this.#head = 0;
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(order: ResumeOrder, shuffle: (event: SimEvent) => number): void {
    this.#isPaused = false;
    const waiting = this.#waiting.slice(this.#head);
    const rank = (event: SimEvent) =>
      order === "shuffled"
        ? shuffle(event)
        : (event.kind === "timer") === (order === "timers")
          ? 0
          : 1;
    // Events of one connection keep their order: sorting is stable, and only timers move freely.
    if (order === "shuffled") {
      const timers = waiting.filter((event) => event.kind === "timer");
      const others = waiting.filter((event) => event.kind !== "timer");
      this.#waiting = merged(timers, others, rank);
    } else this.#waiting = waiting.sort((one, other) => rank(one) - rank(other));
    this.#head = 0;
  }

  /** True if the event may run now; otherwise it is kept for later. */
  admits(event: SimEvent, now: number): boolean {
    const isFree = !this.#isPaused && this.waiting === 0 && this.#busyUntil <= now;
    if (!isFree) this.#waiting.push(event);
    return isFree;
  }

  /** An event begins to run. */
  begin(now: number): void {
    if (this.costUs > 0) this.#busyUntil = Math.max(this.#busyUntil, now) + this.costUs;
  }

  /** When the process should be woken for what waits; undefined if it need not be, or will be. */
  takeWake(now: number): number | undefined {
    if (this.#isPaused || this.waiting === 0 || this.#wakeAt !== undefined) return undefined;
    this.#wakeAt = Math.max(now, this.#busyUntil);
    return this.#wakeAt;
  }

  /** The next waiting event, if one may run now. */
  next(now: number): SimEvent | undefined {
    if (this.#isPaused || this.#isOver || this.#busyUntil > now) return undefined;
    const event = this.#waiting[this.#head];
    if (event === undefined) {
      this.#waiting = [];
      this.#head = 0;
      return undefined;
    }
    this.#head += 1;
    if (this.#head > 1_024 && this.#head * 2 > this.#waiting.length) {
      this.#waiting = this.#waiting.slice(this.#head);
      this.#head = 0;
    }
    return event;
  }

  woken(): void {
    this.#wakeAt = undefined;
  }
}

function merged(
  timers: readonly SimEvent[],
  others: readonly SimEvent[],
  rank: (event: SimEvent) => number,
): SimEvent[] {
  const all: SimEvent[] = [];
  let at = 0;
  for (const event of others) {
    while (at < timers.length && rank(timers[at] as SimEvent) % 2 === 0) {
      all.push(timers[at] as SimEvent);
      at += 1;
    }
    all.push(event);
  }
  return [...all, ...timers.slice(at)];
}
