/**
 * The table of links, by peer: it dials on demand, lets work wait for the link, decides which of two
 * simultaneous links stays, and fails what is under way as soon as a peer is known to be gone. Every
 * failure says whether the peer may have seen the request: "no" if it never left this node or lies
 * beyond what the peer said it served, else "unknown".
 *
 * Of two links between the same pair the one dialled by the smaller node id stays; both ends apply
 * the rule alone. The other retires: its streams finish, new ones take the first.
 */
import { assert } from "../assert.ts";
import { GrapevineError } from "../errors.ts";
import type {
  AttemptContext,
  Exchange,
  ExchangeObserver,
  RequestHead,
} from "../exchange/contract.ts";
import type {
  Clock,
  CloseReason,
  LinkChannel,
  LinkListener,
  LinkTransport,
  Random,
} from "../seams.ts";
import type { Millis, NodeId } from "../types.ts";
import type { CallDone } from "./calls.ts";
import { ClientStream } from "./client-stream.ts";
import { CALL_BYTES_MAX, LINK_DEFAULTS, type LinkConfig } from "./config.ts";
import { Link, type LinkOwner, type LinkSnapshot } from "./link.ts";
import type { Accept, OnCall } from "./mux-owner.ts";
import { PeerRecord } from "./peer-record.ts";

export type LinkEvent =
  | { readonly kind: "link_up"; readonly peer: NodeId; readonly dialer: boolean }
  | {
      readonly kind: "link_down";
      readonly peer: NodeId;
      readonly dialer: boolean;
      readonly reason: CloseReason;
    }
  | {
      readonly kind: "dial_failed";
      readonly peer: NodeId;
      readonly address: string;
      readonly reason: CloseReason;
    };

export interface LinksOptions {
  readonly self: NodeId;
  readonly clock: Clock;
  readonly random: Random;
  readonly transport: LinkTransport;
  /** Calls back once, at the end of the event-loop turn: all that was queued in it is sent then. */
  readonly flushSoon: (callback: () => void) => void;
  readonly config?: Partial<LinkConfig>;
  /** Answers an exchange of a peer. */
  readonly accept: Accept;
  /** Answers a one-frame call of a peer; without it calls are refused. */
  readonly onCall?: OnCall;
  readonly report: (event: LinkEvent) => void;
}

export class Links implements LinkListener, LinkOwner {
  readonly accept: Accept;
  readonly onCall: OnCall | undefined;
  readonly #self: NodeId;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #transport: LinkTransport;
  readonly #schedule: (callback: () => void) => void;
  readonly #config: LinkConfig;
  readonly #report: (event: LinkEvent) => void;
  readonly #peers = new Map<NodeId, PeerRecord>();
  readonly #links = new Map<LinkChannel, Link>();
  #dirty: Link[] = [];
  #later: (() => void)[] = [];
  #scheduled = false;
  #nextAttempt = 1;
  #draining = false;
  #unacknowledged = new Set<Link>();
  #drained: (() => void) | undefined;
  #stopped = false;

  constructor(options: LinksOptions) {
    this.accept = options.accept;
    this.onCall = options.onCall;
    this.#self = options.self;
    this.#clock = options.clock;
    this.#random = options.random;
    this.#transport = options.transport;
    this.#schedule = options.flushSoon;
    this.#config = { ...LINK_DEFAULTS, ...options.config };
    this.#report = options.report;
    this.#transport.start(this);
  }

  /**
   * Begins an exchange with `peer`, over the link that is up or one that is dialled at `address`
   * (HOST:PORT). What the link cannot take fails through the observer, never from inside this call.
   */
  open(
    peer: NodeId,
    address: string,
    context: AttemptContext,
    request: RequestHead,
    observer: ExchangeObserver,
  ): Exchange {
    const record = this.#recordOf(peer, address);
    const stream = new ClientStream(context, request, observer, this.#config, (abandoned) =>
      record.abandon(abandoned),
    );
    const link = record.usable;
    const error = link === undefined ? this.#refusal(record) : link.mux.open(stream);
    if (error !== undefined) this.#soon(() => stream.fail(error));
    else if (link === undefined) {
      record.waitWithStream(stream);
      this.#dial(record);
    }
    return stream;
  }

