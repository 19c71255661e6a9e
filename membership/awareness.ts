/**
 * Local health (Lifeguard's LHM, arXiv:1707.00788 §IV): 0 is well, 8 is worst. A node that misses
 * answers which others do not miss, has to refute suspicions, or finds its own event loop late, is
 * more likely to be the sick one: it waits longer, probes less, and from MUTED on accuses nobody.
 */

const AWARENESS_MAX = 8;
const MUTED = 4;
/** Event-loop delays that count once and three times. */
const DELAY_NOTICED_MS = 200;
const DELAY_SEVERE_MS = 1_000;

export class Awareness {
  #score = 0;

  /** 0 to 8. */
  get score(): number {
    return this.#score;
  }

  /** By how much timeouts and intervals are stretched: 1 to 9. */
  get factor(): number {
    return this.#score + 1;
  }

  get isMuted(): boolean {
    return this.#score >= MUTED;
  }

  /**
   * One round of probes. A miss counts as `unexplained` if the members that were asked to help did
   * not answer either: then the fault is probably on this side. A few of those beside many answers
   * are others' trouble: where a third of a cluster starves, everybody misses some answers.
   */
  onRound(answered: number, unexplained: number): void {
    if (unexplained > answered) this.#add(2);
    else if (unexplained * 2 > answered) this.#add(1);
    else if (answered > 0) this.#add(-1);
  }

  onRefuted(): void {
    this.#add(1);
  }

  onLoopDelay(delayMs: number): void {
    if (delayMs > DELAY_SEVERE_MS) this.#add(3);
    else if (delayMs > DELAY_NOTICED_MS) this.#add(1);
  }

  #add(change: number): void {
    this.#score = Math.min(AWARENESS_MAX, Math.max(0, this.#score + change));
  }
}
