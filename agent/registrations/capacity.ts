/**
 * Decides whether one more instance, or a larger one, still fits into the agent's document. Room is
 * claimed before a registration is written, so that many at once cannot exceed it together: what
 * has been acknowledged must always be publishable.
 */
import { GrapevineError } from "../../core/errors.ts";
import { DOCUMENT_BYTES_MAX, INSTANCES_PER_AGENT_MAX } from "../../core/limits.ts";

/** Kept free in the document for the certificate, labels and addresses. */
const DOCUMENT_RESERVED_BYTES = 8 * 1024;
const ROOM_BYTES = DOCUMENT_BYTES_MAX - DOCUMENT_RESERVED_BYTES;

export class Capacity {
  /** Claims of operations under way; several on one key count with the largest. */
  readonly #claims = new Map<string, { bytes: number; holders: number }>();

  /** Throws `too_large` if `bytes` for `key` do not fit beside what is held and claimed. */
  claim(
    key: string,
    bytes: number,
    held: ReadonlyMap<string, { readonly entryBytes: number }>,
  ): void {
    const keys = new Set([...held.keys(), ...this.#claims.keys(), key]);
    if (keys.size > INSTANCES_PER_AGENT_MAX) {
      throw new GrapevineError(
        "too_large",
        `cannot register ${key}: an agent holds at most ${INSTANCES_PER_AGENT_MAX} instances`,
      );
    }
    let total = 0;
    for (const other of keys) {
      const now = other === key ? bytes : (held.get(other)?.entryBytes ?? 0);
      total += Math.max(now, this.#claims.get(other)?.bytes ?? 0);
    }
    if (total > ROOM_BYTES) {
      throw new GrapevineError(
        "too_large",
        `cannot register ${key}: the agent's document would exceed ${ROOM_BYTES} bytes; ` +
          "use fewer or shorter tags, or another agent",
      );
    }
    const claim = this.#claims.get(key) ?? { bytes: 0, holders: 0 };
    this.#claims.set(key, { bytes: Math.max(bytes, claim.bytes), holders: claim.holders + 1 });
  }

  /** Gives one claim back; what was registered counts as held from then on. */
  release(key: string): void {
    const claim = this.#claims.get(key);
    if (claim === undefined) return;
    if (claim.holders > 1) this.#claims.set(key, { ...claim, holders: claim.holders - 1 });
    else this.#claims.delete(key);
  }
}
