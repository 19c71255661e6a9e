/**
 * What the real GossipSub class takes from its process: the time, chance, timers, and promises whose
 * callbacks run by themselves. The simulator has none of them; cli/sim gives them, for the length of
 * one event and in the name of one simulated process.
 */

/** What a process finds where it looks for the time, for chance and for timers. */
export interface Ambience {
  wallMs(): number;
  /** In [0, 1). */
  random(): number;
  after(ms: number, callback: () => void): { cancel(): void };
}

export interface Ground {
  /** Runs `body` in a process's surroundings, with everything that it leaves to microtasks. */
  within(ambience: Ambience, body: () => void): void;
  later<Value>(): PromiseWithResolvers<Value>;
  sha256(data: Uint8Array): Uint8Array;
}
