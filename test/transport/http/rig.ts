/**
 * Real sockets from end to end: a listener, a front that sends mesh services to the targets that a
 * test names and everything else outside, the upstream pools, and raw clients that say what they got.
 */
import http from "node:http";
import net from "node:net";
import { GrapevineError } from "../../../core/errors.ts";
import type { Exchange, ExchangeObserver } from "../../../core/exchange/contract.ts";
import type { Front, FrontRequest } from "../../../core/exchange/front.ts";
import type { ServiceKey, ServiceProtocol } from "../../../core/types.ts";
import {
  createHttpListener,
  createTcpListener,
  type HttpListenerOptions,
  type Listener,
  type ListenerEvent,
} from "../../../transport/http/listener.ts";
import {
  createUpstreams,
  type UpstreamOptions,
  type Upstreams,
  type UpstreamTarget,
} from "../../../transport/http/upstream.ts";

export class Rig implements Front {
  readonly targets = new Map<string, UpstreamTarget>();
  readonly protocols = new Map<string, ServiceProtocol>();
  readonly seen: FrontRequest[] = [];
  readonly canceled: GrapevineError[] = [];
  readonly events: ListenerEvent[] = [];
  readonly upstreams: Upstreams;
  readonly #cleanups: (() => Promise<void> | void)[] = [];
  #requests = 0;

  constructor(options: UpstreamOptions = {}) {
    this.upstreams = createUpstreams(options);
    this.#cleanups.push(() => this.upstreams.close());
  }

  open(request: FrontRequest, observer: ExchangeObserver) {
    this.seen.push(request);
    this.#requests += 1;
    const { destination } = request;
    const target =
      destination.kind === "mesh" ? this.targets.get(destination.service) : destination;
    const exchange =
      target === undefined
        ? refused(observer)
        : this.upstreams.open(target, request.head, observer);
    return { exchange: this.#watch(exchange), requestId: `r-${this.#requests}` };
  }

  #watch(exchange: Exchange): Exchange {
    return {
      writeBody: (chunk) => exchange.writeBody(chunk),
      endBody: (trailers) => exchange.endBody(trailers),
      pause: () => exchange.pause(),
      resume: () => exchange.resume(),
      cancel: (reason) => {
        this.canceled.push(reason);
        exchange.cancel(reason);
      },
    };
  }

  async listen(options: Partial<HttpListenerOptions> = {}): Promise<Listener> {
    const listener = await createHttpListener({
      host: "127.0.0.1",
      port: 0,
      mode: { kind: "proxy" },
      front: this,
      name: "proxy",
      protocolOf: (service) => this.protocols.get(service),
      report: (event) => this.events.push(event),
      isOwn: (socket) => this.upstreams.owns(socket),
      ...options,
    });
    this.#cleanups.push(() => listener.close());
    return listener;
  }

  async forward(service: string): Promise<Listener> {
    const listener = await createTcpListener({
      host: "127.0.0.1",
      port: 0,
      service: service as ServiceKey,
      servicePort: 5432,
      front: this,
      name: "forward",
      report: (event) => this.events.push(event),
      isOwn: (socket) => this.upstreams.owns(socket),
    });
    this.#cleanups.push(() => listener.close());
    return listener;
  }

  /** A node:http server as the service "default/NAME". */
  async serve(name: string, handler: http.RequestListener): Promise<http.Server> {
    const server = http.createServer(handler);
    await this.#start(name, server, "http");
    this.#cleanups.push(() => server.closeAllConnections());
    return server;
  }

  /** A raw server as the service "default/NAME". */
  async serveRaw(
    name: string,
    onSocket: (socket: net.Socket) => void,
    protocol: ServiceProtocol = "http",
  ): Promise<net.Server> {
    const sockets = new Set<net.Socket>();
    const server = net.createServer({ allowHalfOpen: true }, (socket) => {
      sockets.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => sockets.delete(socket));
      onSocket(socket);
    });
    await this.#start(name, server, protocol);
    this.#cleanups.push(() => {
      for (const socket of sockets) socket.destroy();
    });
    return server;
  }

  async #start(name: string, server: net.Server, protocol: ServiceProtocol): Promise<void> {
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    this.targets.set(`default/${name}`, { host: "127.0.0.1", port: portOf(server) });
    this.protocols.set(`default/${name}`, protocol);
    this.#cleanups.push(() => {
      server.close();
    });
  }

  async close(): Promise<void> {
    for (const cleanup of this.#cleanups.reverse()) await cleanup();
  }
}

function refused(observer: ExchangeObserver): Exchange {
  let isOver = false;
  process.nextTick(() => {
    if (!isOver) observer.onError(new GrapevineError("unknown_service", "no such service"));
  });
  return {
    writeBody: () => true,
    endBody: () => {},
    cancel: () => {
      isOver = true;
    },
    pause: () => {},
    resume: () => {},
  };
}

export function portOf(server: net.Server): number {
  return (server.address() as net.AddressInfo).port;
}

/** A client that writes bytes and keeps everything that comes back. */
export class RawClient {
  readonly socket: net.Socket;
  received = "";
  hasEnded = false;
  isClosed = false;
  error: NodeJS.ErrnoException | undefined;
  #waiters: (() => void)[] = [];

  constructor(port: number) {
    this.socket = net.connect({ port, host: "127.0.0.1", allowHalfOpen: true });
    this.socket.setEncoding("latin1");
    this.socket.on("data", (text) => {
      this.received += text;
      this.#wake();
    });
    this.socket.on("end", () => {
      this.hasEnded = true;
      this.#wake();
    });
    this.socket.on("error", (error) => {
      this.error = error;
    });
    this.socket.on("close", () => {
      this.isClosed = true;
      this.#wake();
    });
  }

  send(text: string): this {
    this.socket.write(text, "latin1");
    return this;
  }

  async until(condition: (client: this) => boolean): Promise<string> {
    while (!condition(this)) {
      if (this.isClosed)
        throw new Error(`closed before that; got ${JSON.stringify(this.received)}`);
      await new Promise<void>((resolve) => this.#waiters.push(resolve));
    }
    return this.received;
  }

  untilText(text: string): Promise<string> {
    return this.until((client) => client.received.includes(text));
  }

  /** Everything until the other side ends or breaks the connection. */
  untilEnd(): Promise<string> {
    return this.until((client) => client.hasEnded || client.isClosed);
  }

  #wake(): void {
    for (const waiter of this.#waiters.splice(0)) waiter();
  }
}

export async function eventually(condition: () => boolean, withinMs = 3_000): Promise<void> {
  const end = performance.now() + withinMs;
  while (!condition()) {
    if (performance.now() > end) throw new Error("it did not happen in time");
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
