/**
 * Listeners that applications dial: the HTTP proxy, a port forwarded to one HTTP service, and a
 * port forwarded to a service that speaks plain TCP. A listener owns its connections: it bounds
 * their number, sweeps their deadlines with one timer for all, and lets them finish when it drains.
 */
import net from "node:net";
import { GrapevineError } from "../../core/errors.ts";
import type { Front } from "../../core/exchange/front.ts";
import type { ListenerMode } from "../../core/http/destination.ts";
import type { ServiceKey, ServiceProtocol } from "../../core/types.ts";
import { resetSocket } from "../reset-socket.ts";
import { encodeFailure } from "./answer.ts";
import { ClientConnection } from "./client-connection.ts";
import {
  type ConnectionContext,
  type ConnectionLimits,
  clientName,
  type ListenedConnection,
} from "./connection-context.ts";
import { TcpConnection } from "./tcp-connection.ts";

export type { ListenerMode } from "../../core/http/destination.ts";

export type ListenerEvent =
  | {
      readonly kind: "client_fault";
      readonly listener: string;
      readonly remote: string;
      readonly code: string;
      readonly message: string;
    }
  | { readonly kind: "over_capacity"; readonly listener: string; readonly remote: string }
  | { readonly kind: "loop"; readonly listener: string; readonly remote: string }
  | { readonly kind: "listener_failed"; readonly listener: string; readonly message: string };

export interface ListenerLimits extends ConnectionLimits {
  /** Connections open at once; one more gets a 503 (HTTP) or a reset (TCP). */
  readonly connectionsMax: number;
}

export const LISTENER_LIMITS: ListenerLimits = {
  headTimeoutMs: 10_000,
  idleTimeoutMs: 75_000,
  halfCloseGraceMs: 1_000,
  connectionsMax: 10_000,
};

interface CommonOptions {
  readonly host: string;
  /** 0 picks a free one. */
  readonly port: number;
  readonly front: Front;
  /** For records: "proxy", "forward:127.0.0.1:9000". */
  readonly name: string;
  /** headTimeoutMs 10,000; idleTimeoutMs 75,000; halfCloseGraceMs 1,000; connectionsMax 10,000. */
  readonly limits?: Partial<ListenerLimits>;
  readonly report: (event: ListenerEvent) => void;
  /** Whether this process itself has opened the connection: then it goes in a circle. */
  readonly isOwn?: (socket: net.Socket) => boolean;
}

export interface HttpListenerOptions extends CommonOptions {
  readonly mode: ListenerMode;
  /**
   * What a service speaks, for CONNECT: inside a connection to an "http" service the requests are
   * routed one by one, anything else is passed on as bytes. Default: not known, so bytes.
   */
  readonly protocolOf?: (service: ServiceKey) => ServiceProtocol | undefined;
}

export interface TcpListenerOptions extends CommonOptions {
  readonly service: ServiceKey;
  readonly instance?: string | undefined;
  readonly servicePort: number;
}

export interface Listener {
  /** HOST:PORT with the real port. */
  readonly address: string;
  readonly port: number;
  connections(): number;
  /** Goes on, but says "Connection: close": clients should have no connection left at drain(). */
  retire(): void;
  /** Takes no new connections, closes idle ones, and resolves when the last answer is out. */
  drain(): Promise<void>;
  /** Breaks what is still open. */
  close(): Promise<void>;
}

const SWEEP_MS_MAX = 1_000;
const SWEEP_MS_MIN = 10;

/** Rejects with address_in_use or invalid_argument if it cannot listen there. */
export function createHttpListener(options: HttpListenerOptions): Promise<Listener> {
  const server = new ListenerServer(options, (socket, listener) => {
    return new ClientConnection(socket, listener.context(options));
  });
  return server.listen(options.host, options.port);
}

/** Each connection is one "tcp" exchange. Rejects like createHttpListener. */
export function createTcpListener(options: TcpListenerOptions): Promise<Listener> {
  const { front, name, service, instance, servicePort } = options;
  const destination = { kind: "mesh", service, instance, port: servicePort } as const;
  const server = new ListenerServer(options, (socket, listener) => {
    return new TcpConnection(socket, { front, name, destination }, (connection) =>
      listener.forget(connection),
    );
  });
  return server.listen(options.host, options.port);
}

class ListenerServer implements Listener {
  readonly #options: CommonOptions;
  readonly #limits: ListenerLimits;
  readonly #create: (socket: net.Socket, listener: ListenerServer) => ListenedConnection;
  readonly #server: net.Server;
  readonly #open = new Set<ListenedConnection>();
  #context: ConnectionContext | undefined;
  #sweeper: NodeJS.Timeout | undefined;
  #isDraining = false;
  #isRetiring = false;
  #onEmpty: (() => void)[] = [];
  address = "";
  port = 0;

