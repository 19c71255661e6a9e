/**
 * The actors that live in one process: which types it hosts, their activations by key, the turns
 * that are to run, and the deadlines of the calls that are here. Whether a key belongs here is
 * decided by whoever delivers the call. Nothing is allocated per call but the call itself: turns run
 * from one queue, deadlines sit in one wheel, and an activation's callbacks are made once.
 */
import { GrapevineError } from "../errors.ts";
import { ACTIVATIONS_MAX } from "../limits.ts";
import type { Clock, Random } from "../seams.ts";
import type { Millis, ServiceKey } from "../types.ts";
import { Activation, type ActivationOwner } from "./activation.ts";
import type { ActorCall } from "./call.ts";
import type { AnyActorDefinition } from "./definition.ts";
import { TimingWheel } from "./wheel.ts";

export interface ActorHostOptions {
  readonly clock: Clock;
  readonly random: Random;
  /** Calls back as soon as the present call of user code or I/O is over, before anything else. */
  readonly soon: (callback: () => void) => void;
  /** Calls back at the end of the event-loop turn, after I/O had its chance. */
  readonly later: (callback: () => void) => void;
  /** A call that waited for an activation that ended because its key belongs elsewhere now. */
  readonly onHomeless: (call: ActorCall) => void;
  /** The activation is over and no message waits for the next. */
  readonly onPassivated?: (service: ServiceKey, key: string) => void;
  readonly reference: (definition: AnyActorDefinition, key: string) => unknown;
  /** A timer's callback or an onStop hook threw. */
  readonly onTimerFailed: (type: string, key: string, thrown: unknown) => void;
  /** ACTIVATIONS_MAX by default. */
  readonly activationsMax?: number;
}

interface HostedType {
  readonly service: ServiceKey;
  readonly definition: AnyActorDefinition;
  readonly activations: Map<string, Activation>;
  activated: number;
  /** Set once the type is to go away: what comes is sent back. */
  isClosing: boolean;
}

export interface HostedTypeSnapshot {
  readonly service: ServiceKey;
  readonly activations: number;
  /** How many activations there have been. */
  readonly activated: number;
  readonly waiting: number;
  readonly busy: number;
}

/**
 * An activation is looked at so often during its idle time, and stopped when no message came in a
 * whole one: so a call need not note when it ended.
 */
const IDLE_CHECKS = 8;
/** Turns in a row before I/O gets its chance. */
const TURNS_IN_ROW_MAX = 1_000;

export class ActorHost implements ActivationOwner {
  readonly #options: ActorHostOptions;
  readonly #types = new Map<ServiceKey, HostedType>();
  readonly #deadlines: TimingWheel<ActorCall>;
  readonly #idle: TimingWheel<Activation>;
  readonly #runCallback = () => this.#runTurns();
  readonly at: Clock["at"];
  #ready: Activation[] = [];
  #isRunning = false;
  #turnsInRow = 0;
  #activations = 0;
  #onEmpty: (() => void) | undefined;

  constructor(options: ActorHostOptions) {
    this.#options = options;
    const { clock } = options;
    this.at = (when, callback) => clock.at(when, callback);
    this.#deadlines = new TimingWheel(clock, (call) => this.#onDeadline(call));
    this.#idle = new TimingWheel(clock, (activation) => this.#onIdleCheck(activation));
  }

  /** Begins to host a type. */
  add(service: ServiceKey, definition: AnyActorDefinition): void {
    const activations = new Map<string, Activation>();
    this.#types.set(service, { service, definition, activations, activated: 0, isClosing: false });
  }

  /** Takes a call; whoever delivers it has made sure that the key is at home here. */
  deliver(call: ActorCall): void {
    const { target } = call;
    let activation = target.activation as Activation | undefined;
    if (activation === undefined || activation.state === "over") {
      activation = this.#activationFor(call);
      if (activation === undefined) return;
      target.activation = activation;
    }
    this.#deadlines.add(call, call.startedAt);
    activation.push(call);
  }

  /** The keys of a type that live here. */
  keys(service: ServiceKey): Iterable<string> {
    return this.#types.get(service)?.activations.keys() ?? [];
  }

  count(service: ServiceKey): number {
    return this.#types.get(service)?.activations.size ?? 0;
  }

  /** The key belongs elsewhere: its activation ends after the running turn. */
  release(service: ServiceKey, key: string): void {
    const activation = this.#types.get(service)?.activations.get(key);
    if (activation === undefined) return;
    activation.isReleased = true;
    activation.stop();
  }

  /** Lets every running turn end and takes no call any more; `done` follows when all is quiet. */
  drain(done: () => void): void {
    this.#onEmpty = done;
    for (const type of this.#types.values()) {
      type.isClosing = true;
      for (const activation of [...type.activations.values()]) activation.stop();
    }
    this.#tellIfEmpty();
  }

