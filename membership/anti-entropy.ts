/**
 * Makes two stores equal, whatever was lost on the way. Once in a while a node tells a random
 * connected peer the fingerprint of all it holds; where the two differ they descend the tree, list
 * what lies below, and hand over what the other lacks or has in an older state. Every packet is
 * answered from the store alone, at most 128 KiB of documents travel per answer, and the receiver
 * asks for the next, so a long transfer is paced by its receiver, never delays probes, and
 * survives any loss. What one peer may cost per second is bounded; a peer that lies spends that.
 */
import type { Random } from "../core/seams.ts";
import type { Millis, NodeId } from "../core/types.ts";
import {
  type AntiEntropyPacket,
  decodePacket,
  encodePacket,
  ITEMS_PER_PACKET_MAX,
  MESSAGES_PER_PACKET_MAX,
  NODES_PER_PACKET_MAX,
  type Place,
} from "./anti-entropy-packets.ts";
import { SyncPeer, SyncPeers } from "./anti-entropy-peers.ts";
import {
  BLOCK_BYTES,
  FANOUT,
  FINGERPRINT_BYTES,
  type FingerprintTree,
  LEAF_LEVEL,
} from "./anti-entropy-tree.ts";
import { compareOrder, type Statement } from "./document-codec.ts";

export interface AntiEntropyConfig {
  /** Between sessions while stores are known to differ. */
  readonly differIntervalMs: number;
  /** Between sessions otherwise. */
  readonly calmIntervalMs: number;
  /** Below a node with at most this many items, these are listed instead of descending. */
  readonly listItemsMax: number;
  /** Documents in one answer. */
  readonly answerBytesMax: number;
  /** What one peer may cost: bytes in and out, with a surcharge for what is refused. */
  readonly peerBytesPerSecond: number;
  readonly peerBurstBytes: number;
  /** Up to this many connected peers get a fresh own statement directly. */
  readonly pushPeersMax: number;
}

export const ANTI_ENTROPY_DEFAULTS: AntiEntropyConfig = {
  differIntervalMs: 1_000,
  calmIntervalMs: 5_000,
  listItemsMax: 64,
  answerBytesMax: 128 * 1024,
  peerBytesPerSecond: 8 * 1024 * 1024,
  peerBurstBytes: 16 * 1024 * 1024,
  pushPeersMax: 20,
};

/** "limited" and "ignored" blame nobody; "malformed" and "forged" do. */
export type DirectoryVerdict = "applied" | "ignored" | "limited" | "malformed" | "forged";

export interface SyncStore {
  tree(): FingerprintTree;
  find(place: Place): Statement | undefined;
  /** True if a message of this hash was refused before and need not be fetched again. */
  isRefused(hash: string): boolean;
  /** True if the peer stands in another zone than this node. */
  isElsewhere(peer: NodeId): boolean;
}

/** One input's surroundings. */
export interface SyncContext {
  readonly now: Millis;
  send(peer: NodeId, packet: Uint8Array): void;
  /** Takes a message into the store if it is valid and newer. */
  admit(message: Uint8Array, isPush: boolean): DirectoryVerdict;
}

/** Added to the cost of every packet, so that small ones are not free. */
const PACKET_COST_BYTES = 512;
/** Added to the cost of every document that was refused or not new: a signature check. */
const WASTE_COST_BYTES = 8 * 1024;
const DIFFER_MEMORY_MS = 3_000;
const JITTER = 0.25;
/** A peer that holds this many more items is worth waiting for while it delivers. */
const BULK_ITEMS = 256;
const BULK_SILENCE_MS = 1_000;
/** Statements asked for at a time: about one answer. */
const WANTED_AT_A_TIME = 64;

export class AntiEntropy {
  readonly #config: AntiEntropyConfig;
  readonly #random: Random;
  readonly #store: SyncStore;
  readonly #peers = new SyncPeers();
  #sessionAt: Millis | undefined;
  #differUntil = 0 as Millis;
  #bulkPeer: NodeId | undefined;
  #bulkUntil = 0 as Millis;

  constructor(config: AntiEntropyConfig, random: Random, store: SyncStore) {
    this.#config = config;
    this.#random = random;
    this.#store = store;
  }

  onPeerUp(peer: NodeId, context: SyncContext): void {
    const { now } = context;
    const { peerBytesPerSecond, peerBurstBytes } = this.#config;
    const added = this.#peers.add(new SyncPeer(peer, peerBytesPerSecond, peerBurstBytes, now));
    if (!added) return;
    this.#sendRoot(peer, context);
    this.#sessionAt ??= this.#nextSession(now);
  }

