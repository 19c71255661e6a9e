/**
 * One living actor: the methods that its factory made, and the messages that wait for it. It runs
 * one turn at a time, from the start of a method to the settling of its promise; timers take turns
 * like calls. It is told to stop when it is idle, when its key belongs to another node now, and when
 * the node leaves: then the running turn ends, onStop hooks run, and what still waits is handed back
 * for the next activation, here or elsewhere.
 */
import { GrapevineError } from "../errors.ts";
import type { Timer } from "../seams.ts";
import type { Millis, ServiceKey } from "../types.ts";
import type { ActorCall, CallHolder } from "./call.ts";
import { type ContextHost, createContext, type TimerTurn } from "./context.ts";
import type { AnyActorDefinition } from "./definition.ts";
import { remoteError } from "./remote-error.ts";
import type { WheelEntry } from "./wheel.ts";

/** How long onStop hooks may take before the activation ends without them. */
const STOP_TIMEOUT_MS = 5_000;
/** A mailbox is compacted once so many places at its front are empty. */
const HOLES_MAX = 64;

/** What an activation asks of its host. */
export interface ActivationOwner extends ContextHost {
  /** It has a message to run: call `runTurn` soon. */
  schedule(activation: Activation): void;
  /** The call is no longer waiting for its turn or for its end. */
  forgetDeadline(call: ActorCall): void;
  /** It is over; `waiting` came too late for it. */
  onStopped(activation: Activation, waiting: readonly ActorCall[]): void;
}

type Method = (...args: readonly unknown[]) => unknown;

export class Activation implements WheelEntry, CallHolder {
  readonly service: ServiceKey;
  readonly definition: AnyActorDefinition;
  /** The type's name for people. */
  readonly type: string;
  readonly key: string;
  /** The moment of the next look whether it is idle. */
  dueAt = 0;
  wheelSlot = -1;
  wheelPrevious: WheelEntry | undefined = undefined;
  wheelNext: WheelEntry | undefined = undefined;
  isScheduled = false;
  /** Its key belongs to another node: what waits for it goes there. */
  isReleased = false;
  /** Looks in a row at which no message had come since the one before. */
  quietChecks = 0;
  state: "active" | "stopping" | "over" = "active";
  readonly #owner: ActivationOwner;
  #methods: object | undefined;
  #context: ReturnType<typeof createContext> | undefined;
  #mailbox: (ActorCall | TimerTurn | undefined)[] = [];
  #front = 0;
  /** Calls in the mailbox that have not been given up. */
  #waiting = 0;
  #running: ActorCall | TimerTurn | undefined;
  #runningSince = 0;
  #stopTimer: Timer | undefined;
  readonly #onReturned: (value: unknown) => void;
  readonly #onThrown: (thrown: unknown) => void;

  constructor(
    service: ServiceKey,
    definition: AnyActorDefinition,
    key: string,
    owner: ActivationOwner,
  ) {
    this.service = service;
    this.definition = definition;
    this.type = definition.name;
    this.key = key;
    this.#owner = owner;
    this.#onReturned = (value) => this.#endTurn(value, undefined);
    this.#onThrown = (thrown) => this.#endTurn(undefined, { thrown });
  }

  get waiting(): number {
    return this.#waiting;
  }

  get isBusy(): boolean {
    return this.#running !== undefined;
  }

  /** No message runs or waits. */
  get isIdle(): boolean {
    return this.#running === undefined && this.#waiting === 0;
  }

