/**
 * The local API: HTTP/1.1 with JSON and two WebSockets over the agent's Unix socket, for the
 * command line and for programs in any language (docs/api.md). Whoever can open the socket
 * administers the agent, so access is the file's mode alone. Every answer is JSON; every error a
 * problem document.
 */

import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { createServer, STATUS_CODES } from "node:http";
import type { Duplex } from "node:stream";
import type { Logger } from "pino";
import { GrapevineError } from "../../core/errors.ts";
import { ACTORS_PATH, type ActorSessions } from "../actors/sessions.ts";
import { readJson } from "./json-body.ts";
import type { LocalNode } from "./node.ts";
import { ApiError, problemDocument } from "./problem.ts";
import { Query } from "./query.ts";
import type { Reply } from "./route.ts";
import { matchRoute } from "./routes.ts";
import type { SocketFile } from "./socket-file.ts";
import { listenOnSocketFile } from "./socket-file.ts";
import { Streams } from "./streams.ts";

const CONNECTIONS_MAX = 1_024;
const HEAD_BYTES_MAX = 16 * 1024;
/** From the first byte of a request to the last of its body. */
const REQUEST_TIMEOUT_MS = 30_000;
/** For answers that are on their way when the API stops. */
const CLOSE_TIMEOUT_MS = 2_000;

export interface LocalApiOptions {
  readonly socketPath: string;
  /** Group that may open the socket too; then its mode is 0660 instead of 0600. */
  readonly socketGroup?: string | undefined;
  readonly node: LocalNode;
  readonly log: Logger;
  /** Serves programs that call and host actors; without it they are refused. */
  readonly actors?: ActorSessions;
  /** What waits for a slow consumer of events or logs before it loses some. Default 1 MiB. */
  readonly bufferedBytesMax?: number | undefined;
}

export interface LocalApi {
  /** Throws `socket_in_use`, `invalid_argument`, `forbidden` or the system's own error. */
  start(): Promise<void>;
  /** Takes no more connections, lets running answers finish for 2 s, removes the socket. */
  close(): Promise<void>;
}

export function createLocalApi(options: LocalApiOptions): LocalApi {
  return new LocalApiServer(options);
}

class LocalApiServer implements LocalApi {
  readonly #options: LocalApiOptions;
  readonly #server: Server;
  readonly #streams: Streams;
  #file: SocketFile | undefined;
  /** Answers that are under way; `close` waits for them. */
  #running = 0;
  #onIdle: (() => void) | undefined;

