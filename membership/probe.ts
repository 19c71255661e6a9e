/**
 * Probing: each interval one ping to every subject, over connections that are open anyway. Any
 * bytes from a subject count as an answer. A subject that stays silent is probed through up to
 * three others; two silent rounds in a row with the helpers failing too (or more than 40% of the
 * last ten rounds, Rapid's edge verdict) make this node accuse it. A subject that is heard but has
 * not answered one ping in ten rounds gets the same check: it may be deaf. If the helpers find that
 * it is not, only the road there is stuck (a stream may retry for minutes), and a new connection is
 * made.
 *
 * Answers of helpers are acks or nacks; a helper that gives neither counts against this node's own
 * health (Lifeguard's LHA-Probe). Only connected members heard of lately are asked.
 */
import type { Random } from "../core/seams.ts";
import type { Millis, NodeId } from "../core/types.ts";
import type { Awareness } from "./awareness.ts";
import type { MembershipConfig } from "./config.ts";
import type { Members } from "./members.ts";
import type { MembershipOutput } from "./output.ts";
import type { MemberPacket } from "./packets.ts";
import type { Peer, Peers } from "./peers.ts";
import type { Verdicts } from "./verdicts.ts";

const MISSES_TO_ACCUSE = 2;
const WINDOW = 10;
/** More than 40% of the window. */
const WINDOW_MISSES_MAX = 4;
const UNANSWERED_MAX = 10;
/** A subject that was never connected is not judged before this. */
const CONNECT_GRACE_MS = 4_000;
/** Probes on behalf of others under way at once. */
const RELAYS_MAX = 256;
const RTT_FACTOR = 3;
/** A round in which one subject of so many, or of fewer, did not answer in time is not sound. */
const UNSOUND_ONE_IN = 4;

interface Indirect {
  readonly seq: number;
  readonly deadline: Millis;
  readonly helpers: Set<NodeId>;
  nacks: number;
  readonly asked: number;
}

interface Subject {
  readonly slot: number;
  readonly id: NodeId;
  readonly since: Millis;
  seq: number;
  sentAt: Millis;
  /** Set while a ping waits for its verdict. */
  timeoutAt: Millis | undefined;
  isAnswered: boolean;
  /** Answered within the timeout that neither local health nor a slow network stretches. */
  isPrompt: boolean;
  /** Rounds in a row without a sign of life, and heard rounds without an ack. */
  misses: number;
  unanswered: number;
  /** Last rounds as bits, newest lowest, 1 a miss; and how many there were, up to WINDOW. */
  history: number;
  rounds: number;
  indirect: Indirect | undefined;
  hasIndirectFailed: boolean;
}

interface Relay {
  readonly from: NodeId;
  readonly seq: number;
  readonly target: NodeId;
  readonly deadline: Millis;
}

export interface ProbeParts {
  readonly config: MembershipConfig;
  readonly random: Random;
  readonly members: Members;
  readonly peers: Peers;
  readonly awareness: Awareness;
  readonly verdicts: Verdicts;
  /** Sends with rumours on board. */
  readonly send: (
    to: NodeId,
    packet: Extract<MemberPacket, { kind: "ping" | "ack" | "ping_req" | "answer" }>,
    out: MembershipOutput,
  ) => void;
  /** Asks for a connection, for a probe on another's behalf. */
  readonly connect: (slot: number, now: Millis, out: MembershipOutput) => void;
}

export class Prober {
  readonly #parts: ProbeParts;
  #subjects = new Map<number, Subject>();
  readonly #byId = new Map<NodeId, Subject>();
  /** Subjects by the number of their indirect probe under way. */
  readonly #indirectBySeq = new Map<number, Subject>();
  readonly #relays = new Map<number, Relay>();
  #seq = 0;
  #dueAt: Millis;
  /** Undefined after anything that may have moved it. */
  #nextAt: Millis | undefined;
  #answered = 0;
  #unexplained = 0;
  #judged = 0;
  #late = 0;
  #soundSince: Millis;

