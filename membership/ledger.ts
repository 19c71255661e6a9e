/**
 * Everything that is said about members, by whom and when, comes together here: records are read,
 * compared, verified once, merged into the table, passed on, and turned into events. News by rumour
 * is believed at once. News of a death that comes out of the blue, or about a member that this node has
 * just heard itself, is only a doubt: the subject is told and gets the time to refute it, and this node
 * looks for itself whether something listens there. Without that, two halves of a healed partition would bury each other.
 */
import type { Signer, Verifier } from "../core/seams.ts";
import type { Millis, NodeId } from "../core/types.ts";
import type { Awareness } from "./awareness.ts";
import type { MembershipConfig } from "./config.ts";
import { sendsMax, suspicionBounds } from "./config.ts";
import { Damping } from "./damping.ts";
import {
  ABSENT,
  ALIVE,
  DEAD,
  FORGOTTEN,
  LEFT,
  type Members,
  type Rank,
  SUSPECT,
} from "./members.ts";
import type { Observers } from "./observers.ts";
import type { MemberEvent, MemberEventKind, MembershipOutput } from "./output.ts";
import type { OwnStatement } from "./own.ts";
import type { Peers } from "./peers.ts";
import {
  type Accusation,
  type Basis,
  compareLives,
  isAuthentic,
  type Life,
  parseRecord,
  rumourKey,
  type SignedRecord,
  type Statement,
  signAccusation,
  type Verdict,
} from "./records.ts";
import type { Rumours } from "./rumours.ts";
import type { Suspicions } from "./suspicion.ts";

/** How a record arrived. "doubt" is old news of a death that somebody else met in a sync. */
export type Via = "rumour" | "page" | "doubt";
/** "stale": this node knows better and can tell the sender so. */
export type Ingested = "news" | "known" | "stale" | "malformed" | "forged" | "full";

/** In larger clusters newcomers are rumoured less: many join at once, and syncs tell of them too. */
const NEWCOMERS_TOLD_FULLY = 64;
/** A doubt lasts this many times the shortest suspicion: the subject has to hear of it first. */
const DOUBT_FACTOR = 3;

/** A refutation that waits for a sound time; no longer than this, for every death must end. */
const HELD_BACK_MS_MAX = 600_000;

/** Between a death that is not among the first and its refutation: everybody gets a rest. */
const REST_MS = 2_000;

interface Refutal {
  readonly life: Life;
  readonly soundMs: number;
  readonly earliestAt: Millis;
  readonly latestAt: Millis;
}

interface Doubt {
  readonly accusation: Accusation;
  readonly believeAt: Millis;
}

export interface LedgerParts {
  readonly config: MembershipConfig;
  readonly signer: Signer;
  readonly verifier: Verifier;
  readonly members: Members;
  readonly observers: Observers;
  readonly suspicions: Suspicions;
  readonly peers: Peers;
  readonly awareness: Awareness;
  readonly rumours: Rumours;
  readonly doubts: Rumours;
  readonly own: OwnStatement;
  /** Since when this node's own probes have been answered. */
  readonly soundSince: () => Millis;
  /** A member is held dead by others: time to look for oneself. */
  readonly onDoubt: (slot: number, now: Millis, out: MembershipOutput) => void;
  /** Called before the node hears of it, so that probes and connections follow first. */
  readonly onEvent: (event: MemberEvent, now: Millis, out: MembershipOutput) => void;
}

export class Ledger {
  readonly #parts: LedgerParts;
  readonly #damping = new Damping();
  /** In the order in which they will be believed. */
  readonly #pending = new Map<number, Doubt>();
  /** Members shown graver than told because this node heard nobody. */
  readonly #private = new Set<number>();
  #refutal: Refutal | undefined;
  #isDuplicate = false;

  constructor(parts: LedgerParts) {
    this.#parts = parts;
  }

  /** What this node says of itself now. */
  get own(): Statement {
    return this.#parts.own.current;
  }