  /** Takes a message, or refuses the call because too many wait. */
  push(call: ActorCall): void {
    if (this.#waiting >= this.definition.mailbox) {
      this.#owner.forgetDeadline(call);
      const what = `${this.#waiting} messages wait for ${this.type}/${this.key}`;
      call.fail(new GrapevineError("overloaded", `${what}, the most that its mailbox takes`));
      return;
    }
    call.holder = this;
    this.#mailbox.push(call);
    this.#waiting += 1;
    if (this.#running === undefined && this.state === "active") this.#owner.schedule(this);
  }

  pushTimer(turn: TimerTurn): void {
    this.#mailbox.push(turn);
    if (this.#running === undefined && this.state === "active") this.#owner.schedule(this);
  }

  /** A call that waits leaves an empty place; one that runs cannot be taken back. */
  onGivenUp(call: ActorCall, wasWaiting: boolean): void {
    if (wasWaiting) this.#waiting -= 1;
    this.#owner.forgetDeadline(call);
  }

  /** The deadline of a call that waits or runs here has passed. */
  expire(call: ActorCall, now: number): void {
    const isWaiting = call.stage === "waiting";
    if (isWaiting) this.#waiting -= 1;
    this.#owner.forgetDeadline(call);
    const what = `${this.type}/${this.key}`;
    const running = this.#running;
    const name = running === undefined || "callback" in running ? "a timer" : running.method;
    const since = Math.round(now - this.#runningSince);
    const why = isWaiting
      ? `${call.method} waited behind ${this.#waiting} others and ${name}, running for ${since} ms`
      : `${call.method} has been running for ${since} ms`;
    call.fail(
      new GrapevineError("deadline_exceeded", `${what} did not answer in time: ${why}`, {
        executed: isWaiting ? "no" : "unknown",
      }),
    );
  }

  runTurn(now: number): void {
    if (this.#running !== undefined || this.state !== "active") return;
    const next = this.#take();
    if (next === undefined) return;
    this.#running = next;
    this.#runningSince = now;
    if ("callback" in next) {
      next.isQueued = false;
      this.#run(next.callback, undefined, []);
      return;
    }
    this.#waiting -= 1;
    next.stage = "running";
    const args = next.args();
    const methods = this.#ensureMethods(next);
    if (methods === undefined) return;
    const method = findMethod(methods, next.method);
    if (method !== undefined && args !== undefined) {
      this.#run(method, methods, args);
      return;
    }
    this.#refuse(
      next,
      args === undefined
        ? new GrapevineError("bad_request", `the arguments of ${next.method} are not a list`)
        : unknownMethod(this.type, methods, next.method),
    );
  }

  /** Lets the running turn end and takes no other. Safe to call again. */
  stop(): void {
    if (this.state !== "active") return;
    this.state = "stopping";
    if (this.#running === undefined) this.#runStopHooks();
  }

  /** Ends at once, whatever runs: its result goes nowhere. */
  abandon(why: GrapevineError): void {
    const running = this.#running;
    this.#finishStop();
    if (running !== undefined && "method" in running) {
      this.#owner.forgetDeadline(running);
      running.fail(why);
    }
  }

  #run(method: Method, self: unknown, args: readonly unknown[]): void {
    try {
      const result = Reflect.apply(method, self, args) as PromiseLike<unknown> | undefined | null;
      if (typeof result?.then === "function") result.then(this.#onReturned, this.#onThrown);
      else this.#endTurn(result, undefined);
    } catch (thrown) {
      this.#endTurn(undefined, { thrown });
    }
  }

  #endTurn(value: unknown, failure: { readonly thrown: unknown } | undefined): void {
    const turn = this.#running;
    if (turn === undefined) return;
    this.#running = undefined;
    const owner = this.#owner;
    if ("callback" in turn) {
      if (failure !== undefined) owner.onTimerFailed(this.type, this.key, failure.thrown);
    } else {
      this.quietChecks = 0;
      owner.forgetDeadline(turn);
      if (failure === undefined) turn.succeed(value);
      else turn.fail(remoteError(failure.thrown));
    }
    this.#afterTurn();
  }

  #refuse(call: ActorCall, error: GrapevineError): void {
    this.#running = undefined;
    this.#owner.forgetDeadline(call);
    call.fail(error);
    this.#afterTurn();
  }

  #afterTurn(): void {
    if (this.state === "stopping") this.#runStopHooks();
    else if (this.state === "active" && this.#front < this.#mailbox.length) {
      this.#owner.schedule(this);
    }
  }

  /** The next message that is still wanted. */
  #take(): ActorCall | TimerTurn | undefined {
    while (this.#front < this.#mailbox.length) {
      const next = this.#mailbox[this.#front];
      this.#mailbox[this.#front] = undefined;
      this.#front += 1;
      if (this.#front === this.#mailbox.length) {
        this.#mailbox.length = 0;
        this.#front = 0;
      } else if (this.#front >= HOLES_MAX && this.#front * 2 >= this.#mailbox.length) {
        this.#mailbox = this.#mailbox.slice(this.#front);
        this.#front = 0;
      }
      if (next === undefined) continue;
      if ("callback" in next ? !next.isCanceled : next.stage === "waiting") return next;
    }
    return undefined;
  }

