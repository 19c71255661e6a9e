/**
 * The failure detector and member table of one node: K-observer SWIM with Lifeguard (see
 * docs/membership.md). This façade routes inputs to the parts that decide: `ledger` what to
 * believe, `probe` who answers, `verdicts` whom to accuse, `connections` whom to dial,
 * `member-sync` how tables are compared; and it carries rumours. Every death is recoverable without
 * an operator, because dead members and seeds are tried for ever and each contact with one held
 * dead tells it so.
 */
import type { CloseReason, Random } from "../core/seams.ts";
import type { MemberState, Millis, NodeId } from "../core/types.ts";
import { Awareness } from "./awareness.ts";
import { Connections } from "./connections.ts";
import { Gossip } from "./gossip.ts";
import { type Ingested, Ledger } from "./ledger.ts";
import { MemberSync } from "./member-sync.ts";
import { ABSENT, DEAD, FORGOTTEN, Members } from "./members.ts";
import type { MembershipOptions } from "./membership-options.ts";
import { Observers } from "./observers.ts";
import type { MemberEvent, MemberRow, MembershipOutput, PacketVerdict } from "./output.ts";
import { OwnStatement } from "./own.ts";
import { decodePacket, decodePlain, type MemberPacket } from "./packets.ts";
import { Peers } from "./peers.ts";
import { Prober } from "./probe.ts";
import type { Statement } from "./records.ts";
import { Registry } from "./registry.ts";
import { Rumours } from "./rumours.ts";
import { Suspicions } from "./suspicion.ts";
import { Verdicts } from "./verdicts.ts";

export type { MembershipOptions } from "./membership-options.ts";
export type { MemberEvent, MemberRow, MembershipOutput, PacketVerdict } from "./output.ts";

/** Connections beyond this are refused; the transport's own limit is lower. */
const PEERS_MAX = 2_048;
/** A deadline met later than this, or a loop delay beyond it, is a stall of this process. */
const STALL_MS = 300;
const TICK_MS = 1_000;
/** A connected peer whose statement is still unknown is asked again. */
const RESYNC_MS = 1_000;

interface Parts {
  readonly own: OwnStatement;
  readonly members: Members;
  readonly observers: Observers;
  readonly ledger: Ledger;
  readonly gossip: Gossip;
  readonly verdicts: Verdicts;
  readonly prober: Prober;
  readonly connections: Connections;
  readonly sync: MemberSync;
}

export class Membership {
  readonly #options: MembershipOptions;
  readonly #peers = new Peers();
  readonly #awareness = new Awareness();
  readonly #suspicions = new Suspicions();
  readonly #rumours = new Rumours();
  readonly #doubts = new Rumours();
  readonly #random: Random;
  #parts: Parts | undefined;
  #slot = 0;
  #overlayVersion = 0;
  #tickAt = 0 as Millis;
  #stalledAt: Millis | undefined;
  #hasLeft = false;
  #snapshot: { readonly version: number; readonly members: readonly MemberRow[] } | undefined;

  constructor(options: MembershipOptions) {
    this.#options = options;
    this.#random = options.random;
  }

