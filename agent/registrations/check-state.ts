/**
 * Decides from the results of one check whether its instance passes. Results must repeat before the
 * verdict changes: `healthyAfter` successes in a row to pass, `unhealthyAfter` failures in a row to
 * fail. It begins as failing, so that nothing is routed to an instance that was never seen working.
 */
import type { InstanceHealth, Millis } from "../../core/types.ts";
import type { CheckSpec } from "./registration.ts";

export interface CheckStatus {
  readonly health: InstanceHealth;
  /** What the newest result said, for people. */
  readonly message: string;
  /** When the health was last changed, or the check began. */
  readonly since: Millis;
  /** When the newest result came; undefined before the first. */
  readonly checked: Millis | undefined;
}

export class CheckState {
  readonly #healthyAfter: number;
  readonly #unhealthyAfter: number;
  #health: InstanceHealth = "failing";
  #message = "not checked yet";
  #since: Millis;
  #checked: Millis | undefined;
  /** Results in a row that contradict the present health. */
  #contradictions = 0;

  constructor(spec: CheckSpec, now: Millis) {
    this.#healthyAfter = spec.healthyAfter;
    // The application's own word, or its silence, is not a hiccup of the network.
    this.#unhealthyAfter = spec.type === "ttl" ? 1 : spec.unhealthyAfter;
    this.#since = now;
  }

  /** True if the health changed. */
  onResult(ok: boolean, message: string, now: Millis): boolean {
    this.#message = message;
    this.#checked = now;
    if (ok === (this.#health === "passing")) {
      this.#contradictions = 0;
      return false;
    }
    this.#contradictions += 1;
    if (this.#contradictions < (ok ? this.#healthyAfter : this.#unhealthyAfter)) return false;
    this.#contradictions = 0;
    this.#health = ok ? "passing" : "failing";
    this.#since = now;
    return true;
  }

  status(): CheckStatus {
    return {
      health: this.#health,
      message: this.#message,
      since: this.#since,
      checked: this.#checked,
    };
  }
}
