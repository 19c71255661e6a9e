/**
 * Connections to servers, kept open between requests and shared by all callers of one target. The
 * youngest idle connection is used first, so that the others age and close. A server closes idle
 * connections too, and a request that crosses its goodbye on the wire is lost without anybody
 * knowing whether it ran; so an idle connection is used again only for well under the time that
 * servers keep them (5 s in Node, unless Keep-Alive says otherwise).
 */
import type { Socket } from "node:net";
import { GrapevineError } from "../../core/errors.ts";
import type { Exchange, ExchangeObserver, RequestHead } from "../../core/exchange/contract.ts";
import { encodeRequestHead } from "../../core/http/encode.ts";
import { RESPONSE_HEAD_IDLE_MS } from "../../core/limits.ts";
import { LocalEnds } from "./local-ends.ts";
import {
  type ConnectionOwner,
  targetName,
  UpstreamConnection,
  UpstreamExchange,
  type UpstreamTarget,
} from "./upstream-connection.ts";

export type { UpstreamTarget } from "./upstream-connection.ts";

export interface UpstreamOptions {
  /** For a connection to be accepted. Default 5,000. */
  readonly connectTimeoutMs?: number;
  /** Silence before the answer's head. Default RESPONSE_HEAD_IDLE_MS. */
  readonly responseHeadIdleMs?: number;
  /** Idle time after which a connection is not used again. Default 4,000. */
  readonly idleMs?: number;
  /** The most where the server's Keep-Alive grants it. Default 60,000. */
  readonly idleMsMax?: number;
  /** Idle connections kept for one target. Default 128. */
  readonly idlePerTargetMax?: number;
  /** Connections open to one target at once; a request beyond is "overloaded". Default 4,096. */
  readonly connectionsPerTargetMax?: number;
}

export const UPSTREAM_DEFAULTS: Required<UpstreamOptions> = {
  connectTimeoutMs: 5_000,
  responseHeadIdleMs: RESPONSE_HEAD_IDLE_MS,
  idleMs: 4_000,
  idleMsMax: 60_000,
  idlePerTargetMax: 128,
  connectionsPerTargetMax: 4_096,
};

export interface UpstreamSnapshot {
  readonly target: string;
  readonly active: number;
  readonly idle: number;
}

export interface Upstreams {
  /**
   * Sends a request to a target as it is; only framing is added. Errors: upstream_refused (no
   * connection), upstream_reset, upstream_invalid, idle_timeout, overloaded, bad_request (the
   * head cannot be written).
   */
  open(target: UpstreamTarget, request: RequestHead, observer: ExchangeObserver): Exchange;
  /** Closes what is idle there; what is in use is closed when its answer ends. */
  closeTarget(target: UpstreamTarget): void;
  /** Whether a socket that a listener accepted is the other end of one of these connections. */
  owns(accepted: Socket): boolean;
  snapshot(): UpstreamSnapshot[];
  /** Breaks everything that is still in use ("draining") and closes the rest. */
  close(): void;
}

/** A tunnel whose server has ended its side and whose client is silent is closed after this. */
const HALF_OPEN_IDLE_MS = 60_000;
const SWEEP_MS_MAX = 1_000;
const SWEEP_MS_MIN = 10;

export function createUpstreams(options: UpstreamOptions = {}): Upstreams {
  return new UpstreamPools(options);
}

