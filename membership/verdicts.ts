/**
 * When this node accuses another and when it passes a verdict. It accuses on the evidence of its
 * own probes, never right after a stall of its own process and never while its local health is bad;
 * it convicts when min(2, reachable observers) agree for long enough, alone at the maximum timeout,
 * and at once if a connection that broke off is followed by a refused attempt to connect: then the
 * operating system over there says that the process is gone. While it hears nobody at all, the
 * fault is as likely its own: its verdicts stay private until it hears somebody again.
 */
import type { Millis, NodeId } from "../core/types.ts";
import type { Awareness } from "./awareness.ts";
import { type MembershipConfig, suspicionBounds } from "./config.ts";
import type { Ledger } from "./ledger.ts";
import { DEAD, type Members, SUSPECT } from "./members.ts";
import type { Observers } from "./observers.ts";
import type { MembershipOutput } from "./output.ts";
import type { Peers } from "./peers.ts";
import type { Basis } from "./records.ts";
import type { Suspicions } from "./suspicion.ts";

/** Silence of everybody, in probe intervals, from which on this node counts as cut off. */
const ISOLATION_INTERVALS = 1.25;
/** After a stall: time for what waited in the sockets to be read. */
const RECHECK_MS = 1_000;
/** A refused attempt convicts if the connection broke off this recently. */
const RESET_MEMORY_MS = 5_000;
const RESETS_MAX = 1_024;
/** This member and one other. */
const PAIR = 2;

export interface VerdictParts {
  readonly config: MembershipConfig;
  readonly self: number;
  readonly members: Members;
  readonly observers: Observers;
  readonly peers: Peers;
  readonly awareness: Awareness;
  readonly suspicions: Suspicions;
  readonly ledger: Ledger;
}

export class Verdicts {
  readonly #parts: VerdictParts;
  readonly #resets = new Map<NodeId, Millis>();
  #recheckUntil: Millis | undefined;

  constructor(parts: VerdictParts) {
    this.#parts = parts;
  }

  nextDeadline(): Millis | undefined {
    const at = this.#parts.suspicions.nextVerdictAt();
    if (at === undefined || this.#recheckUntil === undefined) return at;
    return Math.max(at, this.#recheckUntil) as Millis;
  }

  isIsolated(now: Millis): boolean {
    const { peers, config, ledger, members } = this.#parts;
    // On a network that this node knows to be bad, silence of a few seconds comes and goes.
    const silenceMs = ledger.isHeldBack
      ? suspicionBounds(config, members.present).maxMs
      : config.probeIntervalMs * ISOLATION_INTERVALS;
    return peers.lastHeardAt === undefined || now - peers.lastHeardAt > silenceMs;
  }

  /** Evidence of this node's own that a member does not answer. */
  suspect(slot: number, basis: Basis, now: Millis, out: MembershipOutput): void {
    const { members, suspicions, awareness, ledger, config, observers, self } = this.#parts;
    const life = members.life(slot);
    if (life === undefined || !members.isPresent(slot) || this.#isRechecking(now)) return;
    const isPrivate = this.isIsolated(now);
    if ((awareness.isMuted || ledger.isHeldBack) && !isPrivate) return;
    const suspicion = suspicions.open(slot, life);
    if (suspicion.own !== undefined) return;
    const others = observers
      .observersOf(slot)
      .filter((observer) => observer !== self && members.state(observer) === "alive");
    const bounds = suspicionBounds(config, members.present);
    suspicions.setOwn(slot, {
      basis,
      startedAt: now,
      ...bounds,
      // Of two members nobody could ever confirm, and a verdict that stays here harms nobody.
      ...(isPrivate && members.present <= PAIR ? { maxMs: bounds.minMs } : {}),
      otherObservers: others.length,
      isPrivate,
      isHeard: false,
      delayedMs: 0,
    });
    if (isPrivate) ledger.showPrivately(slot, SUSPECT, now, out);
    else ledger.accuse(slot, "suspect", basis, now, out);
  }

  /** True while a connection that broke off has not been explained. */
  get hasResets(): boolean {
    return this.#resets.size > 0;
  }

  /** The member answered a probe (`isAnswer`) or was heard in any other way. */
  onEvidenceOfLife(peer: NodeId, isAnswer: boolean, now: Millis, out: MembershipOutput): void {
    const { members, suspicions, ledger } = this.#parts;
    if (this.#resets.size > 0) this.#resets.delete(peer);
    if (suspicions.size === 0 && !ledger.hasPrivateVerdicts) return;
    const slot = members.slotOf(peer);
    if (slot === undefined) return;
    if (ledger.hasPrivateVerdicts) ledger.clearPrivate(slot, now, out);
    const own = suspicions.get(slot)?.own;
    if (own === undefined || (own.basis === "deaf" && !isAnswer)) return;
    suspicions.onHeard(slot);
  }

  /** A connection broke off without a goodbye: the next attempt to connect tells why. */
  onReset(peer: NodeId, now: Millis): void {
    if (this.#resets.size >= RESETS_MAX) {
      const oldest = this.#resets.keys().next().value;
      if (oldest !== undefined) this.#resets.delete(oldest);
    }
    this.#resets.delete(peer);
    this.#resets.set(peer, now);
  }

  /**
   * Nothing listens at the member's address. Without a reset before, that may be a wrong address:
   * the probes will tell.
   */
  onRefused(slot: number, now: Millis, out: MembershipOutput): void {
    const { members, ledger } = this.#parts;
    if (!members.isPresent(slot)) return;
    const resetAt = this.#resets.get(members.registry.idOf(slot));
    if (resetAt === undefined || now - resetAt > RESET_MEMORY_MS) return;
    this.#resets.delete(members.registry.idOf(slot));
    ledger.accuse(slot, "dead", "refused", now, out);
  }

  /** This process did not run for a while: what looks late may wait in its own sockets. */
  onStall(stallMs: number, now: Millis): void {
    this.#parts.suspicions.delay(stallMs);
    this.#recheckUntil = (now + RECHECK_MS) as Millis;
  }

  onDeadline(now: Millis, out: MembershipOutput): void {
    const { suspicions, ledger, awareness, members, self } = this.#parts;
    if (ledger.hasPrivateVerdicts && !this.isIsolated(now)) ledger.clearAllPrivate(now, out);
    if (this.#isRechecking(now)) return;
    this.#recheckUntil = undefined;
    for (const slot of [...suspicions.own()]) {
      const suspicion = suspicions.get(slot);
      const verdictAt = suspicion === undefined ? undefined : suspicions.verdictAt(suspicion);
      if (suspicion?.own === undefined || verdictAt === undefined || verdictAt > now) continue;
      const { isPrivate, basis } = suspicion.own;
      suspicions.withdraw(slot);
      if (slot === self || !members.isPresent(slot)) continue;
      if (isPrivate) ledger.showPrivately(slot, DEAD, now, out);
      else if (suspicion.accusers.size > 0) {
        ledger.accuse(slot, "dead", basis === "deaf" ? "deaf" : "agreed", now, out);
      } else if (!awareness.isMuted) ledger.accuse(slot, "dead", basis, now, out);
    }
  }

  #isRechecking(now: Millis): boolean {
    return this.#recheckUntil !== undefined && now < this.#recheckUntil;
  }
}
