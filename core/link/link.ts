/**
 * The life of one link around its multiplexer: the hello in time, signs of life, idleness, age and
 * the expiry of the peer's certificate, all on one timer. A link that retires takes no new streams
 * and closes with its last one; a link that stalls, breaks off or is told to fail ends at once.
 */
import type { Clock, CloseReason, LinkChannel, Timer } from "../seams.ts";
import type { Millis, NodeId } from "../types.ts";
import type { LinkConfig } from "./config.ts";
import { type Agreed, GO_AWAY_DRAIN, GO_AWAY_RETIRE } from "./frames.ts";
import { Mux } from "./mux.ts";
import type { Accept, MuxOwner, OnCall } from "./mux-owner.ts";

/**
 * "greeting": open, the peer's hello is awaited. "up": in use. "retiring": another link takes the
 * new streams. "draining": the peer is about to leave and refuses them. "closed": over.
 */
export type LinkState = "greeting" | "up" | "retiring" | "draining" | "closed";

export interface LinkOwner {
  onLinkUp(link: Link): void;
  /** It takes no new streams any more. */
  onLinkUnusable(link: Link): void;
  onLinkAcknowledged(link: Link): void;
  /** Over; all work on it has been told. */
  onLinkClosed(link: Link, reason: CloseReason): void;
  flushSoon(link: Link): void;
  accept: Accept;
  onCall: OnCall | undefined;
}

/** One link as the API and the tests see it. */
export interface LinkSnapshot {
  readonly peer: NodeId;
  /** True if this side dialled. */
  readonly dialer: boolean;
  readonly state: LinkState;
  /** When the handshake was done, on this node's clock. */
  readonly since: Millis;
  readonly streams: number;
  readonly calls: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** Undefined until a ping has been answered. */
  readonly rttMs: number | undefined;
  /** The protocol version and features that both ends have; undefined before the peer's hello. */
  readonly agreed: Agreed | undefined;
}

export class Link implements MuxOwner {
  readonly peer: NodeId;
  readonly channel: LinkChannel;
  readonly mux: Mux;
  readonly since: Millis;
  readonly accept: Accept;
  readonly onCall: OnCall | undefined;
  readonly #config: LinkConfig;
  readonly #clock: Clock;
  readonly #owner: LinkOwner;
  #state: LinkState = "greeting";
  #timer: Timer | undefined;
  #wasUp = false;
  #heardAt: Millis;
  #pingSentAt: Millis | undefined;
  /** The moment of the last ping whose pong is still awaited. */
  #askedAt: Millis | undefined;
  #pingToken = 0;
  #rttMs: number | undefined;
  #idleSince: Millis;
  #idleSerial = -1;
  /** The peer has confirmed this side's goAway: nothing new can come. */
  #acknowledged = false;

  constructor(channel: LinkChannel, config: LinkConfig, clock: Clock, owner: LinkOwner) {
    this.peer = channel.peer;
    this.channel = channel;
    this.#config = config;
    this.#clock = clock;
    this.#owner = owner;
    this.accept = owner.accept;
    this.onCall = owner.onCall;
    this.since = clock.now();
    this.#heardAt = this.since;
    this.#idleSince = this.since;
    this.mux = new Mux(channel, config, clock, this);
    this.#arm(this.since);
  }

  get state(): LinkState {
    return this.#state;
  }

  /** The peer's hello came. */
  get wasUp(): boolean {
    return this.#wasUp;
  }

  receive(batch: Uint8Array): void {
    this.#heardAt = this.#clock.now();
    this.#pingSentAt = undefined;
    this.mux.receive(batch);
    this.#closeIfDone();
  }

