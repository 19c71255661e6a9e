/**
 * Virtual time. The world takes the earliest event, moves its clock there and runs it to the end;
 * nothing else ever happens, so one seed and one plan give one run, on any machine. Each event that
 * runs goes into a rolling hash; two runs are the same if their hashes are, and the hashes kept
 * along the way find the first event in which two runs differ.
 */
import { Agenda, EVENT_KINDS, type EventKind, type SimEvent } from "./agenda.ts";
import { mix } from "./draws.ts";
import type { Lane, ResumeOrder } from "./lane.ts";

/** A hash is kept after each block of this many events. */
const BLOCK_EVENTS = 1_024;

/** More events than this at one moment mean that a process asks for timers that never help it. */
const EVENTS_PER_MOMENT_MAX = 200_000;

const KIND_CODES = new Map(EVENT_KINDS.map((kind, code) => [kind, code]));

export class World {
  readonly seed: number;
  readonly #agenda = new Agenda();
  readonly #turnEnd: (() => void)[] = [];
  readonly #blocks: string[] = [];
  #watch: { readonly block: number; readonly lines: string[] } | undefined;
  #now = 0;
  #order = 0;
  #events = 0;
  #high = 0;
  #atOnce = 0;
  #low = 0;

  constructor(seed: number) {
    this.seed = seed;
    this.#low = mix(seed, 1);
    this.#high = mix(seed, 2);
  }

  /** Microseconds since the world began. */
  get now(): number {
    return this.#now;
  }

  /** Events that have run. */
  get events(): number {
    return this.#events;
  }

  /** 16 hexadecimal digits over every event so far. */
  get hash(): string {
    return hex(this.#high) + hex(this.#low);
  }

  /** The hash after each full block of BLOCK_EVENTS events. */
  get blocks(): readonly string[] {
    return this.#blocks;
  }

  /** Writes down every event of one block, to be compared with another run's. */
  watchBlock(block: number): readonly string[] {
    const lines: string[] = [];
    this.#watch = { block, lines };
    return lines;
  }

  /** Plans an event; `at` in the past means now. Setting `run` to undefined cancels it. */
  plan(at: number, lane: Lane | undefined, kind: EventKind, run: () => void, digest = 0): SimEvent {
    this.#order += 1;
    const event: SimEvent = {
      at: at > this.#now ? at : this.#now,
      priority: mix(this.seed, this.#order),
      order: this.#order,
      kind,
      lane,
      digest,
      run,
    };
    this.#agenda.add(event);
    return event;
  }

  /** Calls back at the end of the event that is running. */
  atTurnEnd(callback: () => void): void {
    this.#turnEnd.push(callback);
  }

  /** Runs everything up to and including `until`. */
  runUntil(until: number): void {
    for (;;) {
      const event = this.#agenda.peek();
      if (event === undefined || event.at > until) break;
      this.#agenda.take();
      if (event.run === undefined) continue;
      this.#advanceTo(event);
      this.#meet(event);
    }
    this.#now = Math.max(this.#now, until);
  }

  pause(lane: Lane): void {
    lane.pause();
  }

  resume(lane: Lane, order: ResumeOrder): void {
    lane.resume(order, (event) => mix(this.seed, event.order));
    this.#wake(lane);
  }

  #advanceTo({ at, lane, kind }: SimEvent): void {
    this.#atOnce = at === this.#now ? this.#atOnce + 1 : 0;
    this.#now = at;
    if (this.#atOnce < EVENTS_PER_MOMENT_MAX) return;
    throw new Error(
      `time stands still at ${at} us: ${this.#atOnce} events at one moment, the last a ${kind} ` +
        `of host ${lane?.host ?? "none"}; something sets timers that are due but change nothing`,
    );
  }

  #meet(event: SimEvent): void {
    const { lane } = event;
    if (lane === undefined) {
      this.#run(event);
      return;
    }
    if (lane.isOver) return;
    if (lane.admits(event, this.#now)) this.#run(event);
    else this.#wake(lane);
  }

  #wake(lane: Lane): void {
    const at = lane.takeWake(this.#now);
    if (at === undefined) return;
    this.plan(at, undefined, "wake", () => {
      lane.woken();
      for (let event = lane.next(this.#now); event !== undefined; event = lane.next(this.#now)) {
        if (event.run !== undefined) this.#run(event);
      }
      this.#wake(lane);
    });
  }

  #run(event: SimEvent): void {
    const { lane, kind, digest, run } = event;
    if (run === undefined) return;
    event.run = undefined;
    lane?.begin(this.#now);
    this.#note(lane?.id ?? 0, kind, digest);
    run();
    // What one callback asks for runs in the same turn, too.
    for (let at = 0; at < this.#turnEnd.length; at += 1) (this.#turnEnd[at] as () => void)();
    this.#turnEnd.length = 0;
  }

  #note(lane: number, kind: EventKind, digest: number): void {
    const code = KIND_CODES.get(kind) as number;
    this.#low = mix(mix(mix(this.#low, this.#now), lane), mix(code, digest));
    this.#high = mix(this.#high, this.#low);
    const block = Math.floor(this.#events / BLOCK_EVENTS);
    if (this.#watch?.block === block) {
      this.#watch.lines.push(`${this.#now} us lane ${lane} ${kind} ${hex(digest)} ${this.hash}`);
    }
    this.#events += 1;
    if (this.#events % BLOCK_EVENTS === 0) this.#blocks.push(this.hash);
  }
}

function hex(value: number): string {
  return value.toString(16).padStart(8, "0");
}