  constructor(options: LocalApiOptions) {
    this.#options = options;
    this.#streams = new Streams(options.node, options.bufferedBytesMax);
    this.#server = createServer({
      maxHeaderSize: HEAD_BYTES_MAX,
      requestTimeout: REQUEST_TIMEOUT_MS,
      // The name in Host means nothing on a Unix socket.
      requireHostHeader: false,
      // Others, such as h2c, are offers that a server may pass over.
      shouldUpgradeCallback: ({ headers }) => headers.upgrade?.toLowerCase() === "websocket",
    });
    this.#server.maxConnections = CONNECTIONS_MAX;
    this.#server.on("request", (request, response) => void this.#onRequest(request, response));
    this.#server.on("upgrade", (request, socket, head) => this.#onUpgrade(request, socket, head));
    this.#server.on("clientError", (error, socket) => onClientError(error, socket));
  }

  async start(): Promise<void> {
    const { socketPath: path, socketGroup: group } = this.#options;
    this.#file = await listenOnSocketFile(this.#server, { path, group });
    this.#server.on("error", (error) => this.#options.log.error({ err: error }, "local API"));
  }

  async close(): Promise<void> {
    await this.#file?.remove();
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    await Promise.all([this.#streams.close(), this.#options.actors?.close()]);
    this.#server.closeIdleConnections();
    if (this.#running > 0) {
      const idle = new Promise<void>((resolve) => {
        this.#onIdle = resolve;
      });
      const timeout = Promise.withResolvers<void>();
      const timer = setTimeout(timeout.resolve, CLOSE_TIMEOUT_MS);
      await Promise.race([idle, timeout.promise]);
      clearTimeout(timer);
    }
    this.#server.closeAllConnections();
    await closed;
  }

  async #onRequest(request: IncomingMessage, response: ServerResponse): Promise<void> {
    this.#running += 1;
    response.once("close", () => {
      this.#running -= 1;
      if (this.#running === 0) this.#onIdle?.();
    });
    response.on("error", () => undefined);
    try {
      write(request, response, await this.#answer(request));
    } catch (error) {
      if (response.headersSent || response.destroyed) return void response.destroy();
      const document = this.#problemOf(error, request);
      const headers = error instanceof ApiError ? error.options.headers : undefined;
      write(request, response, { status: document.status, body: document }, headers);
    }
  }

  async #answer(request: IncomingMessage): Promise<Reply> {
    const url = parseUrl(request.url);
    if (Streams.serves(url.pathname)) {
      throw new ApiError("usage", `${url.pathname} is a WebSocket`, {
        status: 426,
        headers: { upgrade: "websocket", connection: "upgrade" },
      });
    }
    const { route, params } = matchRoute(request.method ?? "", url.pathname);
    const query = new Query(url.searchParams, route.query);
    const body = route.method === "GET" ? undefined : await readJson(request);
    const { node } = this.#options;
    return await route.handle({ node, params, query, body });
  }

  #onUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on("error", () => socket.destroy());
    try {
      const url = parseUrl(request.url);
      const { actors } = this.#options;
      if (url.pathname === ACTORS_PATH && actors !== undefined) {
        actors.accept(request, socket, head);
        return;
      }
      if (!Streams.serves(url.pathname)) {
        throw new ApiError("not_found", `${url.pathname} is not a WebSocket`, {
          remedy: "the WebSockets are /v1/actors, /v1/events and /v1/logs",
        });
      }
      this.#streams.accept(request, socket, head, url);
    } catch (error) {
      refuse(socket, this.#problemOf(error, request));
    }
  }

  #problemOf(error: unknown, request: IncomingMessage) {
    const document = problemDocument(error);
    const { log } = this.#options;
    const where = { method: request.method, path: request.url };
    if (!(error instanceof GrapevineError)) log.error({ err: error, ...where }, "request failed");
    else log.debug({ ...where, code: document.code }, document.detail);
    return document;
  }
}

function parseUrl(target = ""): URL {
  const url = target.startsWith("/") ? URL.parse(`http://agent${target}`) : URL.parse(target);
  if (url === null) throw new ApiError("invalid_argument", "the request target is not a URL");
  return url;
}

function write(
  request: IncomingMessage,
  response: ServerResponse,
  { status, body }: Reply,
  headers: Readonly<Record<string, string>> = {},
): void {
  const text = `${JSON.stringify(body)}\n`;
  const type = status < 400 ? "application/json" : "application/problem+json";
  // A body that was not read would be taken for the next request.
  if (!request.complete) request.resume();
  response.writeHead(status, {
    "content-type": type,
    "content-length": Buffer.byteLength(text),
    "cache-control": "no-store",
    ...headers,
  });
  response.end(request.method === "HEAD" ? undefined : text);
}

/** Answers on a connection that node:http has given up, then closes it. */
function refuse(socket: Duplex, document: ReturnType<typeof problemDocument>): void {
  const text = `${JSON.stringify(document)}\n`;
  const head = [
    `HTTP/1.1 ${document.status} ${STATUS_CODES[document.status] ?? "Failed"}`,
    "content-type: application/problem+json",
    `content-length: ${Buffer.byteLength(text)}`,
    "connection: close",
  ];
  socket.end(`${head.join("\r\n")}\r\n\r\n${text}`);
}

function onClientError(error: NodeJS.ErrnoException, socket: Duplex): void {
  socket.on("error", () => socket.destroy());
  if (error.code === "ECONNRESET" || !socket.writable) return void socket.destroy();
  const status =
    error.code === "HPE_HEADER_OVERFLOW"
      ? 431
      : error.code === "ERR_HTTP_REQUEST_TIMEOUT"
        ? 408
        : 400;
  const detail = status === 408 ? "the request did not arrive in time" : "this is not HTTP/1.1";
  const message = status === 431 ? `the head is larger than ${HEAD_BYTES_MAX} bytes` : detail;
  refuse(socket, problemDocument(new ApiError("invalid_argument", message, { status })));
}
