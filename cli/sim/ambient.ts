/**
 * Takes the process's own time, chance and timers away while a simulation runs: whatever reaches for
 * them would make two runs of one seed differ, so it fails loudly instead.
 */

type Patched = Record<string, unknown>;

const FORBIDDEN: readonly (readonly [object, string])[] = [
  [Date, "now"],
  [Math, "random"],
  [performance, "now"],
  [globalThis, "setTimeout"],
  [globalThis, "setInterval"],
  [globalThis, "setImmediate"],
  [globalThis, "queueMicrotask"],
  [crypto, "getRandomValues"],
  [crypto, "randomUUID"],
];

/** Runs `body`, which must be synchronous, without the ambient sources of chance. */
export function withoutAmbient<Result>(body: () => Result): Result {
  const former = FORBIDDEN.map(([owner, name]) => Object.getOwnPropertyDescriptor(owner, name));
  for (const [owner, name] of FORBIDDEN) {
    Object.defineProperty(owner, name, {
      configurable: true,
      writable: true,
      value: () => {
        throw new Error(`a simulated process used ${name}, which is not the same in two runs`);
      },
    });
  }
  try {
    return body();
  } finally {
    for (const [at, [owner, name]] of FORBIDDEN.entries()) {
      const descriptor = former[at];
      if (descriptor === undefined) delete (owner as Patched)[name];
      else Object.defineProperty(owner, name, descriptor);
    }
  }
}