  onPeerDown(peer: NodeId): void {
    this.#peers.remove(peer);
    if (this.#bulkPeer === peer) this.#bulkPeer = undefined;
    if (this.#peers.size === 0) this.#sessionAt = undefined;
  }

  nextDeadline(): Millis | undefined {
    return this.#sessionAt;
  }

  onDeadline(context: SyncContext): void {
    if (this.#sessionAt === undefined || context.now < this.#sessionAt) return;
    const peer = this.#peers.draw(this.#random, (other) => this.#store.isElsewhere(other));
    if (peer !== undefined) this.#sendRoot(peer, context);
    this.#sessionAt = this.#nextSession(context.now);
  }

  /** Hands fresh own statements to connected peers: to all of a few, else to a random few. */
  push(messages: readonly Uint8Array[], context: SyncContext): void {
    const peers = this.#peers.some(this.#config.pushPeersMax, this.#random);
    if (peers.length === 0) return;
    for (const batch of batches(messages, this.#config.answerBytesMax)) {
      const packet = encodePacket({ kind: "push", messages: batch });
      for (const peer of peers) context.send(peer, packet);
    }
  }

  onPacket(peer: NodeId, bytes: Uint8Array, context: SyncContext): DirectoryVerdict {
    const state = this.#peers.get(peer);
    if (state === undefined) return "ignored";
    if (!state.hasBudget(context.now)) return "limited";
    state.charge(bytes.length + PACKET_COST_BYTES);
    const packet = decodePacket(bytes);
    if (packet === undefined) {
      state.charge(WASTE_COST_BYTES);
      return "malformed";
    }
    const charged: SyncContext = {
      now: context.now,
      send: (to, answer) => {
        state.charge(answer.length);
        context.send(to, answer);
      },
      admit: (message, isPush) => {
        const verdict = context.admit(message, isPush);
        if (verdict !== "applied") state.charge(WASTE_COST_BYTES);
        return verdict;
      },
    };
    return this.#handle(state, packet, charged);
  }

  #handle(from: SyncPeer, packet: AntiEntropyPacket, context: SyncContext): DirectoryVerdict {
    const peer = from.id;
    switch (packet.kind) {
      case "root":
        return this.#onRoot(peer, packet, context);
      case "nodes":
        return this.#onNodes(peer, packet, context);
      case "items":
        return this.#onItems(from, packet, context);
      case "docs":
        return this.#onDocs(from, packet, context);
      case "want":
        this.#sendDocs(peer, this.#found(packet.places), context);
        return "applied";
      case "push":
        return admitAll(packet.messages, true, context).verdict;
      case "unknown":
        return "ignored";
    }
  }

  #onRoot(
    peer: NodeId,
    packet: Extract<AntiEntropyPacket, { kind: "root" }>,
    context: SyncContext,
  ): DirectoryVerdict {
    const tree = this.#store.tree();
    if (equalBytes(packet.fingerprint, 0, tree.root(), 0)) return "applied";
    this.#noteDifference(context.now);
    if (this.#isBusy(peer, packet.count, true, context.now)) {
      this.#offerOwn(peer, context);
      return "ignored";
    }
    if (tree.size <= this.#config.listItemsMax) this.#sendItems(peer, 0, [0], context);
    else this.#sendNodes(peer, 0, [0], context);
    return "applied";
  }

  #onNodes(
    peer: NodeId,
    packet: Extract<AntiEntropyPacket, { kind: "nodes" }>,
    context: SyncContext,
  ): DirectoryVerdict {
    this.#noteDifference(context.now);
    if (this.#isBusy(peer, packet.count, packet.level === 0, context.now)) {
      this.#offerOwn(peer, context);
      return "ignored";
    }
    const tree = this.#store.tree();
    const level = packet.level + 1;
    const descend: number[] = [];
    const list: number[] = [];
    const lacking: number[] = [];
    for (const [index, prefix] of packet.prefixes.entries()) {
      const own = tree.block(packet.level, prefix);
      for (let child = 0; child < FANOUT; child += 1) {
        const theirs = index * BLOCK_BYTES + child * FINGERPRINT_BYTES;
        if (equalBytes(packet.blocks, theirs, own, child * FINGERPRINT_BYTES)) continue;
        const below = prefix * FANOUT + child;
        if (isEmpty(packet.blocks, theirs)) lacking.push(below);
        else if (level < LEAF_LEVEL && tree.hasMoreThan(level, below, this.#config.listItemsMax)) {
          descend.push(below);
        } else list.push(below);
      }
    }
    if (descend.length > 0) this.#sendNodes(peer, level, descend, context);
    if (list.length > 0) this.#sendItems(peer, level, list, context);
    if (lacking.length > 0) this.#sendDocs(peer, this.#itemsOf(level, lacking), context);
    return "applied";
  }

  #onItems(
    from: SyncPeer,
    packet: Extract<AntiEntropyPacket, { kind: "items" }>,
    context: SyncContext,
  ): DirectoryVerdict {
    const listed = new Set<string>();
    const newer: Statement[] = [];
    for (const item of packet.items) {
      listed.add(placeKey(item));
      const own = this.#store.find(item);
      if (own !== undefined && compareOrder(own, item) > 0) newer.push(own);
    }
    for (const own of this.#itemsOf(packet.level, packet.prefixes)) {
      if (newer.length >= ITEMS_PER_PACKET_MAX) break;
      if (!listed.has(placeKey(own))) newer.push(own);
    }
    from.wanted = packet.items;
    const hasAsked = this.#askNext(from, context);
    if (newer.length > 0 || hasAsked) this.#noteDifference(context.now);
    this.#sendDocs(from.id, newer, context);
    return "applied";
  }

  #onDocs(
    from: SyncPeer,
    packet: Extract<AntiEntropyPacket, { kind: "docs" }>,
    context: SyncContext,
  ): DirectoryVerdict {
    const peer = from.id;
    if (this.#bulkPeer === peer) this.#bulkUntil = (context.now + BULK_SILENCE_MS) as Millis;
    const { verdict, isProgress } = admitAll(packet.messages, false, context);
    if (isProgress) this.#noteDifference(context.now);
    from.wanted = [...from.wanted, ...packet.offers].slice(0, ITEMS_PER_PACKET_MAX);
    if (this.#askNext(from, context)) return verdict;
    if (this.#bulkPeer === peer) this.#bulkPeer = undefined;
    if (isProgress) this.#sendRoot(peer, context);
    return verdict;
  }

  /**
   * Asks for the next few of what the peer is known to have and this node lacks, without what it
   * refused before. False if there is nothing left to ask for.
   */
  #askNext(from: SyncPeer, context: SyncContext): boolean {
    const places: Place[] = [];
    let taken = 0;
    for (const item of from.wanted) {
      if (places.length >= WANTED_AT_A_TIME) break;
      taken += 1;
      const own = this.#store.find(item);
      if (own !== undefined && compareOrder(own, item) >= 0) continue;
      if (this.#store.isRefused(item.hash)) continue;
      places.push({ owner: item.owner, part: item.part });
    }
    from.wanted = from.wanted.slice(taken);
    if (places.length > 0) context.send(from.id, encodePacket({ kind: "want", places }));
    return places.length > 0;
  }

  #found(places: readonly Place[]): Statement[] {
    const found: Statement[] = [];
    for (const place of places) {
      const statement = this.#store.find(place);
      if (statement !== undefined) found.push(statement);
    }
    return found;
  }

  *#itemsOf(level: number, prefixes: readonly number[]): IterableIterator<Statement> {
    for (const prefix of prefixes) yield* this.#store.tree().itemsUnder(level, prefix);
  }

  #sendRoot(peer: NodeId, context: SyncContext): void {
    const tree = this.#store.tree();
    context.send(peer, encodePacket({ kind: "root", fingerprint: tree.root(), count: tree.size }));
  }

  #sendNodes(peer: NodeId, level: number, all: readonly number[], context: SyncContext): void {
    const prefixes = all.slice(0, NODES_PER_PACKET_MAX);
    const blocks = new Uint8Array(prefixes.length * BLOCK_BYTES);
    for (const [index, prefix] of prefixes.entries()) {
      blocks.set(this.#store.tree().block(level, prefix), index * BLOCK_BYTES);
    }
    const count = this.#store.tree().size;
    context.send(peer, encodePacket({ kind: "nodes", level, prefixes, blocks, count }));
  }

  /** Lists whole nodes, as many as fit; what does not fit is the next session's. */
  #sendItems(peer: NodeId, level: number, all: readonly number[], context: SyncContext): void {
    const prefixes: number[] = [];
    let items: Statement[] = [];
    const start = this.#random.below(all.length);
    for (let step = 0; step < all.length && prefixes.length < NODES_PER_PACKET_MAX; step += 1) {
      const prefix = all[(start + step) % all.length] as number;
      const below = [...this.#store.tree().itemsUnder(level, prefix)];
      if (items.length + below.length > ITEMS_PER_PACKET_MAX) {
        if (prefixes.length > 0) break;
        items = below.slice(0, ITEMS_PER_PACKET_MAX);
        break;
      }
      prefixes.push(prefix);
      items.push(...below);
    }
    context.send(peer, encodePacket({ kind: "items", level, prefixes, items }));
  }

  /** What little a newcomer brings should not wait until it has received the rest. */
  #offerOwn(peer: NodeId, context: SyncContext): void {
    const tree = this.#store.tree();
    if (tree.size === 0 || tree.size > this.#config.listItemsMax) return;
    const items = [...tree.itemsUnder(0, 0)];
    context.send(peer, encodePacket({ kind: "items", level: 0, prefixes: [], items }));
  }

  /** Sends what fits into one answer and offers the rest. */
  #sendDocs(peer: NodeId, statements: Iterable<Statement>, context: SyncContext): void {
    const messages: Uint8Array[] = [];
    const offers: Statement[] = [];
    let bytes = 0;
    for (const statement of statements) {
      const size = statement.message.length;
      const isFull =
        offers.length > 0 ||
        messages.length >= MESSAGES_PER_PACKET_MAX ||
        (messages.length > 0 && bytes + size > this.#config.answerBytesMax);
      if (!isFull) {
        messages.push(statement.message);
        bytes += size;
      } else if (offers.length < ITEMS_PER_PACKET_MAX) offers.push(statement);
      else break;
    }
    if (messages.length > 0) context.send(peer, encodePacket({ kind: "docs", messages, offers }));
  }

  /** A newcomer lets one peer deliver the bulk, in one session, instead of all of them at once. */
  #isBusy(peer: NodeId, count: number, isStart: boolean, now: Millis): boolean {
    if (count <= this.#store.tree().size + BULK_ITEMS) return false;
    const isOngoing = this.#bulkPeer !== undefined && now < this.#bulkUntil;
    if (isOngoing && (isStart || this.#bulkPeer !== peer)) return true;
    this.#bulkPeer = peer;
    this.#bulkUntil = (now + BULK_SILENCE_MS) as Millis;
    return false;
  }

  #noteDifference(now: Millis): void {
    this.#differUntil = (now + DIFFER_MEMORY_MS) as Millis;
    const soon = this.#nextSession(now);
    if (this.#sessionAt !== undefined && soon < this.#sessionAt) this.#sessionAt = soon;
  }

  #nextSession(now: Millis): Millis {
    const { differIntervalMs, calmIntervalMs } = this.#config;
    const interval = now < this.#differUntil ? differIntervalMs : calmIntervalMs;
    return (now + interval * (1 - JITTER + 2 * JITTER * this.#random.float())) as Millis;
  }
}

function admitAll(
  messages: readonly Uint8Array[],
  isPush: boolean,
  context: SyncContext,
): { readonly verdict: DirectoryVerdict; readonly isProgress: boolean } {
  let verdict: DirectoryVerdict = "ignored";
  let isProgress = false;
  for (const message of messages) {
    // Decoded messages are windows on the packet; what is kept must not hold on to all of it.
    const one = context.admit(new Uint8Array(message), isPush);
    if (one === "applied") isProgress = true;
    if (SEVERITY.indexOf(one) > SEVERITY.indexOf(verdict)) verdict = one;
  }
  return { verdict, isProgress };
}

const SEVERITY: readonly DirectoryVerdict[] = [
  "ignored",
  "limited",
  "applied",
  "malformed",
  "forged",
];

function batches(messages: readonly Uint8Array[], bytesMax: number): Uint8Array[][] {
  const all: Uint8Array[][] = [];
  let bytes = 0;
  for (const message of messages) {
    const last = all.at(-1);
    if (last === undefined || bytes + message.length > bytesMax) {
      all.push([message]);
      bytes = message.length;
    } else {
      last.push(message);
      bytes += message.length;
    }
  }
  return all;
}

function placeKey(place: Place): string {
  return `${place.part}/${place.owner}`;
}

function isEmpty(bytes: Uint8Array, start: number): boolean {
  for (let at = start; at < start + FINGERPRINT_BYTES; at += 1) if (bytes[at] !== 0) return false;
  return true;
}

function equalBytes(one: Uint8Array, oneAt: number, other: Uint8Array, otherAt: number): boolean {
  for (let at = 0; at < FINGERPRINT_BYTES; at += 1) {
    if (one[oneAt + at] !== other[otherAt + at]) return false;
  }
  return true;
}