  start(now: Millis, out: MembershipOutput): void {
    const { self, epoch, nonce, bind, config, signer, verifier } = this.#options;
    const members = new Members(this.#options.registry ?? new Registry(), now);
    this.#slot = members.registry.hold(self);
    const own = new OwnStatement(signer, { epoch, nonce, bind });
    const shared = {
      config,
      random: this.#random,
      members,
      observers: new Observers(members, this.#slot, config.observers),
      peers: this.#peers,
      awareness: this.#awareness,
      suspicions: this.#suspicions,
      rumours: this.#rumours,
      doubts: this.#doubts,
    };
    const ledger = new Ledger({
      ...shared,
      signer,
      verifier,
      own,
      soundSince: () => this.#running().prober.soundSince,
      onDoubt: (slot, at, output) => {
        const isConnected = this.#peers.get(members.registry.idOf(slot)) !== undefined;
        if (!isConnected) this.#running().connections.dialIfRoom(slot, at, output);
      },
      onEvent: (event, at) => this.#onEvent(event, at),
    });
    const gossip = new Gossip({ ...shared, ledger });
    const verdicts = new Verdicts({ ...shared, self: this.#slot, ledger });
    const ownBind = bind;
    const connections = new Connections({ ...shared, self, selfSlot: this.#slot, ownBind }, now);
    const prober = new Prober(
      {
        ...shared,
        verdicts,
        send: (to, packet, output) => gossip.send(to, packet, output),
        connect: (slot, at, output) => connections.dial(slot, at, output),
      },
      now,
    );
    const sync = new MemberSync({ ...shared, ledger }, now);
    const { observers } = shared;
    this.#parts = { own, members, observers, ledger, gossip, verdicts, prober, connections, sync };
    this.#tickAt = (now + TICK_MS) as Millis;
    ledger.adoptOwn(own.current, now, out);
  }

  /** Not to be written to. */
  get table(): Members {
    return this.#running().members;
  }

  /** What this node says of itself. */
  get ownStatement(): Statement {
    return this.#running().own.current;
  }

  /**
   * Begins with another node's table, this node's own statement in it, instead of an empty one: so
   * a simulation starts with a mesh that has long since formed. Nobody is told.
   */
  takeOver(table: Members, now: Millis): void {
    const { members, observers, connections } = this.#running();
    members.takeOver(table, now);
    observers.onReplaced();
    connections.onReplaced(now);
    this.#settle(now);
  }

  /** Seeds are tried for ever, quickly while this node is connected to too few members. */
  addSeeds(addresses: readonly string[], now: Millis, out: MembershipOutput): void {
    this.#running().connections.addSeeds(addresses, now);
    this.#running().connections.onDeadline(now, out);
    this.#settle(now);
  }

  /** A peer known from disk or from a directory document. Addresses change; the newest wins. */
  learnAddress(peer: NodeId, bind: string, now: Millis, _out: MembershipOutput): void {
    this.#running().connections.learnAddress(peer, bind, now);
    this.#settle(now);
  }

  onConnected(id: NodeId, address: string | undefined, now: Millis, out: MembershipOutput): void {
    const { connections, prober, verdicts, sync, members, gossip } = this.#running();
    connections.onConnected(id, address, now);
    const isTooMany = this.#peers.size >= PEERS_MAX && this.#peers.get(id) === undefined;
    if (id === this.#options.self || this.#hasLeft || isTooMany) {
      out.hangUp(id);
      return;
    }
    const { peer, isNew } = this.#peers.add(id, address, now);
    verdicts.onEvidenceOfLife(id, false, now, out);
    const slot = members.slotOf(id);
    if (slot !== undefined && isNew) prober.reset(slot);
    gossip.introduce(peer, now, out);
    // The dialler begins; if it is mistaken about who dialled, the next periodic sync makes good.
    if (address !== undefined) sync.onDialled(id, now, out);
    prober.onConnected(id, out);
    this.#settle(now);
  }

  onDisconnected(id: NodeId, reason: CloseReason, now: Millis, out: MembershipOutput): void {
    const { connections, verdicts, members } = this.#running();
    if (!this.#peers.remove(id) || this.#hasLeft) return;
    const slot = members.slotOf(id);
    if (slot !== undefined && members.isPresent(slot) && reason.kind !== "closed") {
      verdicts.onReset(id, now);
      connections.dial(slot, now, out);
    } else if (slot !== undefined) connections.onClosed(slot, now);
    this.#settle(now);
  }

  onDialFailed(
    address: string,
    expected: NodeId | undefined,
    reason: CloseReason,
    now: Millis,
    out: MembershipOutput,
  ): void {
    if (this.#hasLeft) return;
    const { connections, verdicts, ledger } = this.#running();
    const slot = connections.onDialFailed(address, expected, reason, now);
    if (slot !== undefined && reason.kind === "refused") {
      ledger.confirmDoubt(slot, now, out);
      verdicts.onRefused(slot, now, out);
    }
    this.#settle(now);
  }

  /** Any authenticated bytes from a peer, on any plane, count as an answer. */
  onHeard(peer: NodeId, now: Millis): void {
    this.#peers.onHeard(peer, now);
  }

  /**
   * The short way of nearly all packets in a calm mesh, from `at` on: a ping or an ack without
   * records while nobody is doubted and there is nothing to tell. It changes neither a deadline nor
   * anything that others see. False: it is not that, and nothing was done.
   */
  onCalmPacket(
    from: NodeId,
    bytes: Uint8Array,
    at: number,
    now: Millis,
    out: MembershipOutput,
  ): boolean {
    const packet = decodePlain(bytes, at);
    if (packet === undefined || this.#hasLeft || !this.#isCalm()) return false;
    this.#peers.onHeard(from, now);
    const { prober } = this.#running();
    if (packet.kind === "ping") prober.onPing(from, packet.seq, out);
    else prober.onAck(from, packet.seq, now, out);
    return true;
  }

  #isCalm(): boolean {
    const { members, ledger, verdicts } = this.#running();
    return (
      this.#rumours.size + this.#doubts.size + this.#suspicions.size === 0 &&
      !members.hasAccused &&
      !ledger.hasPrivateVerdicts &&
      !verdicts.hasResets
    );
  }

  onPacket(from: NodeId, bytes: Uint8Array, now: Millis, out: MembershipOutput): PacketVerdict {
    if (this.#hasLeft) return "ignored";
    const packet = decodePacket(bytes);
    if (packet === undefined) return "malformed";
    if (packet.kind === "unknown") return "ignored";
    this.#peers.onHeard(from, now);
    const { verdicts, gossip } = this.#running();
    verdicts.onEvidenceOfLife(from, false, now, out);
    const verdict = this.#dispatch(from, packet, now, out);
    gossip.tellIfAccused(from, now, out);
    this.#settle(now);
    return verdict;
  }

  /** How late the event loop ran: bad for the local health, and a stall if it is much. */
  onLoopDelay(delayMs: number, now: Millis, _out: MembershipOutput): void {
    if (this.#hasLeft) return;
    if (delayMs > STALL_MS) this.#onStall(delayMs, now);
    else this.#awareness.onLoopDelay(delayMs);
    this.#settle(now);
  }

  /** Tells everybody that this node is about to leave: no new work, please. */
  setLeaving(now: Millis, out: MembershipOutput): void {
    const { own, ledger, gossip } = this.#running();
    if (own.current.leaving || this.#hasLeft) return;
    ledger.adoptOwn(own.raise(own.current, { leaving: true, left: false }), now, out);
    gossip.tellEverybody(own.current.bytes, out);
    this.#settle(now);
  }

  /** Tells everybody connected that this node has left; after that it is quiet for good. */
  leave(now: Millis, out: MembershipOutput): void {
    if (this.#hasLeft) return;
    const { own, ledger, gossip } = this.#running();
    ledger.adoptOwn(own.raise(own.current, { leaving: true, left: true }), now, out);
    gossip.tellEverybody(own.current.bytes, out);
    this.#hasLeft = true;
    this.#rumours.clear();
    this.#doubts.clear();
  }

  /** An operator's word that a dead or left member is not coming back; spreads to all. */
  forget(peer: NodeId, now: Millis, out: MembershipOutput): boolean {
    const { members, ledger } = this.#running();
    const slot = members.slotOf(peer);
    const state = slot === undefined ? undefined : members.state(slot);
    if (slot === undefined || (state !== "dead" && state !== "left")) return false;
    ledger.accuse(slot, "forgotten", "operator", now, out);
    this.#settle(now);
    return true;
  }

  onDeadline(now: Millis, out: MembershipOutput): void {
    const due = this.nextDeadline();
    if (due === undefined || due > now) return;
    if (now - due > STALL_MS) this.#onStall(now - due, now);
    const { prober, verdicts, connections, sync, gossip } = this.#running();
    prober.onDeadline(now, out);
    verdicts.onDeadline(now, out);
    connections.onDeadline(now, out);
    sync.onDeadline(now, out);
    if (this.#tickAt <= now) this.#tick(now, out);
    this.#settle(now);
    gossip.onDeadline(now, out);
  }

  nextDeadline(): Millis | undefined {
    if (this.#parts === undefined || this.#hasLeft) return undefined;
    const { prober, verdicts, connections, sync, gossip } = this.#parts;
    let next = Math.min(
      prober.nextDeadline(),
      connections.nextDeadline(),
      sync.nextDeadline(),
      this.#tickAt,
    );
    for (const at of [verdicts.nextDeadline(), gossip.nextDeadline()]) {
      if (at !== undefined && at < next) next = at;
    }
    return next as Millis;
  }

  /** All members that are not forgotten, this node among them. The same object until it changes. */
  snapshot(): { readonly version: number; readonly members: readonly MemberRow[] } {
    const { members } = this.#running();
    if (this.#snapshot?.version === members.version) return this.#snapshot;
    const rows: MemberRow[] = [];
    for (const slot of members.slots()) {
      const row = this.#rowOf(slot);
      if (row !== undefined) rows.push(row);
    }
    this.#snapshot = { version: members.version, members: rows };
    return this.#snapshot;
  }

  /** One row of the snapshot, without the others being made. */
  row(peer: NodeId): MemberRow | undefined {
    const slot = this.#running().members.slotOf(peer);
    return slot === undefined ? undefined : this.#rowOf(slot);
  }

  /** Rows that vanished without an event: whoever follows single rows has to look at all again. */
  get dropped(): number {
    return this.#parts?.members.dropped ?? 0;
  }

  state(peer: NodeId): MemberState | undefined {
    const { members } = this.#running();
    const slot = members.slotOf(peer);
    return slot === undefined ? undefined : members.state(slot);
  }

  /** Figures for metrics and `status`. */
  health(): {
    /** Members that take part: alive or suspect, this node among them. */
    readonly members: number;
    /** Local health: 0 is well, 8 is worst. */
    readonly awareness: number;
    readonly peers: number;
    readonly rumours: number;
    readonly suspicions: number;
    readonly subjects: number;
  } {
    return {
      members: this.#running().members.present,
      awareness: this.#awareness.score,
      peers: this.#peers.size,
      rumours: this.#rumours.size + this.#doubts.size,
      suspicions: this.#suspicions.own().size,
      subjects: this.#running().observers.subjects().length,
    };
  }

  #running(): Parts {
    if (this.#parts === undefined) throw new Error("assertion failed: Membership is started first");
    return this.#parts;
  }

  #dispatch(
    from: NodeId,
    packet: Exclude<MemberPacket, { kind: "unknown" }>,
    now: Millis,
    out: MembershipOutput,
  ): PacketVerdict {
    const { prober, sync, gossip } = this.#running();
    if (packet.kind === "page") return verdictOf(sync.onPage(from, packet, now, out));
    if (packet.kind === "pull") {
      sync.onPull(from, packet.wanted, out);
      return "ok";
    }
    const verdict = gossip.ingest(packet.records, from, "rumour", now, out);
    if (verdict !== "ok") return verdict;
    switch (packet.kind) {
      case "ping":
        prober.onPing(from, packet.seq, out);
        return "ok";
      case "ack":
        prober.onAck(from, packet.seq, now, out);
        return "ok";
      case "ping_req":
        prober.onPingReq(from, packet.seq, packet.target, now, out);
        return "ok";
      case "answer":
        prober.onAnswer(from, packet.seq, packet.answered, now, out);
        return "ok";
      case "push":
        return gossip.ingest(packet.doubts, from, "doubt", now, out);
      case "sync":
        sync.onSync(from, packet.buckets, out);
        return "ok";
    }
  }

  #tick(now: Millis, out: MembershipOutput): void {
    this.#tickAt = (now + TICK_MS) as Millis;
    const { ledger, members, sync, gossip } = this.#running();
    ledger.onTick(now, out);
    for (const peer of this.#peers.all()) {
      const slot = members.slotOf(peer.id);
      const isStranger = slot === undefined || members.statement(slot) === undefined;
      const isRecent = peer.syncedAt !== undefined && now - peer.syncedAt < RESYNC_MS;
      if (isStranger && !isRecent) {
        gossip.introduce(peer, now, out);
        sync.start(peer.id, now, out);
      } else {
        gossip.tellIfAccused(peer.id, now, out);
      }
    }
  }

  /** After each input: the overlay follows the view, and fresh rumours get a push. */
  #settle(now: Millis): void {
    const { observers, prober, gossip } = this.#running();
    if (observers.version !== this.#overlayVersion) {
      this.#overlayVersion = observers.version;
      prober.setSubjects(observers.subjects(), now);
    }
    gossip.onInput(now);
  }

  #onStall(stallMs: number, now: Millis): void {
    const { prober, verdicts } = this.#running();
    const isCounted = this.#stalledAt !== undefined && now - this.#stalledAt < TICK_MS;
    if (!isCounted) this.#awareness.onLoopDelay(stallMs);
    this.#stalledAt = now;
    prober.onStall(now);
    verdicts.onStall(stallMs, now);
  }

  #onEvent(event: MemberEvent, now: Millis): void {
    const { members, prober, connections } = this.#running();
    const slot = members.slotOf(event.peer);
    if (slot === undefined) return;
    if (event.kind === "dead") connections.onDeath(now);
    else if (event.kind === "joined" || event.kind === "alive" || event.kind === "refuted") {
      prober.reset(slot);
      connections.onMemberChanged(event.peer, now);
    }
  }

  #rowOf(slot: number): MemberRow | undefined {
    const { members } = this.#running();
    const rank = members.rank(slot);
    const statement = members.statement(slot);
    const state = members.state(slot);
    if (rank === ABSENT || rank === FORGOTTEN || statement === undefined || !state)
      return undefined;
    const accusation = members.accusation(slot);
    const life = members.life(slot) ?? statement;
    const suspicion = this.#suspicions.get(slot);
    return {
      id: statement.subject,
      state,
      leaving: statement.leaving && rank < DEAD,
      self: slot === this.#slot,
      epoch: life.epoch,
      incarnation: life.incarnation,
      bind: statement.bind,
      since: members.since(slot),
      accuser: accusation?.accuser ?? "",
      basis: accusation?.basis ?? "",
      accusers: suspicion === undefined ? 0 : suspicion.accusers.size + (suspicion.own ? 1 : 0),
    };
  }
}

function verdictOf(outcome: Ingested): PacketVerdict {
  return outcome === "malformed" || outcome === "forged" ? outcome : "ok";
}