  constructor(parts: ProbeParts, now: Millis) {
    this.#parts = parts;
    this.#dueAt = (now + parts.random.below(parts.config.probeIntervalMs)) as Millis;
    this.#soundSince = now;
  }

  setSubjects(slots: readonly number[], now: Millis): void {
    this.#nextAt = undefined;
    const kept = new Map<number, Subject>();
    for (const slot of slots) {
      const id = this.#parts.members.registry.idOf(slot);
      const known = this.#subjects.get(slot);
      kept.set(slot, known?.id === id ? known : newSubject(slot, id, now));
    }
    for (const subject of this.#subjects.values()) {
      if (kept.get(subject.slot) === subject) continue;
      this.#endIndirect(subject);
    }
    this.#subjects = kept;
    this.#byId.clear();
    for (const subject of kept.values()) this.#byId.set(subject.id, subject);
  }

  /** The subject begins a new life or is connected anew: old misses say nothing about it. */
  reset(slot: number): void {
    const subject = this.#subjects.get(slot);
    if (subject === undefined) return;
    subject.misses = 0;
    subject.unanswered = 0;
    subject.history = 0;
    subject.rounds = 0;
    subject.hasIndirectFailed = false;
    this.#endIndirect(subject);
  }

  nextDeadline(): Millis {
    this.#nextAt ??= this.#earliest();
    return this.#nextAt;
  }

  /** Since when nearly all whom this node asked have answered in time, without a stall. */
  get soundSince(): Millis {
    return this.#soundSince;
  }

  #earliest(): Millis {
    let next = this.#dueAt;
    for (const { timeoutAt, indirect } of this.#subjects.values()) {
      if (timeoutAt !== undefined && timeoutAt < next) next = timeoutAt;
      if (indirect !== undefined && indirect.deadline < next) next = indirect.deadline;
    }
    for (const relay of this.#relays.values()) if (relay.deadline < next) next = relay.deadline;
    return next;
  }

  /** Whatever was under way is asked again, with a fresh deadline. */
  onStall(now: Millis): void {
    this.#nextAt = undefined;
    for (const subject of this.#subjects.values()) {
      subject.timeoutAt = undefined;
      this.#endIndirect(subject);
    }
    this.#relays.clear();
    this.#answered = 0;
    this.#unexplained = 0;
    this.#judged = 0;
    this.#late = 0;
    this.#soundSince = now;
    this.#dueAt = now;
  }

