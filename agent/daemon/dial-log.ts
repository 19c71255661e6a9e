/**
 * Tells the operator of addresses that cannot be reached: once when it begins, again when the reason
 * changes, and when it is over; seeds and dead members are dialled again for ever. A peer that
 * refused this agent, or that this agent refused, is a warning: waiting does not mend that.
 */
import type { Logger } from "pino";
import type { CloseReason } from "../../core/seams.ts";
import { explain } from "./dials.ts";

/** Addresses in trouble that are remembered; beyond, the oldest is told anew. */
const ADDRESSES_MAX = 1_024;

export class DialLog {
  readonly #logger: Logger;
  /** The reason that was told last, by address. */
  readonly #told = new Map<string, CloseReason["kind"]>();

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  onConnected(address: string): void {
    if (this.#told.delete(address)) this.#logger.info({ address }, `reached ${address}`);
  }

  onFailed(address: string, reason: CloseReason): void {
    if (this.#told.get(address) === reason.kind) return;
    this.#told.delete(address);
    this.#told.set(address, reason.kind);
    if (this.#told.size > ADDRESSES_MAX) this.#told.delete(this.#told.keys().next().value ?? "");
    const level = reason.kind === "rejected" ? "warn" : "info";
    const message = `cannot connect to ${address}, which is tried again: ${explain(reason)}`;
    this.#logger[level]({ address, reason: reason.kind }, message);
  }
}
