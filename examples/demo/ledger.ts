/**
 * Checks what the counters acknowledged. Each key has one call under way at a time, so within one
 * life of its actor every acknowledged total must be greater than the one before: a smaller or equal
 * one means that an acknowledged increment was lost. A new life begins at nothing, because the state
 * is in memory: what the former life had counted went with it, and is counted here.
 */
export interface CountOutcome {
  readonly key: string;
  readonly total?: number;
  readonly life?: string;
  readonly error?: string;
  readonly executed?: "no" | "unknown";
}

export class Ledger {
  calls = 0;
  /** Calls that surely did not run, and those that may have. */
  refused = 0;
  unknown = 0;
  activations = 0;
  reactivations = 0;
  /** Increments that went with a life that ended. */
  gone = 0;
  /** Acknowledged by a life that went on, and missing from its later totals: must stay 0. */
  lost = 0;
  /** How many calls failed for each reason. */
  readonly #reasons = new Map<string, number>();
  readonly #last = new Map<string, { readonly total: number; readonly life: string }>();

  take({ key, total, life, error, executed }: CountOutcome): void {
    this.calls += 1;
    if (total === undefined || life === undefined) {
      this.#reasons.set(`${error}`, (this.#reasons.get(`${error}`) ?? 0) + 1);
      if (executed === "no") this.refused += 1;
      else this.unknown += 1;
      return;
    }
    const last = this.#last.get(key);
    this.#last.set(key, { total, life });
    if (last === undefined) this.activations += 1;
    else if (last.life !== life) {
      this.reactivations += 1;
      this.gone += last.total;
    } else if (total <= last.total) this.lost += last.total + 1 - total;
  }

  /** For the end of the demo. */
  describe(): string {
    const verdict =
      this.lost === 0
        ? "no increment that a live owner acknowledged was lost"
        : `${this.lost} INCREMENTS WERE LOST ON LIVE OWNERS`;
    const reasons = [...this.#reasons].map(([code, count]) => `${count} ${code}`).join(", ");
    return [
      `counter: ${this.calls} calls, ${this.refused} refused, ${this.unknown} of unknown outcome` +
        `${reasons === "" ? "" : ` (${reasons})`}; ` +
        `${this.activations} actors, ${this.reactivations} re-activations; ${verdict}`,
      `  their totals are in memory: ${this.gone} increments went with hosts that were killed or left`,
    ].join("\n");
  }
}
