/**
 * Comparing member tables: on connecting, every few seconds with a random neighbour, and soon after
 * a sync that brought much news. The asker sends the digests of its 256 buckets; the other answers
 * with pages of the buckets that differ; the asker merges them and sends back what it knows better.
 * Equal tables cost one kilobyte. Pages are bounded and asked for one at a time, so a newcomer
 * fetches a large table without ever holding up a probe.
 */
import type { Random } from "../core/seams.ts";
import type { Millis, NodeId } from "../core/types.ts";
import type { MembershipConfig } from "./config.ts";
import type { Ingested, Ledger } from "./ledger.ts";
import type { Members } from "./members.ts";
import type { MembershipOutput } from "./output.ts";
import { BUCKETS, encodePacket, RECORDS_PER_PACKET_MAX, type Records } from "./packets.ts";
import type { Peers } from "./peers.ts";
import { compareLives, type SignedRecord } from "./records.ts";

const PAGE_BYTES_MAX = 48 * 1_024;
/** After news from a sync the next one follows soon: what a page brings is not rumoured. */
const SOON_MS = 500;
/** Many connections at once, as after a start of everybody, do not mean as many syncs at once. */
const CONNECT_PAUSE_MS = 250;

export interface SyncParts {
  readonly config: MembershipConfig;
  readonly random: Random;
  readonly members: Members;
  readonly peers: Peers;
  readonly ledger: Ledger;
}

export class MemberSync {
  readonly #parts: SyncParts;
  #dueAt: Millis;
  #connectSyncAt: Millis | undefined;

  constructor(parts: SyncParts, now: Millis) {
    this.#parts = parts;
    this.#dueAt = this.#later(parts.config.syncIntervalMs, now);
  }

  nextDeadline(): Millis {
    return this.#dueAt;
  }

  onDeadline(now: Millis, out: MembershipOutput): void {
    if (this.#dueAt > now) return;
    this.#dueAt = this.#later(this.#parts.config.syncIntervalMs, now);
    const { peers, random } = this.#parts;
    for (const peer of peers.draw(1, random, () => true)) this.start(peer.id, now, out);
  }

  /** Compares tables with a peer that this node has just dialled. */
  onDialled(peer: NodeId, now: Millis, out: MembershipOutput): void {
    if (this.#connectSyncAt !== undefined && now - this.#connectSyncAt < CONNECT_PAUSE_MS) {
      this.#soon(now);
      return;
    }
    this.#connectSyncAt = now;
    this.start(peer, now, out);
  }

  start(to: NodeId, now: Millis, out: MembershipOutput): void {
    const { members, peers } = this.#parts;
    const peer = peers.get(to);
    if (peer === undefined) return;
    peer.syncedAt = now;
    peer.remainingBuckets = BUCKETS + 1;
    out.send(to, encodePacket({ kind: "sync", buckets: members.buckets, records: [] }));
  }

  onSync(from: NodeId, buckets: Uint32Array, out: MembershipOutput): void {
    const differing: number[] = [];
    for (let bucket = 0; bucket < BUCKETS; bucket += 1) {
      if (buckets[bucket] !== this.#parts.members.buckets[bucket]) differing.push(bucket);
    }
    if (differing.length > 0) this.#sendPage(from, Uint8Array.from(differing), out);
  }

  onPull(from: NodeId, wanted: Uint8Array, out: MembershipOutput): void {
    if (wanted.length > 0) this.#sendPage(from, wanted, out);
  }

  /** Merges a page, answers with what is newer here, and asks for the next. */
  onPage(
    from: NodeId,
    page: { readonly covered: Uint8Array; readonly remaining: Uint8Array; records: Records },
    now: Millis,
    out: MembershipOutput,
  ): Ingested {
    const { ledger, peers, members } = this.#parts;
    const theirs = new Map<NodeId, SignedRecord>();
    let news = 0;
    for (const wire of page.records) {
      const outcome = ledger.ingest(wire, from, "page", now, out);
      if (outcome === "malformed" || outcome === "forged") return outcome;
      if (outcome === "news") news += 1;
      const record = members.registry.find(wire);
      if (record !== undefined) noteNewest(theirs, record);
    }
    this.#sendBetter(from, page.covered, theirs, out);
    const peer = peers.get(from);
    const { remaining } = page;
    if (peer !== undefined && remaining.length > 0 && remaining.length < peer.remainingBuckets) {
      peer.remainingBuckets = remaining.length;
      out.send(from, encodePacket({ kind: "pull", wanted: remaining }));
    } else if (news > 0) {
      this.#soon(now);
    }
    return "news";
  }

  #soon(now: Millis): void {
    const soonAt = this.#later(SOON_MS, now);
    if (soonAt < this.#dueAt) this.#dueAt = soonAt;
  }

  /** Members that the other side lacks, or knows less of, go back to it as a page without a rest. */
  #sendBetter(
    to: NodeId,
    covered: Uint8Array,
    theirs: ReadonlyMap<NodeId, SignedRecord>,
    out: MembershipOutput,
  ): void {
    if (covered.length === 0) return;
    const { members } = this.#parts;
    let batch: Uint8Array[] = [];
    let bytes = 0;
    const flush = () => {
      if (batch.length === 0) return;
      const empty = new Uint8Array(0);
      out.send(
        to,
        encodePacket({ kind: "page", covered: empty, remaining: empty, records: batch }),
      );
      batch = [];
      bytes = 0;
    };
    for (const slot of members.slotsIn(covered)) {
      const known = theirs.get(members.registry.idOf(slot));
      const records = members.recordsOf(slot);
      const newest = records[0];
      if (newest === undefined || (known !== undefined && !isBetter(newest, known))) continue;
      for (const record of records) {
        batch.push(record.bytes);
        bytes += record.bytes.length;
      }
      if (bytes >= PAGE_BYTES_MAX) flush();
    }
    flush();
  }

  #sendPage(to: NodeId, wanted: Uint8Array, out: MembershipOutput): void {
    const { members } = this.#parts;
    const records: Uint8Array[] = [];
    let bytes = 0;
    let cut = BUCKETS;
    for (const slot of members.slotsIn(wanted)) {
      const bucket = members.bucketOf(slot);
      const isFull = bytes >= PAGE_BYTES_MAX || records.length >= RECORDS_PER_PACKET_MAX - 2;
      if (cut === BUCKETS && isFull) cut = bucket + 1;
      if (bucket >= cut || records.length >= RECORDS_PER_PACKET_MAX - 1) break;
      for (const record of members.recordsOf(slot)) {
        records.push(record.bytes);
        bytes += record.bytes.length;
      }
    }
    const covered = wanted.filter((bucket) => bucket < cut);
    const remaining = wanted.filter((bucket) => bucket >= cut);
    out.send(to, encodePacket({ kind: "page", covered, remaining, records }));
  }

  #later(ms: number, now: Millis): Millis {
    return (now + ms * (0.75 + this.#parts.random.float() / 2)) as Millis;
  }
}

function noteNewest(newest: Map<NodeId, SignedRecord>, record: SignedRecord): void {
  const known = newest.get(record.subject);
  if (known === undefined || isBetter(record, known)) newest.set(record.subject, record);
}

/** Of a later life, or graver in the same one. */
function isBetter(record: SignedRecord, than: SignedRecord): boolean {
  return (
    compareLives(record, than) > 0 ||
    (compareLives(record, than) === 0 && weight(record) > weight(than))
  );
}

function weight(record: SignedRecord): number {
  if (record.kind === "statement") return record.left ? 2 : 0;
  return record.verdict === "suspect" ? 0 : record.verdict === "dead" ? 1 : 3;
}