  onDeadline(now: Millis, out: MembershipOutput): void {
    if (this.nextDeadline() > now) return;
    this.#nextAt = undefined;
    for (const subject of [...this.#subjects.values()]) {
      if (subject.timeoutAt !== undefined && subject.timeoutAt <= now)
        this.#judge(subject, now, out);
      if (subject.indirect !== undefined && subject.indirect.deadline <= now) {
        this.#onIndirectFailed(subject, subject.indirect, now, out);
      }
    }
    for (const [seq, relay] of this.#relays) {
      if (relay.deadline > now) continue;
      this.#relays.delete(seq);
      this.#answer(relay, false, out);
    }
    if (this.#dueAt <= now) this.#round(now, out);
  }

  onPing(from: NodeId, seq: number, out: MembershipOutput): void {
    this.#parts.send(from, { kind: "ack", seq, records: [] }, out);
  }

  onAck(from: NodeId, seq: number, now: Millis, out: MembershipOutput): void {
    const relay = this.#relays.get(seq);
    if (relay !== undefined && relay.target === from) {
      this.#relays.delete(seq);
      this.#answer(relay, true, out);
      return;
    }
    const subject = this.#byId.get(from);
    if (subject === undefined || subject.seq !== seq || subject.isAnswered) return;
    subject.isAnswered = true;
    subject.unanswered = 0;
    const peer = this.#parts.peers.get(from);
    const roundTripMs = now - subject.sentAt;
    subject.isPrompt = roundTripMs <= this.#parts.config.probeTimeoutMs;
    if (peer !== undefined) this.#parts.peers.onRoundTrip(peer, roundTripMs);
    this.#parts.verdicts.onEvidenceOfLife(from, true, now, out);
  }

  /** Somebody asks this node to probe a member that it cannot hear itself. */
  onPingReq(from: NodeId, seq: number, target: NodeId, now: Millis, out: MembershipOutput): void {
    const { members, peers, config } = this.#parts;
    const slot = members.slotOf(target);
    const ownSeq = this.#nextSeq();
    const deadline = (now + config.probeTimeoutMs) as Millis;
    const relay: Relay = { from, seq, target, deadline };
    if (slot === undefined || this.#relays.size >= RELAYS_MAX) {
      this.#answer(relay, false, out);
      return;
    }
    this.#nextAt = undefined;
    this.#relays.set(ownSeq, relay);
    if (peers.get(target) === undefined) this.#parts.connect(slot, now, out);
    else this.#parts.send(target, { kind: "ping", seq: ownSeq, records: [] }, out);
  }

  /** A connection that a relayed probe was waiting for is up. */
  onConnected(peer: NodeId, out: MembershipOutput): void {
    for (const [seq, relay] of this.#relays) {
      if (relay.target === peer) this.#parts.send(peer, { kind: "ping", seq, records: [] }, out);
    }
  }

  onAnswer(from: NodeId, seq: number, isAck: boolean, now: Millis, out: MembershipOutput): void {
    const subject = this.#indirectBySeq.get(seq);
    const indirect = subject?.indirect;
    if (subject === undefined || indirect === undefined) return;
    if (!indirect.helpers.delete(from)) return;
    if (isAck) {
      // Heard, but deaf to this node alone: what this node sends is stuck on its way.
      if (subject.unanswered >= UNANSWERED_MAX) out.hangUp(subject.id);
      this.#endIndirect(subject);
      subject.hasIndirectFailed = false;
      subject.misses = 0;
      subject.unanswered = 0;
      subject.history = 0;
      this.#parts.verdicts.onEvidenceOfLife(subject.id, true, now, out);
      return;
    }
    indirect.nacks += 1;
    if (indirect.helpers.size === 0) this.#onIndirectFailed(subject, indirect, now, out);
  }

  #round(now: Millis, out: MembershipOutput): void {
    const { awareness, config } = this.#parts;
    awareness.onRound(this.#answered, this.#unexplained);
    this.#answered = 0;
    this.#unexplained = 0;
    this.#dueAt = (now + config.probeIntervalMs * awareness.factor) as Millis;
    // Counted from the end of the next round: until then nothing speaks for this node.
    if (this.#late > 0 && this.#late * UNSOUND_ONE_IN >= this.#judged) {
      this.#soundSince = this.#dueAt;
    }
    this.#judged = 0;
    this.#late = 0;
    for (const subject of this.#subjects.values()) {
      if (subject.timeoutAt !== undefined) continue;
      subject.seq = this.#nextSeq();
      subject.sentAt = now;
      subject.isAnswered = false;
      subject.isPrompt = false;
      const peer = this.#parts.peers.get(subject.id);
      subject.timeoutAt = (now + this.#timeoutMs(peer)) as Millis;
      if (peer !== undefined) {
        this.#parts.send(subject.id, { kind: "ping", seq: subject.seq, records: [] }, out);
      }
    }
  }

  #timeoutMs(peer: Peer | undefined): number {
    const { config, awareness } = this.#parts;
    const adaptive = Math.max(config.probeTimeoutMs, (peer?.rttMs ?? 0) * RTT_FACTOR);
    return Math.min(adaptive, config.probeTimeoutMsMax) * awareness.factor;
  }

  /** The time for an answer is over. */
  #judge(subject: Subject, now: Millis, out: MembershipOutput): void {
    subject.timeoutAt = undefined;
    const peer = this.#parts.peers.get(subject.id);
    const isHeard = peer !== undefined && peer.heardAt >= subject.sentAt;
    if (peer === undefined && now - subject.since < CONNECT_GRACE_MS) return;
    subject.history = ((subject.history << 1) | (isHeard ? 0 : 1)) & ((1 << WINDOW) - 1);
    subject.rounds = Math.min(WINDOW, subject.rounds + 1);
    this.#judged += 1;
    if (!subject.isPrompt) this.#late += 1;
    if (isHeard) {
      this.#answered += 1;
      subject.misses = 0;
      if (subject.isAnswered) {
        subject.hasIndirectFailed = false;
        return;
      }
      subject.unanswered += 1;
      if (subject.unanswered < UNANSWERED_MAX) return;
    } else {
      subject.misses += 1;
    }
    this.#accuseIfDue(subject, now, out);
    if (subject.indirect === undefined) this.#askHelpers(subject, now, out);
  }

  #endIndirect(subject: Subject): void {
    if (subject.indirect === undefined) return;
    this.#indirectBySeq.delete(subject.indirect.seq);
    subject.indirect = undefined;
  }

