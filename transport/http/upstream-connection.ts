/**
 * One connection to a server and the exchange that has it at the moment. It frames the request,
 * reads the answer, and decides when either breaks off what is known about the request: it surely
 * did not run if nothing of it left this process, and otherwise it may have. Only what surely did
 * not run, on a connection that had been idle, is sent again on a new one.
 */
import net from "node:net";
import { GrapevineError, type RequestErrorCode } from "../../core/errors.ts";
import type {
  Exchange,
  ExchangeObserver,
  RawHeaders,
  RequestHead,
  ResponseHead,
} from "../../core/exchange/contract.ts";
import { chunkStart, chunksEnd } from "../../core/http/encode.ts";
import { ResponseReader, type ResponseSink } from "../../core/http/response-reader.ts";
import { NO_FIELDS } from "../../core/http/syntax.ts";
import { REPEATABLE_BODY_BYTES_MAX } from "../../core/limits.ts";
import { resetSocket } from "../reset-socket.ts";
import { Outlet } from "./outlet.ts";

export type UpstreamTarget =
  | { readonly host: string; readonly port: number }
  | { readonly unix: string };

/** Says where a connection goes, for people and as a key. */
export function targetName(target: UpstreamTarget): string {
  if ("unix" in target) return `unix:${target.unix}`;
  return target.host.includes(":")
    ? `[${target.host}]:${target.port}`
    : `${target.host}:${target.port}`;
}

/** What a connection asks of the pool that it belongs to. */
export interface ConnectionOwner {
  /** The answer is complete and the connection can take another request. */
  released(connection: UpstreamConnection): void;
  closed(connection: UpstreamConnection): void;
  /** Sends the exchange's request again on a connection that is not one of the idle. */
  again(exchange: UpstreamExchange): void;
}

/** What one write to an idle connection's empty send buffer takes whole or not at all. */
const ONE_WRITE_BYTES_MAX = 16 * 1024;
/** Held for a server that has ended its side of a tunnel and does not read the other any more. */
const HALF_OPEN_BYTES_MAX = 1024 * 1024;
const KEEP_ALIVE_PROBE_MS = 30_000;

const TCP_HEAD: ResponseHead = { status: 200, reason: "", headers: NO_FIELDS, body: "chunked" };

export class UpstreamExchange implements Exchange {
  readonly request: RequestHead;
  readonly observer: ExchangeObserver;
  readonly head: string;
  connection: UpstreamConnection | undefined;
  /** The observer hears no more. */
  isOver = false;
  /** The whole request has been handed to the connection. */
  requestEnded: boolean;
  headSeen = false;
  /** When bytes last moved, on the monotonic clock. */
  progressAt = 0;
  /** What was sent, kept while the request may have to be sent again. */
  replay: (string | Uint8Array)[] | undefined;
  sentBytes = 0;
  #bodyBytes = 0;

  constructor(request: RequestHead, head: string, observer: ExchangeObserver) {
    this.request = request;
    this.head = head;
    this.observer = observer;
    this.requestEnded = request.kind === "http" && request.body === 0;
  }

  get isTunnel(): boolean {
    return this.request.kind === "tcp" || this.connection?.isTunnel === true;
  }

  writeBody(chunk: Uint8Array): boolean {
    const { connection } = this;
    if (connection === undefined || chunk.length === 0) return true;
    this.progressAt = performance.now();
    if (this.isTunnel) return connection.sendTunnel(this, chunk);
    if (this.isOver || (this.requestEnded && this.request.body !== 0)) return true;
    this.#bodyBytes += chunk.length;
    if (this.request.body === "chunked") {
      this.send(chunkStart(chunk.length));
      this.send(chunk);
      return this.send("\r\n");
    }
    if (this.#bodyBytes > this.request.body) {
      this.#misframed(`more than the ${this.request.body} bytes`);
      return true;
    }
    return this.send(chunk);
  }

  endBody(trailers: RawHeaders): void {
    const { connection } = this;
    if (connection === undefined) return;
    if (this.isTunnel) {
      this.requestEnded = true;
      connection.outlet.end();
      return;
    }
    if (this.isOver || this.requestEnded) return;
    this.progressAt = performance.now();
    if (this.request.body === "chunked") this.send(chunksEnd(trailers));
    else if (this.#bodyBytes < this.request.body) {
      this.#misframed(`${this.#bodyBytes} of the ${this.request.body} bytes`);
      return;
    }
    this.requestEnded = true;
  }

  cancel(): void {
    this.isOver = true;
    this.connection?.abandon(this);
  }

  pause(): void {
    if (!this.isOver) this.connection?.socket.pause();
  }

