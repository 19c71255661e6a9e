/** Lifeguard's local health (memberlist's awareness.go): 0 is well, one below the bound is worst. */
export class Awareness {
  readonly #bound: number;
  #score = 0;

  constructor(bound: number) {
    this.#bound = bound;
  }

  get score(): number {
    return this.#score;
  }

  apply(change: number): void {
    this.#score = Math.min(this.#bound - 1, Math.max(0, this.#score + change));
  }

  scale(ms: number): number {
    return ms * (this.#score + 1);
  }
}