  /**
   * Sends a call of at most CALL_BYTES_MAX and hands its reply or error to `done`, once, never from
   * inside this call. `deadlineMs` is the time that is left for it.
   */
  call(
    peer: NodeId,
    address: string,
    payload: Uint8Array,
    deadlineMs: number,
    done: CallDone,
  ): void {
    assert(payload.length <= CALL_BYTES_MAX, "a call's payload fits into one frame");
    assert(deadlineMs >= 0 && deadlineMs <= 0xffff_ffff, "a call has a deadline");
    const record = this.#recordOf(peer, address);
    const link = record.usable;
    const error =
      link === undefined ? this.#refusal(record) : link.mux.call(payload, deadlineMs, done);
    if (error !== undefined) this.#soon(() => done(error, undefined));
    else if (link === undefined) {
      record.waitWithCall(payload, deadlineMs, done);
      this.#dial(record);
    }
  }

  /** Whether a link to the peer takes new streams right now. */
  isUp(peer: NodeId): boolean {
    return this.#peers.get(peer)?.usable !== undefined;
  }

  /** The peer is known to be gone: everything with it fails at once. */
  failPeer(peer: NodeId, why: string): void {
    const record = this.#peers.get(peer);
    if (record === undefined) return;
    const reason: CloseReason = { kind: "reset", detail: why };
    for (const link of [...record.links]) link.fail(reason);
    record.failWaiting(reason);
    record.attempt = undefined;
    this.#forgetIfIdle(record);
  }