  resume(): void {
    if (!this.isOver) this.connection?.socket.resume();
  }

  /** Hands a piece of the request to the connection, and keeps it while it may be needed again. */
  send(piece: string | Uint8Array): boolean {
    this.sentBytes += piece.length;
    if (this.replay !== undefined) {
      if (this.sentBytes > REPEATABLE_BODY_BYTES_MAX) this.replay = undefined;
      else this.replay.push(piece);
    }
    return this.connection?.outlet.write(piece) ?? true;
  }

  fail(error: GrapevineError): void {
    if (this.isOver) return;
    this.isOver = true;
    this.observer.onError(error);
  }

  #misframed(what: string): void {
    const message = `the request body has ${what} that its Content-Length announced`;
    const { connection } = this;
    // The caller is in the middle of a call; it must not hear of its end inside it.
    process.nextTick(() => {
      connection?.abandon(this);
      this.fail(new GrapevineError("bad_request", message, { executed: "unknown" }));
    });
  }
}

export class UpstreamConnection implements ResponseSink {
  readonly name: string;
  readonly socket: net.Socket;
  readonly outlet: Outlet;
  readonly openedAt = performance.now();
  readonly #owner: ConnectionOwner;
  readonly #reader = new ResponseReader();
  exchange: UpstreamExchange | undefined;
  connected = false;
  /** Not to be used for another exchange. */
  isRetired = false;
  idleSince = 0;
  #isReused = false;
  #sawBytes = false;
  #flushesBefore = 0;
  #trailers: RawHeaders | undefined;
  #error: NodeJS.ErrnoException | undefined;