  /** Leaves new streams to another link and closes with the last one. */
  retire(): void {
    if (this.#state !== "up") return;
    this.#state = "retiring";
    this.mux.goAway(GO_AWAY_RETIRE);
    this.#owner.onLinkUnusable(this);
  }

  /** Tells the peer that this agent leaves: its new work is refused from now on. */
  drain(): void {
    if (this.#state !== "closed") this.mux.goAway(GO_AWAY_DRAIN);
  }

  /** Says goodbye and closes. */
  close(detail: string): void {
    if (this.#state === "closed") return;
    const reason: CloseReason = { kind: "closed", detail };
    this.#end();
    this.mux.close(reason);
    this.channel.close();
    this.#owner.onLinkClosed(this, reason);
  }

  /** Drops the link without a word: it is broken, or the peer is dead. */
  fail(reason: CloseReason): void {
    if (this.#state === "closed") return;
    this.channel.destroy();
    this.lost(reason);
  }

  /** The channel is gone already. */
  lost(reason: CloseReason): void {
    if (this.#state === "closed") return;
    this.#end();
    this.mux.fail(reason);
    this.#owner.onLinkClosed(this, reason);
  }

  /** Sends what was queued in this turn. */
  flush(): void {
    this.mux.flush();
    this.#closeIfDone();
  }

  snapshot(): LinkSnapshot {
    return {
      peer: this.peer,
      dialer: this.channel.dialer,
      state: this.#state,
      since: this.since,
      streams: this.mux.streamCount,
      calls: this.mux.callCount,
      bytesIn: this.mux.bytesIn,
      bytesOut: this.mux.bytesOut,
      rttMs: this.#rttMs,
      agreed: this.mux.agreed,
    };
  }

  /** MuxOwner. */

  onDirty(): void {
    this.#owner.flushSoon(this);
  }

  onReady(): void {
    if (this.#state !== "greeting") return;
    this.#state = "up";
    this.#wasUp = true;
    this.#owner.onLinkUp(this);
  }

  onGoAway(_mux: Mux, draining: boolean): void {
    if (this.#state === "closed" || this.#state === "draining") return;
    if (draining) this.#state = "draining";
    else if (this.#state === "up") this.retire();
    this.#owner.onLinkUnusable(this);
  }

  onGoAwayAcknowledged(): void {
    this.#acknowledged = true;
    this.#owner.onLinkAcknowledged(this);
  }

  onPong(_mux: Mux, token: number): void {
    if (token === this.#pingToken && this.#askedAt !== undefined) {
      this.#rttMs = this.#clock.now() - this.#askedAt;
      this.#askedAt = undefined;
    }
  }

  onGoodbye(_mux: Mux, reason: CloseReason): void {
    if (this.#state === "closed") return;
    this.#end();
    this.mux.fail(reason);
    this.channel.close();
    this.#owner.onLinkClosed(this, reason);
  }

  onViolation(_mux: Mux, rule: string): void {
    this.close(`protocol violation: ${rule}`);
  }

  #closeIfDone(): void {
    if (this.#state === "retiring" && this.#acknowledged && this.mux.isIdle) {
      this.close("another link took over");
    }
  }

  #end(): void {
    this.#state = "closed";
    this.#timer?.cancel();
  }

  #arm(now: Millis): void {
    const { pingIntervalMs, pingTimeoutMs, helloTimeoutMs } = this.#config;
    const lifeAt =
      this.#pingSentAt === undefined
        ? this.#heardAt + pingIntervalMs
        : this.#pingSentAt + pingTimeoutMs;
    let at = Math.min(lifeAt, now + pingIntervalMs);
    if (this.#state === "greeting") at = Math.min(at, this.since + helloTimeoutMs);
    at = Math.min(at, now + Math.max(0, this.channel.expiresWallMs - this.#clock.wall()));
    this.#timer = this.#clock.at(at as Millis, () => this.#check());
  }

  #check(): void {
    const now = this.#clock.now();
    const verdict = this.#verdict(now);
    if (verdict !== undefined) {
      if (verdict.kind === "closed") {
        this.close(verdict.detail);
      } else this.fail(verdict);
      return;
    }
    const aged = now - this.since >= this.#config.ageMaxMs || this.mux.isSpent;
    if (this.#state === "up" && aged && this.channel.dialer) this.retire();
    this.#closeIfDone();
    if (this.#state === "closed") return;
    // Compared as in #arm: a difference may round below the interval that its deadline was made of.
    if (this.#pingSentAt === undefined && now >= this.#heardAt + this.#config.pingIntervalMs) {
      this.#pingToken = (this.#pingToken + 1) >>> 0;
      this.#pingSentAt = now;
      this.#askedAt = now;
      this.mux.ping(this.#pingToken);
    } else this.mux.trim();
    this.#arm(now);
  }

  /** Why the link must end now, if it must. */
  #verdict(now: Millis): CloseReason | undefined {
    const config = this.#config;
    if (this.#clock.wall() >= this.channel.expiresWallMs) {
      return { kind: "closed", detail: "the peer's certificate has expired" };
    }
    if (this.#state === "greeting" && now >= this.since + config.helloTimeoutMs) {
      return { kind: "timeout", detail: `no hello within ${config.helloTimeoutMs} ms` };
    }
    if (this.#pingSentAt !== undefined && now >= this.#pingSentAt + config.pingTimeoutMs) {
      return { kind: "timeout", detail: `no sign of life ${config.pingTimeoutMs} ms after a ping` };
    }
    const { blockedAt } = this.mux;
    if (blockedAt !== undefined && now - blockedAt >= config.writeTimeoutMs) {
      return { kind: "timeout", detail: `the peer reads nothing for ${config.writeTimeoutMs} ms` };
    }
    if (!this.mux.isIdle || this.mux.workSerial !== this.#idleSerial) {
      this.#idleSerial = this.mux.workSerial;
      this.#idleSince = now;
    } else if (now - this.#idleSince >= config.idleTimeoutMs) {
      return { kind: "closed", detail: "the link was idle" };
    }
    return undefined;
  }
}