  /** The accusation that stands against a member, or is doubted but not refuted. */
  heldAgainst(peer: NodeId): Accusation | undefined {
    const { members } = this.#parts;
    if (!members.hasAccused && this.#pending.size === 0) return undefined;
    const slot = members.slotOf(peer);
    if (slot === undefined) return undefined;
    return members.accusation(slot) ?? this.#pending.get(slot)?.accusation;
  }

  get hasPrivateVerdicts(): boolean {
    return this.#private.size > 0;
  }

  /** This node is accused, and does not contradict before its own network is well. */
  get isHeldBack(): boolean {
    return this.#refutal !== undefined;
  }

  ingest(wire: Uint8Array, from: NodeId, via: Via, now: Millis, out: MembershipOutput): Ingested {
    const { members, signer, verifier } = this.#parts;
    const known = members.registry.find(wire);
    const record = known ?? parseRecord(wire);
    if (record === undefined) return "malformed";
    const verified = () => known !== undefined || isAuthentic(record, verifier);
    if (record.subject === signer.id) return this.#ingestOwn(record, verified, now, out);
    if (!members.isNews(record)) return this.#ingestKnown(record, from, verified);
    if (record.kind === "accusation" && via === "rumour" && !this.#isHeeded(record)) return "known";
    if (!verified()) return "forged";
    if (record.kind === "accusation" && this.#isDoubtful(record, via, now)) {
      return this.#doubt(record, from, now, out);
    }
    return this.#adopt(record, from, via !== "page", now, out) ? "news" : "full";
  }

  /** Takes in and spreads what this node says of itself. */
  adoptOwn(statement: Statement, now: Millis, out: MembershipOutput): void {
    this.#adopt(statement, undefined, true, now, out);
  }

  /** Signs and spreads an accusation of a member's current life. */
  accuse(slot: number, verdict: Verdict, basis: Basis, now: Millis, out: MembershipOutput): void {
    const { members, signer, rumours } = this.#parts;
    const life = members.life(slot);
    if (life === undefined) return;
    const subject = members.registry.idOf(slot);
    const { epoch, incarnation } = life;
    const accusation = signAccusation(signer, { subject, epoch, incarnation, verdict, basis });
    if (members.isNews(accusation)) this.#adopt(accusation, undefined, true, now, out);
    else rumours.add(accusation.key, accusation.bytes, undefined);
  }

  /** Shows a verdict that was passed while this node heard nobody; nobody is told. */
  showPrivately(
    slot: number,
    rank: typeof SUSPECT | typeof DEAD,
    now: Millis,
    out: MembershipOutput,
  ): void {
    const before = this.#parts.members.rank(slot);
    this.#private.add(slot);
    this.#parts.members.showAs(slot, rank, now);
    this.#report(slot, before, "this node hears nobody", now, out);
  }

  /** The member was heard: back to what the records say. */
  clearPrivate(slot: number, now: Millis, out: MembershipOutput): void {
    this.#takeBack(slot, "heard again", now, out);
  }

  /** What it is silent of may still be gone: that is for the probes to find out anew. */
  clearAllPrivate(now: Millis, out: MembershipOutput): void {
    for (const slot of [...this.#private]) {
      this.#takeBack(slot, "this node hears others again", now, out);
    }
  }

  #takeBack(slot: number, why: string, now: Millis, out: MembershipOutput): void {
    if (!this.#private.delete(slot)) return;
    const before = this.#parts.members.rank(slot);
    this.#parts.suspicions.withdraw(slot);
    this.#parts.members.showAs(slot, undefined, now);
    this.#report(slot, before, why, now, out);
  }

  /** This node looked for itself and found nothing there: what others say is true. */
  confirmDoubt(slot: number, now: Millis, out: MembershipOutput): void {
    const doubt = this.#pending.get(slot);
    if (doubt === undefined) return;
    this.#pending.delete(slot);
    if (!this.#parts.members.isNews(doubt.accusation)) return;
    this.#adopt(doubt.accusation, undefined, true, now, out);
  }

  /** What this node would answer to whoever holds older news about the member. */
  correction(wire: Uint8Array): readonly SignedRecord[] {
    const { members, own, signer } = this.#parts;
    const record = members.registry.find(wire) ?? parseRecord(wire);
    if (record === undefined) return [];
    if (record.subject === signer.id) return [own.current];
    const slot = members.slotOf(record.subject);
    return slot === undefined ? [] : members.recordsOf(slot);
  }

  /** Doubts that nobody refuted become beliefs; a damped refutation goes out. */
  onTick(now: Millis, out: MembershipOutput): void {
    for (const [slot, doubt] of this.#pending) {
      if (doubt.believeAt > now) break;
      this.#pending.delete(slot);
      if (!this.#parts.members.isNews(doubt.accusation)) continue;
      this.#adopt(doubt.accusation, undefined, false, now, out);
    }
    if (this.#refutal !== undefined && this.#mayRefute(this.#refutal, now)) {
      const { life } = this.#refutal;
      this.#refutal = undefined;
      if (compareLives(life, this.#parts.own.current) >= 0) this.#raise(life, now, out);
    }
    this.#seekSuspects(now, out);
    this.#parts.members.expire(now);
  }

  /**
   * A suspicion that outlived its time: its accuser is gone, or was heeded by nobody else, so that
   * the subject may not know of it. It is looked for, and told as soon as it is connected.
   */
  #seekSuspects(now: Millis, out: MembershipOutput): void {
    const { members, config, onDoubt } = this.#parts;
    if (!members.hasAccused) return;
    const { maxMs } = suspicionBounds(config, members.present);
    for (const [slot, { verdict }] of members.accused()) {
      if (verdict === "suspect" && now - members.since(slot) > maxMs) onDoubt(slot, now, out);
    }
  }

  #ingestOwn(
    record: SignedRecord,
    verified: () => boolean,
    now: Millis,
    out: MembershipOutput,
  ): Ingested {
    const { own, awareness, signer } = this.#parts;
    const { current } = own;
    if (record.kind === "statement") {
      if (record.nonce === current.nonce) return "known";
      if (compareLives(record, current) < 0) return "stale";
      if (!verified()) return "forged";
      return this.#onStranger(record, now, out);
    }
    if (compareLives(record, current) < 0) return "stale";
    if (current.left || record.accuser === signer.id) return "known";
    if (this.#refutal !== undefined && compareLives(record, this.#refutal.life) <= 0)
      return "known";
    if (!verified()) return "forged";
    awareness.onRefuted();
    const soundMs = this.#damping.soundMs(record.verdict, now);
    const latestAt = this.#refutal?.latestAt ?? ((now + HELD_BACK_MS_MAX) as Millis);
    const restMs = soundMs > 0 && record.verdict !== "suspect" ? REST_MS : 0;
    const earliestAt = (now + restMs) as Millis;
    const refutal = { life: record, soundMs, earliestAt, latestAt };
    if (this.#mayRefute(refutal, now)) this.#raise(record, now, out);
    else this.#refutal = refutal;
    this.#emit(
      "refuted",
      current,
      `${record.verdict} by ${record.accuser}: ${record.basis}`,
      now,
      out,
    );
    return "news";
  }

  #mayRefute({ soundMs, earliestAt, latestAt }: Refutal, now: Millis): boolean {
    if (soundMs === 0 || now >= latestAt) return true;
    return now >= earliestAt && now - this.#parts.soundSince() >= soundMs;
  }

  #onStranger(statement: Statement, now: Millis, out: MembershipOutput): Ingested {
    if (this.#isDuplicate) return "known";
    if (this.#parts.own.judgeStranger(statement, now) === "past") {
      this.#raise(statement, now, out);
      return "news";
    }
    this.#isDuplicate = true;
    const why = `another process uses this identity at ${statement.bind}`;
    this.#emit("duplicate_identity", statement, why, now, out);
    return "known";
  }

  #raise(life: Life, now: Millis, out: MembershipOutput): void {
    const { own } = this.#parts;
    const { leaving, left } = own.current;
    this.#refutal = undefined;
    this.adoptOwn(own.raise(life, { leaving, left }), now, out);
  }

  /** A record that does not move the table may still confirm a suspicion, or be older than ours. */
  #ingestKnown(record: SignedRecord, from: NodeId, verified: () => boolean): Ingested {
    const { members, suspicions, rumours, signer, config } = this.#parts;
    const slot = members.slotOf(record.subject) as number;
    const life = members.life(slot) as Life;
    const order = compareLives(record, life);
    if (rumours.size > 0) rumours.onHeardAgain(record.key, sendsMax(config, members.present));
    if (record.kind === "statement") {
      const isBuried = members.accusation(slot) !== undefined && members.rank(slot) >= DEAD;
      const isForeign = record.nonce !== members.statement(slot)?.nonce;
      return order < 0 || (order === 0 && (isBuried || isForeign)) ? "stale" : "known";
    }
    if (order < 0) return "stale";
    if (order > 0 || members.rank(slot) !== SUSPECT) return "known";
    if (record.verdict !== "suspect" || record.accuser === signer.id) return "known";
    if (!this.#isHeeded(record)) return "known";
    const suspicion = suspicions.open(slot, life);
    if (suspicion.accusers.has(record.accuser)) return "known";
    if (!verified()) return "forged";
    if (!suspicions.confirm(suspicion, record.accuser)) return "known";
    if (!members.registry.find(record.bytes)) members.registry.remember(record);
    rumours.add(record.key, record.bytes, from);
    return "news";
  }

  /** Fresh accusations count only if their author is itself taking part. */
  #isHeeded(accusation: Accusation): boolean {
    const slot = this.#parts.members.slotOf(accusation.accuser);
    return slot !== undefined && this.#parts.members.isPresent(slot);
  }

  #isDoubtful(accusation: Accusation, via: Via, now: Millis): boolean {
    if (accusation.verdict === "suspect") return false;
    const { members, peers, suspicions, config } = this.#parts;
    const slot = members.slotOf(accusation.subject);
    if (slot === undefined || !members.isPresent(slot)) return false;
    if (members.statement(slot) === undefined) return false;
    const isRumour = via === "rumour";
    if (isRumour && accusation.basis === "refused") return false;
    // Seconds of suspicion come before a death, and are rumoured, too: a death out of the blue was
    // agreed on where this node was cut off from, and its subject may be well on this side. News
    // that took a sync to get here may come from further away: then the subject must have had the
    // whole time of a suspicion to refute it.
    const suspicion = suspicions.get(slot);
    const { minMs } = suspicionBounds(config, members.present);
    const isSurprise =
      suspicion === undefined ||
      compareLives(suspicion.life, accusation) !== 0 ||
      (suspicion.own === undefined && suspicion.accusers.size === 0) ||
      now - members.since(slot) < (isRumour ? config.suspicionBaseMs / 2 : minMs);
    if (isSurprise) return true;
    // Who is deaf may well be heard.
    if (isRumour && accusation.basis === "deaf") return false;
    const peer = peers.get(accusation.subject);
    return peer !== undefined && now - peer.heardAt < config.probeIntervalMs * 1.5;
  }

  #doubt(accusation: Accusation, from: NodeId, now: Millis, out: MembershipOutput): Ingested {
    const { members, config, doubts } = this.#parts;
    const slot = members.slotOf(accusation.subject) as number;
    const known = this.#pending.get(slot);
    if (known !== undefined && compareLives(known.accusation, accusation) >= 0) return "known";
    const { minMs } = suspicionBounds(config, members.present);
    this.#pending.delete(slot);
    this.#pending.set(slot, { accusation, believeAt: (now + minMs * DOUBT_FACTOR) as Millis });
    if (!members.registry.find(accusation.bytes)) members.registry.remember(accusation);
    doubts.add(accusation.subject, accusation.bytes, from);
    const before = members.rank(slot);
    members.showAs(slot, SUSPECT, now);
    this.#report(slot, before, `held dead by others, says ${accusation.accuser}`, now, out);
    this.#parts.onDoubt(slot, now, out);
    return "news";
  }

  #adopt(
    record: SignedRecord,
    from: NodeId | undefined,
    isRelayed: boolean,
    now: Millis,
    out: MembershipOutput,
  ): boolean {
    const { members, suspicions, rumours, signer } = this.#parts;
    const known = members.slotOf(record.subject);
    const before = known === undefined ? ABSENT : members.rank(known);
    const change = members.apply(record, now);
    if (change === undefined) return false;
    const { slot, replaced } = change;
    if (!members.registry.find(record.bytes)) members.registry.remember(record);
    this.#private.delete(slot);
    if (change.after !== SUSPECT) this.#endSuspicion(slot, record.subject);
    else if (record.kind === "accusation") {
      const suspicion = suspicions.open(slot, record);
      if (record.accuser !== signer.id) suspicions.confirm(suspicion, record.accuser);
    }
    this.#reviseDoubt(slot, now);
    const { subject } = record;
    rumours.drop(rumourKey("statement", subject));
    rumours.drop(rumourKey("verdict", subject));
    if (isRelayed) this.#spread(record, before, from);
    this.#report(slot, before, whyOf(record), now, out, record, replaced);
    return true;
  }

