/**
 * Takes the process's own time, chance and timers away while a simulation runs: whatever reaches for
 * them would make two runs of one seed differ, so it fails loudly instead. The one exception are the
 * processes of the second tier, which run a class that knows no other way: for the length of one
 * event they find those of their own simulated process in the same places.
 */
import { hash } from "node:crypto";
import type { Ambience, Ground } from "../../sim/gossip/ground.ts";

type Patched = Record<string, unknown>;
/** What a simulated process finds instead, if it may find anything. */
type Stand = (present: Ambience, args: readonly unknown[]) => unknown;

const never: Stand | undefined = undefined;
const realQueueMicrotask = queueMicrotask;
const RealDate = Date;
const realNextTick = process.nextTick;

const FORBIDDEN: readonly (readonly [object, string, Stand | undefined])[] = [
  [Date, "now", (present) => present.wallMs()],
  [Math, "random", (present) => present.random()],
  [performance, "now", never],
  [process, "hrtime", never],
  [process, "uptime", never],
  [globalThis, "setTimeout", (present, args) => startTimer(present, args, false)],
  [globalThis, "setInterval", (present, args) => startTimer(present, args, true)],
  [globalThis, "clearTimeout", (_present, [timer]) => (timer as SimTimer | undefined)?.cancel()],
  [globalThis, "clearInterval", (_present, [timer]) => (timer as SimTimer | undefined)?.cancel()],
  [globalThis, "setImmediate", never],
  [globalThis, "queueMicrotask", (_present, [task]) => realQueueMicrotask(task as () => void)],
  [process, "nextTick", (_present, args) => Reflect.apply(realNextTick, process, args)],
  [AbortSignal, "timeout", never],
  [crypto, "getRandomValues", never],
  [crypto, "randomUUID", never],
];

/** Whose event runs, if it is a process that may ask. */
let present: Ambience | undefined;

/** Runs `body`, which must be synchronous, without the ambient sources of chance. */
export function withoutAmbient<Result>(body: () => Result): Result {
  const former = FORBIDDEN.map(([owner, name]) => Object.getOwnPropertyDescriptor(owner, name));
  for (const [owner, name, stand] of FORBIDDEN) {
    Object.defineProperty(owner, name, {
      configurable: true,
      writable: true,
      value: (...args: readonly unknown[]) => {
        if (present !== undefined && stand !== undefined) return stand(present, args);
        throw forbidden(name);
      },
    });
  }
  globalThis.Date = simulatedDate;
  try {
    return body();
  } finally {
    globalThis.Date = RealDate;
    for (const [at, [owner, name]] of FORBIDDEN.entries()) {
      const descriptor = former[at];
      if (descriptor === undefined) delete (owner as Patched)[name];
      else Object.defineProperty(owner, name, descriptor);
    }
  }
}

function forbidden(name: string): Error {
  return new Error(`a simulated process used ${name}, which is not the same in two runs`);
}

/** A date that is given its time is a value like any other; without, it is the wall clock. */
const simulatedDate = new Proxy(RealDate, {
  construct: (target, args, made) => {
    if (args.length > 0) return Reflect.construct(target, args, made);
    if (present === undefined) throw forbidden("new Date()");
    return new target(present.wallMs());
  },
  apply: () => {
    throw forbidden("Date()");
  },
});

/**
 * Surroundings for a class that waits for promises. Its microtasks have to run inside the event that
 * queued them, which Node does on request, but only on the stack of a macrotask.
 */
export const ground: Ground = {
  within: (ambience, body) => {
    let isDrained = false;
    present = ambience;
    try {
      body();
      realQueueMicrotask(() => {
        isDrained = true;
      });
      drainMicrotasks();
    } finally {
      present = undefined;
    }
    if (!isDrained) throw new Error("the second tier must be run from a macrotask (setImmediate)");
  },
  later: () => Promise.withResolvers(),
  sha256: (data) => hash("sha256", data, "buffer"),
};

/** Node's own step between two macrotasks: all of nextTick, all microtasks, unhandled rejections. */
const drainMicrotasks = Reflect.get(process, "_tickCallback") as () => void;

interface SimTimer {
  cancel(): void;
}

function startTimer(
  ambience: Ambience,
  [callback, ms, ...rest]: readonly unknown[],
  isRepeated: boolean,
): SimTimer {
  const pauseMs = typeof ms === "number" ? ms : 0;
  const run = () => {
    if (isRepeated) timer = ambience.after(pauseMs, run);
    (callback as (...args: readonly unknown[]) => void)(...rest);
  };
  let timer = ambience.after(pauseMs, run);
  return { cancel: () => timer.cancel() };
}