  /** Closes all links to a peer in order, for example when its certificate is revoked. */
  closePeer(peer: NodeId, why: string): void {
    for (const link of [...(this.#peers.get(peer)?.links ?? [])]) link.close(why);
  }

  /**
   * Tells every peer that this agent leaves; new work of theirs is refused from now on. `done` is
   * called when all have acknowledged or `goAwayTimeoutMs` have passed.
   */
  drain(now: Millis, done: () => void): void {
    if (this.#draining || this.#stopped) {
      this.#soon(done);
      return;
    }
    this.#draining = true;
    this.#unacknowledged = new Set(this.#links.values());
    let told = false;
    const timer = this.#clock.at((now + this.#config.goAwayTimeoutMs) as Millis, () => finish());
    const finish = () => {
      if (told) return;
      told = true;
      timer.cancel();
      this.#drained = undefined;
      done();
    };
    this.#drained = finish;
    for (const link of this.#unacknowledged) link.drain();
    if (this.#unacknowledged.size === 0) this.#soon(finish);
  }

  /** Closes every link; nothing can be opened any more. */
  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    for (const link of [...this.#links.values()]) link.close("the agent stops");
    for (const record of this.#peers.values()) {
      record.failWaiting({ kind: "closed", detail: "this agent stops" });
      record.forgetTimer?.cancel();
    }
    this.#peers.clear();
    this.#drained?.();
  }

  /** All links, in the order in which they came up. */
  snapshot(): LinkSnapshot[] {
    return [...this.#links.values()].map((link) => link.snapshot());
  }

  /** LinkListener. */

  onOpened(channel: LinkChannel, attempt: number | undefined): void {
    if (this.#stopped || channel.peer === this.#self) {
      channel.destroy();
      return;
    }
    const record = this.#recordOf(channel.peer, undefined);
    if (attempt !== undefined && record.attempt === attempt) record.attempt = undefined;
    const oldest = record.links[0];
    if (record.links.length >= this.#config.linksPerPeerMax && oldest !== undefined) {
      oldest.fail({ kind: "closed", detail: "too many links between the two agents" });
    }
    const link = new Link(channel, this.#config, this.#clock, this);
    this.#links.set(channel, link);
    // A link that failed above may have let go of the record.
    this.#peers.set(channel.peer, record);
    record.links.push(link);
    if (this.#draining) link.drain();
  }

  onDialFailed(attempt: number, peer: NodeId, reason: CloseReason): void {
    const record = this.#peers.get(peer);
    if (record === undefined || record.attempt !== attempt) return;
    record.attempt = undefined;
    this.#report({ kind: "dial_failed", peer, address: record.address, reason });
    if (record.hopeful) return;
    this.#backOff(record, reason);
    record.failWaiting(reason);
  }

  onBatch(channel: LinkChannel, batch: Uint8Array): void {
    this.#links.get(channel)?.receive(batch);
  }

  onDrain(channel: LinkChannel): void {
    this.#links.get(channel)?.mux.onDrain();
  }

  onClosed(channel: LinkChannel, reason: CloseReason): void {
    this.#links.get(channel)?.lost(reason);
  }

  /** LinkOwner. */

  onLinkUp(link: Link): void {
    const record = this.#peers.get(link.peer);
    assert(record !== undefined, "a link that comes up has its record");
    record.onReached();
    this.#report({ kind: "link_up", peer: link.peer, dialer: link.channel.dialer });
    for (const other of [...record.links]) {
      if (other === link || other.state !== "up") continue;
      (this.#stays(other, link) ? link : other).retire();
    }
    const usable = record.usable;
    if (usable !== undefined) record.attachWaiting(usable);
  }

  onLinkUnusable(link: Link): void {
    const record = this.#peers.get(link.peer);
    if (record === undefined || !record.hasWaiting || record.usable !== undefined) return;
    // What waited for this link's hello goes to the next one, if there may be one.
    const refusal = this.#refusal(record);
    if (refusal === undefined) this.#dial(record);
    else record.failWaitingWith(refusal);
  }

  onLinkAcknowledged(link: Link): void {
    if (this.#unacknowledged.delete(link) && this.#unacknowledged.size === 0) this.#drained?.();
  }

  onLinkClosed(link: Link, reason: CloseReason): void {
    this.#links.delete(link.channel);
    const { peer } = link;
    this.#report({ kind: "link_down", peer, dialer: link.channel.dialer, reason });
    this.onLinkAcknowledged(link);
    const record = this.#peers.get(peer);
    if (record === undefined) return;
    const at = record.links.indexOf(link);
    if (at >= 0) record.links.splice(at, 1);
    if (!record.hopeful) {
      if (!link.wasUp && link.channel.dialer) this.#backOff(record, reason);
      record.failWaiting(reason);
    }
    this.#forgetIfIdle(record);
  }

  flushSoon(link: Link): void {
    this.#dirty.push(link);
    this.#wake();
  }

  /** Whether `kept` rather than `other` is the one of two links that both ends keep. */
  #stays(kept: Link, other: Link): boolean {
    if (kept.channel.dialer === other.channel.dialer) return kept.since > other.since;
    return kept.channel.dialer === this.#self < kept.peer;
  }

  #recordOf(peer: NodeId, address: string | undefined): PeerRecord {
    let record = this.#peers.get(peer);
    if (record === undefined) {
      record = new PeerRecord(peer, this.#clock);
      this.#peers.set(peer, record);
    }
    if (address !== undefined) record.moveTo(address);
    return record;
  }

  /** Why work cannot even wait for a link to this peer. */
  #refusal(record: PeerRecord): GrapevineError | undefined {
    if (this.#stopped) return new GrapevineError("draining", "this agent has stopped");
    if (record.isDraining) {
      return new GrapevineError("draining", `${record.peer} is leaving and takes no new work`);
    }
    if (record.hopeful) {
      if (record.waitingCount < this.#config.waitingMax) return undefined;
      return new GrapevineError("overloaded", `too much waits for a link to ${record.peer}`);
    }
    return this.#clock.now() < record.retryAt ? record.unreachable() : undefined;
  }

  #dial(record: PeerRecord): void {
    if (record.hopeful) return;
    record.attempt = this.#nextAttempt;
    this.#nextAttempt += 1;
    this.#transport.dial(record.attempt, record.peer, record.address);
  }

  /** After a failed dial, or a link that never came up: no dial for a while. */
  #backOff(record: PeerRecord, reason: CloseReason): void {
    const { backoffMs, backoffMsMax } = this.#config;
    const pause = Math.min(backoffMsMax, backoffMs * 2 ** Math.min(record.failures, 16));
    record.failures += 1;
    record.lastFailure = reason;
    record.retryAt = this.#clock.now() + pause * (0.5 + this.#random.float() / 2);
    record.forgetTimer?.cancel();
    const forgetAt = (record.retryAt + 2 * backoffMsMax) as Millis;
    record.forgetTimer = this.#clock.at(forgetAt, () => {
      record.failures = 0;
      this.#forgetIfIdle(record);
    });
  }

  #forgetIfIdle(record: PeerRecord): void {
    const waits = this.#clock.now() < record.retryAt && record.failures > 0;
    if (record.hopeful || record.links.length > 0 || record.hasWaiting || waits) return;
    record.forgetTimer?.cancel();
    if (this.#peers.get(record.peer) === record) this.#peers.delete(record.peer);
  }

  #soon(callback: () => void): void {
    this.#later.push(callback);
    this.#wake();
  }

  #wake(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#schedule(() => this.#flush());
  }

  #flush(): void {
    this.#scheduled = false;
    const later = this.#later;
    const dirty = this.#dirty;
    this.#later = [];
    this.#dirty = [];
    for (const callback of later) callback();
    for (const link of dirty) link.flush();
  }
}
