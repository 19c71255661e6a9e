/**
 * Suspicions and how long they last. A suspicion is confirmed by other accusers of the same life of
 * the same member; the more there are, the sooner it ends in a verdict (Lifeguard's LHA-Suspicion,
 * arXiv:1707.00788 §IV-B). Only a member that suspects on evidence of its own passes a verdict;
 * without a second accuser it has to wait for the maximum.
 */
import type { Millis, NodeId } from "../core/types.ts";
import type { Basis, Life } from "./records.ts";
import { compareLives } from "./records.ts";

/** Accusers remembered per suspicion; a few more than can shorten it. */
const ACCUSERS_MAX = 4;
/**
 * A member that others accuse, too, and that was told and has not contradicted for this many times
 * the shortest suspicion holds itself back: that it is heard now and then does not save it.
 */
const UNREFUTED_FACTOR = 3;
/** Confirmations by others that bring the timeout down to its minimum. */
const CONFIRMATIONS_NEEDED = 2;

export interface OwnCase {
  readonly basis: Basis;
  readonly startedAt: Millis;
  readonly minMs: number;
  readonly maxMs: number;
  /** Other observers of the subject that could confirm. */
  readonly otherObservers: number;
  /** Passed while this node heard nobody: stays here. */
  readonly isPrivate: boolean;
  /** It was heard since: only its silence about what it is accused of still speaks against it. */
  isHeard: boolean;
  /** Added for stalls of this process. */
  delayedMs: number;
}

export interface Suspicion {
  readonly life: Life;
  /** Others that accuse the subject, not this node. */
  readonly accusers: Set<NodeId>;
  own: OwnCase | undefined;
}

export class Suspicions {
  readonly #bySlot = new Map<number, Suspicion>();
  readonly #own = new Set<number>();

  get(slot: number): Suspicion | undefined {
    return this.#bySlot.get(slot);
  }

  get size(): number {
    return this.#bySlot.size;
  }

  /** Slots that this node itself suspects. */
  own(): ReadonlySet<number> {
    return this.#own;
  }

  /** The suspicion of this life of the member; one of an earlier life is over. */
  open(slot: number, life: Life): Suspicion {
    const known = this.#bySlot.get(slot);
    if (known !== undefined && compareLives(known.life, life) === 0) return known;
    this.#own.delete(slot);
    const { epoch, incarnation } = life;
    const fresh: Suspicion = { life: { epoch, incarnation }, accusers: new Set(), own: undefined };
    this.#bySlot.set(slot, fresh);
    return fresh;
  }

  /** True if the accuser is a new one and still matters. */
  confirm(suspicion: Suspicion, accuser: NodeId): boolean {
    if (suspicion.accusers.size >= ACCUSERS_MAX || suspicion.accusers.has(accuser)) return false;
    suspicion.accusers.add(accuser);
    return true;
  }

  setOwn(slot: number, own: OwnCase): void {
    const suspicion = this.#bySlot.get(slot);
    if (suspicion === undefined) return;
    suspicion.own = own;
    this.#own.add(slot);
  }

  /** The subject was heard: this node alone accuses it no longer. */
  onHeard(slot: number): void {
    const suspicion = this.#bySlot.get(slot);
    if (suspicion?.own === undefined) return;
    if (suspicion.accusers.size === 0 || suspicion.own.isPrivate) this.withdraw(slot);
    else suspicion.own.isHeard = true;
  }

  /** This node accuses it no longer. */
  withdraw(slot: number): void {
    const suspicion = this.#bySlot.get(slot);
    if (suspicion !== undefined) suspicion.own = undefined;
    this.#own.delete(slot);
  }

  close(slot: number): void {
    this.#bySlot.delete(slot);
    this.#own.delete(slot);
  }

  /** After a stall of this process all verdicts wait for as long again. */
  delay(ms: number): void {
    for (const slot of this.#own) {
      const own = this.#bySlot.get(slot)?.own;
      if (own !== undefined) own.delayedMs += ms;
    }
  }

  verdictAt(suspicion: Suspicion): Millis | undefined {
    const { own } = suspicion;
    if (own === undefined) return undefined;
    const shortestMs = own.isHeard ? own.minMs * UNREFUTED_FACTOR : 0;
    const timeoutMs = Math.max(shortestMs, suspicionTimeoutMs(own, suspicion.accusers.size));
    return (own.startedAt + own.delayedMs + timeoutMs) as Millis;
  }

  nextVerdictAt(): Millis | undefined {
    let next: Millis | undefined;
    for (const slot of this.#own) {
      const suspicion = this.#bySlot.get(slot);
      const at = suspicion === undefined ? undefined : this.verdictAt(suspicion);
      if (at !== undefined && (next === undefined || at < next)) next = at;
    }
    return next;
  }
}

/**
 * max(min, max - (max - min) * log(C + 1) / log(K + 1)) with C confirmations of K needed; the
 * maximum without any, also where nobody could confirm.
 */
export function suspicionTimeoutMs(
  bounds: Pick<OwnCase, "minMs" | "maxMs" | "otherObservers">,
  confirmations: number,
): number {
  if (confirmations === 0) return bounds.maxMs;
  const needed = Math.max(1, Math.min(CONFIRMATIONS_NEEDED, bounds.otherObservers));
  const share = Math.log(confirmations + 1) / Math.log(needed + 1);
  return Math.max(bounds.minMs, bounds.maxMs - (bounds.maxMs - bounds.minMs) * share);
}
