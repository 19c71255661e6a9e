/**
 * Waits for what becomes of an address that an operator asked to join. The failure detector dials
 * by itself and for ever; here is only the first answer, good or bad, for whoever waits for it.
 */
import { GrapevineError } from "../../core/errors.ts";
import type { CloseReason } from "../../core/seams.ts";

interface Waiting {
  readonly resolve: () => void;
  readonly reject: (error: GrapevineError) => void;
  readonly timer: NodeJS.Timeout;
}

const JOIN_TIMEOUT_MS = 10_000;

export class Dials {
  readonly #waiting = new Map<string, Waiting[]>();

  /** Resolves when a member answers there; rejects with `join_failed`. */
  answer(address: string): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#settle(address, (waiting) =>
          waiting.reject(failed(address, `nothing answered in ${JOIN_TIMEOUT_MS / 1_000} s`)),
        );
      }, JOIN_TIMEOUT_MS);
      const waiting = this.#waiting.get(address) ?? [];
      waiting.push({ resolve, reject, timer });
      this.#waiting.set(address, waiting);
    });
  }

  onConnected(address: string | undefined): void {
    if (address !== undefined) this.#settle(address, (waiting) => waiting.resolve());
  }

  onFailed(address: string, reason: CloseReason): void {
    this.#settle(address, (waiting) => waiting.reject(failed(address, explain(reason))));
  }

  #settle(address: string, how: (waiting: Waiting) => void): void {
    const all = this.#waiting.get(address) ?? [];
    this.#waiting.delete(address);
    for (const waiting of all) {
      clearTimeout(waiting.timer);
      how(waiting);
    }
  }
}

/** Why a dial failed, with what to look at. */
export function explain(reason: CloseReason): string {
  switch (reason.kind) {
    case "refused":
      return "nothing listens there; is an agent running, and is this its --bind address?";
    case "timeout":
      return "no answer in time; is the address right, and is the port open?";
    default:
      return reason.detail;
  }
}

function failed(address: string, why: string): GrapevineError {
  return new GrapevineError("join_failed", `cannot join ${address}, which is tried again: ${why}`);
}