  constructor(
    options: CommonOptions,
    create: (socket: net.Socket, listener: ListenerServer) => ListenedConnection,
  ) {
    this.#options = options;
    this.#limits = { ...LISTENER_LIMITS, ...options.limits };
    this.#create = create;
    const settings = { allowHalfOpen: true, noDelay: true, keepAlive: true };
    this.#server = net.createServer({ ...settings, keepAliveInitialDelay: 30_000 }, (socket) =>
      this.#accept(socket),
    );
  }

  async listen(host: string, port: number): Promise<Listener> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once("error", (error: NodeJS.ErrnoException) => {
        const code = error.code === "EADDRINUSE" ? "address_in_use" : "invalid_argument";
        const message = `cannot listen on ${host}:${port}: ${error.message}`;
        reject(new GrapevineError(code, message, { cause: error }));
      });
      this.#server.listen({ host, port }, resolve);
    });
    this.#server.removeAllListeners("error");
    // For example no file descriptors left: the connection is lost, the listener goes on.
    this.#server.on("error", (error) => this.#report("listener_failed", error.message));
    const bound = this.#server.address() as net.AddressInfo;
    this.port = bound.port;
    this.address = host.includes(":") ? `[${host}]:${bound.port}` : `${host}:${bound.port}`;
    return this;
  }

  connections(): number {
    return this.#open.size;
  }

  retire(): void {
    this.#isRetiring = true;
  }

  async drain(): Promise<void> {
    this.#isDraining = true;
    this.#server.close();
    for (const connection of [...this.#open]) connection.drain();
    await this.#whenEmpty();
  }

  async close(): Promise<void> {
    this.#isDraining = true;
    this.#server.close();
    for (const connection of [...this.#open]) connection.destroy();
    await this.#whenEmpty();
  }

  /** What HTTP connections share; made once. */
  context(options: HttpListenerOptions): ConnectionContext {
    const isDraining = () => this.#isDraining;
    const isRetiring = () => this.#isRetiring || this.#isDraining;
    this.#context ??= {
      mode: options.mode,
      front: options.front,
      name: options.name,
      limits: this.#limits,
      get isDraining() {
        return isDraining();
      },
      get isRetiring() {
        return isRetiring();
      },
      protocolOf: options.protocolOf ?? (() => undefined),
      isOwnAddress: (host, port) => port === this.port && this.#isOwnHost(host),
      onClientFault: (remote, code, message) => {
        const { name: listener } = options;
        options.report({ kind: "client_fault", listener, remote, code, message });
      },
      onClosed: (connection) => this.forget(connection),
    };
    return this.#context;
  }

  forget(connection: ListenedConnection): void {
    this.#open.delete(connection);
    if (this.#open.size > 0) return;
    clearInterval(this.#sweeper);
    this.#sweeper = undefined;
    for (const resolve of this.#onEmpty.splice(0)) resolve();
  }

  #accept(socket: net.Socket): void {
    const { name, isOwn } = this.#options;
    if (isOwn?.(socket) === true) {
      const message = `${name} was dialled by its own agent, where a service is registered or a name leads`;
      this.#turnAway(socket, "loop", new GrapevineError("loop_detected", message));
      return;
    }
    if (this.#open.size >= this.#limits.connectionsMax) {
      const message = `${name} has ${this.#limits.connectionsMax} connections, its limit`;
      this.#turnAway(socket, "over_capacity", new GrapevineError("overloaded", message));
      return;
    }
    const connection = this.#create(socket, this);
    this.#open.add(connection);
    this.#sweeper ??= setInterval(() => this.#sweep(), this.#sweepMs()).unref();
  }

  #turnAway(socket: net.Socket, kind: "over_capacity" | "loop", error: GrapevineError): void {
    const { name, report } = this.#options;
    report({ kind, listener: name, remote: clientName(socket) });
    socket.on("error", () => {});
    if (!("mode" in this.#options)) {
      resetSocket(socket);
      return;
    }
    // Reading on until the client has the answer: an unread request would turn it into a reset.
    socket.resume();
    socket.end(encodeFailure(error, undefined, undefined, false));
    setTimeout(() => socket.destroy(), SWEEP_MS_MAX).unref();
  }

  #isOwnHost(host: string): boolean {
    const own = this.#options.host;
    return host === own || host === "localhost" || host === "127.0.0.1" || host === "::1";
  }

  #sweepMs(): number {
    const { headTimeoutMs, idleTimeoutMs, halfCloseGraceMs } = this.#limits;
    const shortest = Math.min(headTimeoutMs, idleTimeoutMs, halfCloseGraceMs);
    return Math.max(SWEEP_MS_MIN, Math.min(SWEEP_MS_MAX, shortest / 4));
  }

  #sweep(): void {
    const now = performance.now();
    for (const connection of [...this.#open]) connection.onSweep(now);
  }

  #report(kind: "listener_failed", message: string): void {
    this.#options.report({ kind, listener: this.#options.name, message });
  }

  async #whenEmpty(): Promise<void> {
    if (this.#open.size === 0) return;
    await new Promise<void>((resolve) => {
      this.#onEmpty.push(resolve);
    });
  }
}