  #askHelpers(subject: Subject, now: Millis, out: MembershipOutput): void {
    const { peers, random, config, awareness } = this.#parts;
    const heardSince = now - config.probeIntervalMs * 2 * awareness.factor;
    const helpers = peers.draw(
      config.indirectProbes,
      random,
      (peer) => peer.id !== subject.id && peer.heardAt >= heardSince,
    );
    const seq = this.#nextSeq();
    const indirect: Indirect = {
      seq,
      deadline: (now + config.probeTimeoutMs * (1 + awareness.factor)) as Millis,
      helpers: new Set(helpers.map((helper) => helper.id)),
      nacks: 0,
      asked: helpers.length,
    };
    subject.indirect = indirect;
    this.#indirectBySeq.set(seq, subject);
    if (helpers.length === 0) {
      this.#onIndirectFailed(subject, indirect, now, out);
      return;
    }
    for (const helper of helpers) {
      const packet = { kind: "ping_req", seq, target: subject.id, records: [] } as const;
      this.#parts.send(helper.id, packet, out);
    }
  }

  #onIndirectFailed(
    subject: Subject,
    indirect: Indirect,
    now: Millis,
    out: MembershipOutput,
  ): void {
    this.#endIndirect(subject);
    subject.hasIndirectFailed = true;
    // Most helpers answered in time, so this node hears and is heard; the others may be ill, too.
    const isExplained = indirect.asked > 0 && indirect.nacks * 2 > indirect.asked;
    if (!isExplained) this.#unexplained += 1;
    this.#accuseIfDue(subject, now, out);
  }

  #accuseIfDue(subject: Subject, now: Millis, out: MembershipOutput): void {
    if (!subject.hasIndirectFailed) return;
    // The slot may have been given to another member since.
    if (this.#parts.members.slotOf(subject.id) !== subject.slot) return;
    const windowMisses = bitCount(subject.history);
    if (subject.misses >= MISSES_TO_ACCUSE) {
      this.#parts.verdicts.suspect(subject.slot, "silence", now, out);
    } else if (subject.misses === 0 && subject.unanswered >= UNANSWERED_MAX) {
      this.#parts.verdicts.suspect(subject.slot, "deaf", now, out);
    } else if (subject.rounds >= WINDOW && windowMisses > WINDOW_MISSES_MAX) {
      this.#parts.verdicts.suspect(subject.slot, "window", now, out);
    }
  }

  #answer(relay: Relay, answered: boolean, out: MembershipOutput): void {
    this.#parts.send(relay.from, { kind: "answer", seq: relay.seq, answered, records: [] }, out);
  }

  #nextSeq(): number {
    this.#seq += 1;
    return this.#seq;
  }
}

function newSubject(slot: number, id: NodeId, now: Millis): Subject {
  return {
    slot,
    id,
    since: now,
    seq: 0,
    sentAt: now,
    timeoutAt: undefined,
    isAnswered: false,
    isPrompt: false,
    misses: 0,
    unanswered: 0,
    history: 0,
    rounds: 0,
    indirect: undefined,
    hasIndirectFailed: false,
  };
}

function bitCount(bits: number): number {
  let count = 0;
  for (let rest = bits; rest !== 0; rest &= rest - 1) count += 1;
  return count;
}