  /** What was said against the former life is not passed on any more. */
  #endSuspicion(slot: number, subject: NodeId): void {
    const { suspicions, rumours, signer } = this.#parts;
    const suspicion = suspicions.get(slot);
    if (suspicion === undefined) return;
    for (const accuser of [...suspicion.accusers, signer.id]) {
      rumours.drop(rumourKey("suspicion", subject, accuser));
    }
    suspicions.close(slot);
  }

  /**
   * The teller need not hear it again, unless it speaks of itself: another process with the same
   * identity has to.
   */
  #spread(record: SignedRecord, before: Rank, from: NodeId | undefined): void {
    const { rumours, members } = this.#parts;
    const isOneOfMany = before === ABSENT && members.present > NEWCOMERS_TOLD_FULLY;
    const teller = from === record.subject ? undefined : from;
    rumours.add(record.key, record.bytes, teller, isOneOfMany ? 2 : 1);
  }

  /** A doubt is settled by a later life, and stands over anything else. */
  #reviseDoubt(slot: number, now: Millis): void {
    const doubt = this.#pending.get(slot);
    if (doubt === undefined) return;
    if (!this.#parts.members.isNews(doubt.accusation)) this.#pending.delete(slot);
    else this.#parts.members.showAs(slot, SUSPECT, now);
  }

  /** Tells overlay and node what the change of one row means. */
  #report(
    slot: number,
    before: Rank,
    why: string,
    now: Millis,
    out: MembershipOutput,
    record?: SignedRecord,
    replaced?: Statement,
  ): void {
    const { members, observers } = this.#parts;
    const after = members.rank(slot);
    const wasPresent = before === ALIVE || before === SUSPECT;
    if (!wasPresent && members.isPresent(slot)) observers.onPresent(slot);
    if (wasPresent && !members.isPresent(slot)) observers.onAbsent(slot);
    const statement = members.statement(slot);
    if (statement === undefined || statement.subject === this.#parts.signer.id) return;
    const kind = eventKind(before, after, record, replaced);
    if (kind !== undefined) {
      const life = members.life(slot) ?? statement;
      this.#emit(kind, { ...life, subject: statement.subject }, why, now, out);
    }
  }

  #emit(
    kind: MemberEventKind,
    about: Life & { readonly subject: NodeId },
    why: string,
    now: Millis,
    out: MembershipOutput,
  ): void {
    const { epoch, incarnation, subject } = about;
    const event = { kind, peer: subject, why, epoch, incarnation, at: now };
    this.#parts.onEvent(event, now, out);
    out.changed(event);
  }
}

function whyOf(record: SignedRecord): string {
  if (record.kind === "accusation") return `${record.basis}, says ${record.accuser}`;
  return `epoch ${record.epoch} incarnation ${record.incarnation} at ${record.bind}`;
}

function eventKind(
  before: Rank,
  after: Rank,
  record: SignedRecord | undefined,
  replaced: Statement | undefined,
): MemberEventKind | undefined {
  const isFirst = record?.kind === "statement" && replaced === undefined;
  const isSame = before === after && !isFirst;
  if (after === DEAD) return isSame ? undefined : "dead";
  if (after === LEFT) return isSame ? undefined : "left";
  if (after === FORGOTTEN) return isSame ? undefined : "forgotten";
  if (after === SUSPECT) return isSame ? undefined : "suspect";
  if (record?.kind === "statement") {
    if (replaced === undefined || replaced.epoch < record.epoch) return "joined";
    if (record.leaving && !replaced.leaving) return "leaving";
  }
  return before === SUSPECT ? "refuted" : "alive";
}