class UpstreamPools implements Upstreams {
  readonly #options: Required<UpstreamOptions>;
  readonly #pools = new Map<string, TargetPool>();
  readonly #ends = new LocalEnds();
  readonly #sweepMs: number;
  #sweeper: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(options: UpstreamOptions) {
    this.#options = { ...UPSTREAM_DEFAULTS, ...options };
    const { connectTimeoutMs, responseHeadIdleMs, idleMs } = this.#options;
    const shortest = Math.min(connectTimeoutMs, responseHeadIdleMs, idleMs);
    this.#sweepMs = Math.max(SWEEP_MS_MIN, Math.min(SWEEP_MS_MAX, shortest / 4));
  }

  open(target: UpstreamTarget, request: RequestHead, observer: ExchangeObserver): Exchange {
    const head = request.kind === "tcp" ? "" : encodeRequestHead(request);
    const exchange = new UpstreamExchange(request, head ?? "", observer);
    if (head === undefined) {
      failSoon(exchange, "bad_request", "the request head cannot be written as HTTP/1.1");
    } else if (this.#closed) {
      failSoon(exchange, "draining", "the agent is stopping");
    } else {
      this.#poolOf(target).start(exchange);
    }
    return exchange;
  }

  closeTarget(target: UpstreamTarget): void {
    this.#pools.get(targetName(target))?.retire();
  }

  owns(accepted: Socket): boolean {
    return this.#ends.has(accepted);
  }

  snapshot(): UpstreamSnapshot[] {
    return [...this.#pools.values()].map((pool) => pool.snapshot());
  }

  close(): void {
    this.#closed = true;
    clearInterval(this.#sweeper);
    this.#sweeper = undefined;
    for (const pool of this.#pools.values()) pool.close();
  }

  #poolOf(target: UpstreamTarget): TargetPool {
    const name = targetName(target);
    let pool = this.#pools.get(name);
    if (pool === undefined) {
      pool = new TargetPool(name, target, this.#options, this.#ends, (empty) =>
        this.#forget(name, empty),
      );
      this.#pools.set(name, pool);
      this.#sweeper ??= setInterval(() => this.#sweep(), this.#sweepMs).unref();
    }
    return pool;
  }

  #forget(name: string, pool: TargetPool): void {
    if (this.#pools.get(name) === pool) this.#pools.delete(name);
    if (this.#pools.size > 0) return;
    clearInterval(this.#sweeper);
    this.#sweeper = undefined;
  }

  #sweep(): void {
    const now = performance.now();
    for (const pool of [...this.#pools.values()]) pool.sweep(now);
  }
}

/** The observer must not be called from inside `open`. */
function failSoon(
  exchange: UpstreamExchange,
  code: "bad_request" | "draining" | "overloaded" | "upstream_refused",
  message: string,
): void {
  process.nextTick(() => exchange.fail(new GrapevineError(code, message, { executed: "no" })));
}

class TargetPool implements ConnectionOwner {
  readonly #name: string;
  readonly #target: UpstreamTarget;
  readonly #options: Required<UpstreamOptions>;
  readonly #ends: LocalEnds;
  readonly #onEmpty: (pool: TargetPool) => void;
  readonly #all = new Set<UpstreamConnection>();
  /** The youngest is last. */
  #idle: UpstreamConnection[] = [];

  constructor(
    name: string,
    target: UpstreamTarget,
    options: Required<UpstreamOptions>,
    ends: LocalEnds,
    onEmpty: (pool: TargetPool) => void,
  ) {
    this.#name = name;
    this.#target = target;
    this.#options = options;
    this.#ends = ends;
    this.#onEmpty = onEmpty;
  }

  start(exchange: UpstreamExchange): void {
    const idle = exchange.request.kind === "tcp" ? undefined : this.#takeIdle();
    if (idle !== undefined) idle.begin(exchange, true);
    else this.#connect(exchange);
  }

  again(exchange: UpstreamExchange): void {
    this.#connect(exchange);
  }

  released(connection: UpstreamConnection): void {
    connection.idleSince = performance.now();
    this.#idle.push(connection);
    if (this.#idle.length > this.#options.idlePerTargetMax) this.#idle.shift()?.socket.destroy();
  }

  closed(connection: UpstreamConnection): void {
    this.#all.delete(connection);
    const at = this.#idle.indexOf(connection);
    if (at >= 0) this.#idle.splice(at, 1);
    // A repeat may be about to connect; the pool is forgotten only when nothing follows.
    process.nextTick(() => {
      if (this.#all.size === 0) this.#onEmpty(this);
    });
  }

  retire(): void {
    for (const connection of this.#all) connection.isRetired = true;
    for (const connection of this.#idle) connection.socket.destroy();
    this.#idle = [];
  }

  close(): void {
    for (const connection of [...this.#all]) {
      connection.break("draining", "the agent is stopping");
    }
    this.#idle = [];
  }

  sweep(now: number): void {
    for (const connection of [...this.#all]) {
      const { exchange } = connection;
      if (!connection.connected) this.#sweepConnecting(connection, now);
      else if (exchange === undefined) {
        if (now - connection.idleSince > this.#reuseMs(connection)) connection.socket.destroy();
      } else if (exchange.isOver) {
        if (now - exchange.progressAt > HALF_OPEN_IDLE_MS) connection.socket.destroy();
      } else if (!exchange.headSeen) {
        this.#sweepSilent(connection, now - exchange.progressAt);
      }
    }
  }

  snapshot(): UpstreamSnapshot {
    const idle = this.#idle.length;
    return { target: this.#name, active: this.#all.size - idle, idle };
  }

  #sweepConnecting(connection: UpstreamConnection, now: number): void {
    const { connectTimeoutMs } = this.#options;
    if (now - connection.openedAt <= connectTimeoutMs) return;
    const message = `${this.#name} did not accept a connection within ${connectTimeoutMs} ms`;
    connection.break("upstream_refused", message);
  }

  #sweepSilent(connection: UpstreamConnection, silentMs: number): void {
    const { responseHeadIdleMs } = this.#options;
    if (silentMs <= responseHeadIdleMs) return;
    const message = `${this.#name} was silent for ${responseHeadIdleMs} ms before its answer`;
    connection.break("idle_timeout", message);
  }

  #takeIdle(): UpstreamConnection | undefined {
    const now = performance.now();
    for (let last = this.#idle.pop(); last !== undefined; last = this.#idle.pop()) {
      const fresh = now - last.idleSince <= this.#reuseMs(last);
      if (fresh && !last.isRetired && !last.socket.destroyed && last.socket.writable) return last;
      last.socket.destroy();
    }
    return undefined;
  }

  #reuseMs(connection: UpstreamConnection): number {
    const { keepAliveMs } = connection;
    const { idleMs, idleMsMax } = this.#options;
    if (keepAliveMs === undefined) return idleMs;
    // Half, or a second less, of what the server grants: its clock and ours start apart.
    return Math.min(idleMsMax, Math.max(keepAliveMs / 2, keepAliveMs - 1_000));
  }

  #connect(exchange: UpstreamExchange): void {
    const { connectionsPerTargetMax } = this.#options;
    if (this.#all.size >= connectionsPerTargetMax) {
      const message = `${connectionsPerTargetMax} connections to ${this.#name} are in use`;
      failSoon(exchange, "overloaded", message);
      return;
    }
    let connection: UpstreamConnection;
    try {
      connection = new UpstreamConnection(this.#target, this);
    } catch (error) {
      // Node refuses ports and paths that cannot be; the registration that gave them is at fault.
      failSoon(exchange, "upstream_refused", `cannot connect to ${this.#name}: ${String(error)}`);
      return;
    }
    this.#all.add(connection);
    this.#ends.add(connection.socket);
    connection.begin(exchange, false);
  }
}