  /** Runs the factory at the first message; undefined if it threw, which ends the activation. */
  #ensureMethods(call: ActorCall): object | undefined {
    if (this.#methods !== undefined) return this.#methods;
    this.#context = createContext(this, this.#owner);
    try {
      const methods: unknown = this.definition.create(this.#context.context);
      if (typeof methods !== "object" || methods === null) {
        throw new TypeError("the factory returned no object with methods");
      }
      this.#methods = methods;
      return methods;
    } catch (thrown) {
      const { name, message } = remoteError(thrown);
      const what = `${this.type}/${this.key} could not be started: ${name}: ${message}`;
      const error = new GrapevineError("actor_failed", what);
      const others = this.#drainMailbox();
      this.#finishStop();
      for (const each of [call, ...others]) {
        this.#owner.forgetDeadline(each);
        each.fail(error);
      }
      return undefined;
    }
  }

  #runStopHooks(): void {
    const hooks = this.#context?.stopHooks ?? [];
    this.#context?.end();
    if (hooks.length === 0) {
      this.#finishStop();
      return;
    }
    let left = hooks.length;
    const done = () => {
      left -= 1;
      if (left === 0) this.#finishStop();
    };
    const failed = (thrown: unknown) => {
      this.#owner.onTimerFailed(this.type, this.key, thrown);
      done();
    };
    const owner = this.#owner;
    const until = (owner.now() + STOP_TIMEOUT_MS) as Millis;
    this.#stopTimer = owner.at(until, () => this.#finishStop());
    for (const hook of hooks) {
      try {
        const result = hook() as PromiseLike<unknown> | undefined | null;
        if (typeof result?.then === "function") result.then(done, failed);
        else done();
      } catch (thrown) {
        failed(thrown);
      }
    }
  }

  #finishStop(): void {
    if (this.state === "over") return;
    this.state = "over";
    this.#stopTimer?.cancel();
    this.#context?.end();
    this.#running = undefined;
    this.#methods = undefined;
    this.#owner.onStopped(this, this.#drainMailbox());
  }

  #drainMailbox(): ActorCall[] {
    const calls: ActorCall[] = [];
    for (let next = this.#take(); next !== undefined; next = this.#take()) {
      if ("method" in next) calls.push(next);
    }
    this.#waiting = 0;
    return calls;
  }
}

/** An own method, or one of its class; never what every object has. */
function findMethod(methods: object, name: string): Method | undefined {
  let holder: object | null = methods;
  while (holder !== null && holder !== Object.prototype) {
    if (Object.hasOwn(holder, name)) {
      const found: unknown = Reflect.get(holder, name, methods);
      const isConstructor = name === "constructor" && holder !== methods;
      return typeof found === "function" && !isConstructor ? (found as Method) : undefined;
    }
    holder = Object.getPrototypeOf(holder) as object | null;
  }
  return undefined;
}

const LISTED_MAX = 16;

function unknownMethod(type: string, methods: object, name: string): GrapevineError {
  const known = Object.keys(methods).slice(0, LISTED_MAX).join(", ") || "none";
  return new GrapevineError("unknown_method", `${type} has no method "${name}"; it has ${known}`);
}