  /** Takes calls again after a drain or an abandon. */
  reopen(): void {
    for (const type of this.#types.values()) type.isClosing = false;
  }

  /** Drops every activation at once; running calls fail with `why`, waiting ones are homeless. */
  abandon(why: GrapevineError): void {
    for (const type of this.#types.values()) {
      type.isClosing = true;
      for (const activation of [...type.activations.values()]) activation.abandon(why);
    }
  }

  stop(): void {
    this.abandon(new GrapevineError("draining", "this node has stopped", { executed: "unknown" }));
    this.#deadlines.stop();
    this.#idle.stop();
  }

  /** Running and waiting messages. */
  get inFlight(): number {
    return this.#deadlines.size;
  }

  get activations(): number {
    return this.#activations;
  }

  snapshot(): HostedTypeSnapshot[] {
    return [...this.#types.values()].map(({ service, activations, activated }) => {
      let waiting = 0;
      let busy = 0;
      for (const activation of activations.values()) {
        waiting += activation.waiting;
        if (activation.isBusy) busy += 1;
      }
      return { service, activations: activations.size, activated, waiting, busy };
    });
  }

  /** ActivationOwner. */

  schedule(activation: Activation): void {
    if (activation.isScheduled) return;
    activation.isScheduled = true;
    this.#ready.push(activation);
    if (!this.#isRunning && this.#ready.length === 1) this.#wake();
  }

  forgetDeadline(call: ActorCall): void {
    call.holder = undefined;
    this.#deadlines.remove(call);
  }

  onStopped(activation: Activation, waiting: readonly ActorCall[]): void {
    const { service, key } = activation;
    this.#idle.remove(activation);
    const type = this.#types.get(service);
    if (type?.activations.get(key) === activation) {
      type.activations.delete(key);
      this.#activations -= 1;
      if (waiting.length === 0) this.#options.onPassivated?.(service, key);
    }
    const isAtHome = !activation.isReleased && type?.isClosing === false;
    for (const call of waiting) {
      this.forgetDeadline(call);
      if (isAtHome) this.deliver(call);
      else this.#options.onHomeless(call);
    }
    this.#tellIfEmpty();
  }

  now(): Millis {
    return this.#options.clock.now();
  }

  wall(): number {
    return this.#options.clock.wall();
  }

  random(): number {
    return this.#options.random.float();
  }

  reference(definition: AnyActorDefinition, key: string): unknown {
    return this.#options.reference(definition, key);
  }

  onTimerFailed(type: string, key: string, thrown: unknown): void {
    this.#options.onTimerFailed(type, key, thrown);
  }

  #activationFor(call: ActorCall): Activation | undefined {
    const { service, key } = call.target;
    const type = this.#types.get(service);
    if (type === undefined || type.isClosing) {
      this.#options.onHomeless(call);
      return undefined;
    }
    const known = type.activations.get(key);
    if (known !== undefined) return known;
    const activationsMax = this.#options.activationsMax ?? ACTIVATIONS_MAX;
    if (this.#activations >= activationsMax) {
      const what = `${this.#activations} actors live in this process, the most it holds`;
      call.fail(new GrapevineError("overloaded", `${what}; add hosts of ${type.definition.name}`));
      return undefined;
    }
    const now = call.startedAt;
    const activation = new Activation(service, type.definition, key, this);
    type.activations.set(key, activation);
    type.activated += 1;
    this.#activations += 1;
    activation.dueAt = now + type.definition.idleMs / IDLE_CHECKS;
    this.#idle.add(activation, now);
    return activation;
  }

  #wake(): void {
    if (this.#turnsInRow < TURNS_IN_ROW_MAX) {
      this.#options.soon(this.#runCallback);
      return;
    }
    this.#turnsInRow = 0;
    this.#options.later(this.#runCallback);
  }

  #runTurns(): void {
    const now = this.#options.clock.now();
    this.#isRunning = true;
    let at = 0;
    while (at < this.#ready.length && this.#turnsInRow < TURNS_IN_ROW_MAX) {
      const activation = this.#ready[at] as Activation;
      at += 1;
      this.#turnsInRow += 1;
      activation.isScheduled = false;
      activation.runTurn(now);
    }
    this.#isRunning = false;
    if (at === this.#ready.length) this.#ready.length = 0;
    else {
      this.#ready = this.#ready.slice(at);
      this.#wake();
    }
  }

  #onDeadline(call: ActorCall): void {
    (call.holder as Activation | undefined)?.expire(call, this.now());
  }

  #onIdleCheck(activation: Activation): void {
    if (activation.state !== "active") return;
    activation.quietChecks = activation.isIdle ? activation.quietChecks + 1 : 0;
    if (activation.quietChecks > IDLE_CHECKS) {
      activation.stop();
      return;
    }
    const now = this.now();
    activation.dueAt = now + activation.definition.idleMs / IDLE_CHECKS;
    this.#idle.add(activation, now);
  }

  #tellIfEmpty(): void {
    if (this.#activations > 0 || this.#onEmpty === undefined) return;
    const done = this.#onEmpty;
    this.#onEmpty = undefined;
    done();
  }
}