  constructor(target: UpstreamTarget, owner: ConnectionOwner) {
    this.name = targetName(target);
    this.#owner = owner;
    this.socket = net.connect({
      ...("unix" in target ? { path: target.unix } : target),
      allowHalfOpen: true,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: KEEP_ALIVE_PROBE_MS,
    });
    this.outlet = new Outlet(this.socket, () => this.#onDrain());
    this.socket.on("connect", () => this.#onConnect());
    this.socket.on("data", (chunk) => this.#onData(chunk));
    this.socket.on("end", () => this.#onEnd());
    this.socket.on("error", (error) => {
      this.#error = error;
    });
    this.socket.on("close", () => this.#onClose());
  }

  get isTunnel(): boolean {
    return this.#reader.isTunnel;
  }

  /** How long the connection may stay idle by the server's own word. */
  get keepAliveMs(): number | undefined {
    return this.#reader.keepAliveMs;
  }

  /** Gives the connection to an exchange and sends the request's head, or all of a repeat. */
  begin(exchange: UpstreamExchange, isReused: boolean): void {
    const { request } = exchange;
    const repeated = exchange.replay;
    this.exchange = exchange;
    this.#isReused = isReused;
    this.#sawBytes = false;
    this.#trailers = undefined;
    this.#flushesBefore = this.outlet.flushes;
    exchange.connection = this;
    exchange.progressAt = performance.now();
    exchange.replay = isReused ? [] : undefined;
    if (request.kind === "tcp") return;
    this.#reader.expect(request.method, request.upgrade !== undefined);
    if (repeated === undefined) exchange.send(exchange.head);
    else for (const piece of repeated) this.outlet.write(piece);
  }

  sendTunnel(exchange: UpstreamExchange, chunk: Uint8Array): boolean {
    if (this.exchange !== exchange) return true;
    const more = this.outlet.write(chunk);
    if (!exchange.isOver) return more;
    if (this.socket.writableLength > HALF_OPEN_BYTES_MAX) resetSocket(this.socket);
    return true;
  }

  /** The exchange is given up: whatever comes on this connection is nobody's. */
  abandon(exchange: UpstreamExchange): void {
    if (this.exchange !== exchange) return;
    this.exchange = undefined;
    this.isRetired = true;
    if (exchange.isTunnel) resetSocket(this.socket);
    else this.socket.destroy();
  }

  /** Ends the exchange, if there is one, with an error of our own, and the connection with it. */
  break(code: RequestErrorCode, message: string): void {
    const { exchange } = this;
    const executed = this.#isSurelyUnsent() ? "no" : "unknown";
    this.exchange = undefined;
    this.isRetired = true;
    this.socket.destroy();
    exchange?.fail(new GrapevineError(code, message, { executed }));
  }

  onInformational(head: ResponseHead): void {
    const { exchange } = this;
    if (exchange === undefined || exchange.isOver) return;
    exchange.progressAt = performance.now();
    exchange.observer.onInformational(head);
  }

  onResponse(head: ResponseHead): void {
    const { exchange } = this;
    if (exchange === undefined || exchange.isOver) return;
    exchange.headSeen = true;
    exchange.observer.onHead(head);
  }

  onBody(piece: Uint8Array): void {
    const { exchange } = this;
    if (exchange !== undefined && !exchange.isOver) exchange.observer.onBody(piece);
  }

  onResponseEnd(trailers: RawHeaders): void {
    this.#trailers = trailers;
  }

  #onConnect(): void {
    this.connected = true;
    const { exchange } = this;
    if (exchange === undefined || exchange.isOver) return;
    exchange.progressAt = performance.now();
    if (exchange.request.kind !== "tcp") return;
    exchange.headSeen = true;
    exchange.observer.onHead(TCP_HEAD);
  }

  #onDrain(): void {
    const { exchange } = this;
    if (exchange !== undefined && !exchange.isOver) exchange.observer.onRequestDrain();
  }

  #onData(chunk: Uint8Array): void {
    const { exchange } = this;
    if (exchange === undefined) {
      // An answer that nobody asked for would be taken for the next request's.
      this.isRetired = true;
      this.socket.destroy();
      return;
    }
    this.#sawBytes = true;
    exchange.replay = undefined;
    exchange.progressAt = performance.now();
    if (exchange.isTunnel) {
      this.onBody(chunk);
      return;
    }
    const at = this.#reader.feed(chunk, 0, this);
    if (this.#reader.fault !== undefined) {
      const what = `${this.name} sent an invalid answer: ${this.#reader.fault.message}`;
      this.break("upstream_invalid", what);
    } else if (this.#trailers !== undefined) {
      this.#complete(this.#trailers, at < chunk.length);
    } else if (at < chunk.length && this.#reader.isTunnel) {
      this.onBody(chunk.subarray(at));
    }
  }

  #complete(trailers: RawHeaders, hasExcess: boolean): void {
    const { exchange } = this;
    this.exchange = undefined;
    this.#trailers = undefined;
    const reusable =
      !hasExcess && this.#reader.keepAlive && exchange?.requestEnded === true && !this.isRetired;
    if (reusable && !this.socket.destroyed) {
      this.socket.resume();
      this.#owner.released(this);
    } else {
      this.isRetired = true;
      this.socket.destroy();
    }
    if (exchange === undefined || exchange.isOver) return;
    exchange.isOver = true;
    exchange.observer.onEnd(trailers);
  }

  #onEnd(): void {
    const { exchange } = this;
    this.isRetired = true;
    if (exchange === undefined) {
      this.socket.destroy();
    } else if (exchange.isTunnel) {
      // The request's side stays open until its own end, as TCP has it.
      if (!exchange.isOver) {
        exchange.isOver = true;
        exchange.observer.onEnd(NO_FIELDS);
      }
    } else if (this.#reader.finish(this)) {
      this.#complete(NO_FIELDS, true);
    } else {
      this.#lost();
    }
  }

  #onClose(): void {
    this.isRetired = true;
    this.#owner.closed(this);
    if (this.exchange !== undefined) this.#lost();
  }

  /** The connection is gone, or is of no use any more, before the answer was complete. */
  #lost(): void {
    const { exchange } = this;
    if (exchange === undefined) return;
    if (!this.connected) {
      const reason = this.#error?.code ?? this.#error?.message ?? "the connection closed";
      this.break("upstream_refused", `cannot connect to ${this.name}: ${reason}`);
      return;
    }
    const canRepeat = this.#isReused && exchange.replay !== undefined && !exchange.isOver;
    if (canRepeat && this.#isSurelyUnsent()) {
      this.exchange = undefined;
      exchange.connection = undefined;
      this.socket.destroy();
      this.#owner.again(exchange);
      return;
    }
    const when = exchange.headSeen ? "in the middle of its answer" : "before it answered";
    const how = this.#error?.code ?? "closed";
    this.break("upstream_reset", `${this.name} broke the connection ${when} (${how})`);
  }

  /**
   * True if no byte of the request can have reached the server: nothing was written, or the one
   * small write there was came back as failed.
   */
  #isSurelyUnsent(): boolean {
    const { exchange } = this;
    if (exchange === undefined || this.#sawBytes) return false;
    if (!this.connected) return true;
    const flushes = this.outlet.flushes - this.#flushesBefore;
    if (flushes === 0) return true;
    if (!this.#isReused || flushes > 1 || exchange.sentBytes > ONE_WRITE_BYTES_MAX) return false;
    return this.#error?.syscall === "write";
  }
}
