/**
 * How long a suspicion lasts (memberlist's suspicion.go): from its longest it shrinks with the
 * logarithm of the confirmations, each from another member, down to its shortest. With no
 * confirmations wanted it lasts its shortest: SWIM's own fixed timeout.
 */

export interface SuspicionBounds {
  /** Confirmations that bring it down to its shortest. */
  readonly wanted: number;
  readonly minMs: number;
  readonly maxMs: number;
}

export class Suspicion {
  readonly startedAt: number;
  readonly #bounds: SuspicionBounds;
  readonly #sayers: Set<number>;
  #confirmations = 0;

  constructor(from: number, bounds: SuspicionBounds, now: number) {
    this.startedAt = now;
    this.#bounds = bounds;
    this.#sayers = new Set([from]);
  }

  /** True if this is news and still matters. */
  confirm(from: number): boolean {
    if (this.#confirmations >= this.#bounds.wanted || this.#sayers.has(from)) return false;
    this.#sayers.add(from);
    this.#confirmations += 1;
    return true;
  }

  get endsAt(): number {
    const { wanted, minMs, maxMs } = this.#bounds;
    if (wanted < 1) return this.startedAt + minMs;
    const share = Math.log(this.#confirmations + 1) / Math.log(wanted + 1);
    const lastsMs = Math.max(minMs, Math.floor(maxMs - share * (maxMs - minMs)));
    return this.startedAt + lastsMs;
  }
}
