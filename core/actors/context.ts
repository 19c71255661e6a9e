/** What an actor's factory is given: time, chance, timers and references, all from the seams. */
import { GrapevineError } from "../errors.ts";
import { ACTOR_TIMERS_MAX } from "../limits.ts";
import type { Clock, Timer } from "../seams.ts";
import type { Millis } from "../types.ts";
import type { ActorContext, AnyActorDefinition, Ref } from "./definition.ts";

/** A timer's callback as a message. */
export interface TimerTurn {
  readonly callback: () => unknown;
  isQueued: boolean;
  isCanceled: boolean;
}

export interface ContextHost {
  now(): Millis;
  wall(): number;
  at: Clock["at"];
  random(): number;
  reference(definition: AnyActorDefinition, key: string): unknown;
  /** A timer or an onStop hook threw. */
  onTimerFailed(type: string, key: string, thrown: unknown): void;
}

interface ContextOwner {
  readonly type: string;
  readonly key: string;
  pushTimer(turn: TimerTurn): void;
  stop(): void;
}

export function createContext(owner: ContextOwner, host: ContextHost) {
  const timers = new Set<Timer>();
  const stopHooks: (() => unknown)[] = [];
  let controller: AbortController | undefined;
  let isOver = false;
  const setTimer = (delayMs: number, again: boolean, callback: () => unknown) => {
    if (isOver) return () => undefined;
    if (!(delayMs >= (again ? 1 : 0))) {
      throw new GrapevineError("invalid_argument", `${delayMs} ms is no time for a timer`);
    }
    if (timers.size >= ACTOR_TIMERS_MAX) {
      const what = `${owner.type}/${owner.key} has ${timers.size} timers, the most it may have`;
      throw new GrapevineError("too_large", what);
    }
    const turn: TimerTurn = { callback, isQueued: false, isCanceled: false };
    let timer: Timer;
    const arm = (when: number) => {
      timer = host.at(when as Millis, () => {
        timers.delete(timer);
        if (again) arm(Math.max(when + delayMs, host.now()));
        if (turn.isQueued) return;
        turn.isQueued = true;
        owner.pushTimer(turn);
      });
      timers.add(timer);
    };
    arm(host.now() + delayMs);
    return () => {
      turn.isCanceled = true;
      timer.cancel();
      timers.delete(timer);
    };
  };
  const context: ActorContext = {
    self: { type: owner.type, key: owner.key },
    get signal() {
      controller ??= new AbortController();
      if (isOver && !controller.signal.aborted) controller.abort();
      return controller.signal;
    },
    now: () => host.wall(),
    random: () => host.random(),
    after: (delayMs, callback) => setTimer(delayMs, false, callback),
    every: (intervalMs, callback) => setTimer(intervalMs, true, callback),
    onStop: (callback) => {
      stopHooks.push(callback);
    },
    stop: () => owner.stop(),
    actor: <Definition extends AnyActorDefinition>(definition: Definition, key: string) =>
      host.reference(definition, key) as Ref<Definition>,
  };
  return {
    context,
    stopHooks,
    /** Cancels what is left and aborts the signal; safe to call again. */
    end: () => {
      if (isOver) return;
      isOver = true;
      for (const timer of timers) timer.cancel();
      timers.clear();
      controller?.abort();
    },
  };
}
