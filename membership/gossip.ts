/**
 * How news leaves this node: rumours on board of probes and answers, pushes to a few random peers
 * right after something new was heard, corrections to whoever brings old news, and the word to a
 * peer that it is accused, so that it can refute. Corrections and words are limited per peer: two
 * nodes that hold each other dead must not talk faster and faster.
 */
import type { Random } from "../core/seams.ts";
import type { Millis, NodeId } from "../core/types.ts";
import { type MembershipConfig, sendsMax } from "./config.ts";
import type { Ledger, Via } from "./ledger.ts";
import type { Members } from "./members.ts";
import type { MembershipOutput, PacketVerdict } from "./output.ts";
import { encodePacket, type MemberPacket, type Records } from "./packets.ts";
import type { Peer, Peers } from "./peers.ts";
import { PIGGYBACK_BYTES_MAX, PUSH_BYTES_MAX, type Rumours } from "./rumours.ts";

/** A member held dead or suspect is told so at most this often. */
const TELL_MS = 500;
/** Answers to old news, per peer and second: enough to correct, too few to storm. */
const CORRECTIONS_PER_SECOND = 32;

export interface GossipParts {
  readonly config: MembershipConfig;
  readonly random: Random;
  readonly members: Members;
  readonly peers: Peers;
  readonly rumours: Rumours;
  readonly doubts: Rumours;
  readonly ledger: Ledger;
}

export class Gossip {
  readonly #parts: GossipParts;
  #pushAt: Millis | undefined;

  constructor(parts: GossipParts) {
    this.#parts = parts;
  }

  nextDeadline(): Millis | undefined {
    return this.#pushAt;
  }

  /** After each input: what is fresh leaves together, a moment later. */
  onInput(now: Millis): void {
    const { rumours, doubts, config } = this.#parts;
    const hasRumours = rumours.takeFresh();
    if (!doubts.takeFresh() && !hasRumours) return;
    const at = (now + config.pushDelayMs) as Millis;
    if (this.#pushAt === undefined || this.#pushAt > at) this.#pushAt = at;
  }

  /** Fresh rumours to a few random peers; what is not spent follows at the gossip interval. */
  onDeadline(now: Millis, out: MembershipOutput): void {
    if (this.#pushAt === undefined || this.#pushAt > now) return;
    const { rumours, doubts, config, peers, random } = this.#parts;
    for (const peer of peers.draw(config.gossipFanout, random, () => true)) {
      const records = rumours.take(peer.id, PUSH_BYTES_MAX, this.#sendsMax());
      const old = doubts.take(peer.id, PUSH_BYTES_MAX, this.#sendsMax());
      if (records.length + old.length > 0) push(peer.id, records, old, out);
    }
    const hasMore = rumours.size + doubts.size > 0;
    this.#pushAt = hasMore ? ((now + config.gossipIntervalMs) as Millis) : undefined;
  }

  send(
    to: NodeId,
    packet: Extract<MemberPacket, { kind: "ping" | "ack" | "ping_req" | "answer" }>,
    out: MembershipOutput,
  ): void {
    const records = this.#parts.rumours.take(to, PIGGYBACK_BYTES_MAX, this.#sendsMax());
    out.send(to, encodePacket({ ...packet, records }));
  }

  /** The first words on a connection: who this node is, and what it holds against the peer. */
  introduce(peer: Peer, now: Millis, out: MembershipOutput): void {
    push(peer.id, [this.#parts.ledger.own.bytes], [], out);
    this.tellIfAccused(peer.id, now, out);
  }

  /** A member that is held suspect or dead can only refute what it knows of. */
  tellIfAccused(id: NodeId, now: Millis, out: MembershipOutput): void {
    const { peers, ledger } = this.#parts;
    const against = ledger.heldAgainst(id);
    if (against === undefined) return;
    const peer = peers.get(id);
    if (peer === undefined || (peer.toldAt !== undefined && now - peer.toldAt < TELL_MS)) return;
    peer.toldAt = now;
    push(id, [against.bytes], [], out);
  }

  tellEverybody(record: Uint8Array, out: MembershipOutput): void {
    for (const peer of this.#parts.peers.all()) push(peer.id, [record], [], out);
  }

  /** Takes in records; where this node knows better, it says so to the sender. */
  ingest(
    records: Records,
    from: NodeId,
    via: Via,
    now: Millis,
    out: MembershipOutput,
  ): PacketVerdict {
    const { ledger } = this.#parts;
    const corrections: Uint8Array[] = [];
    for (const wire of records) {
      const outcome = ledger.ingest(wire, from, via, now, out);
      if (outcome === "malformed" || outcome === "forged") return outcome;
      if (outcome !== "stale" || !this.#mayCorrect(from, now)) continue;
      for (const record of ledger.correction(wire)) corrections.push(record.bytes);
    }
    if (corrections.length > 0) push(from, corrections, [], out);
    return "ok";
  }

  #mayCorrect(to: NodeId, now: Millis): boolean {
    const peer = this.#parts.peers.get(to);
    if (peer === undefined) return false;
    if (now - peer.correctedAt >= 1_000) {
      peer.correctedAt = now;
      peer.corrections = 0;
    }
    peer.corrections += 1;
    return peer.corrections <= CORRECTIONS_PER_SECOND;
  }

  #sendsMax(): number {
    const { config, members } = this.#parts;
    return sendsMax(config, members.present);
  }
}

function push(to: NodeId, records: Records, doubts: Records, out: MembershipOutput): void {
  out.send(to, encodePacket({ kind: "push", records, doubts }));
}
