/**
 * One client's connection to a listener. Requests are taken one at a time, so that answers come in
 * the order of the requests; what a pipelining client has sent ahead waits here, within a bound.
 * Reading goes on while an answer is pending, because that is the only way to notice that the
 * client has gone. The connection's life, drawn:
 *
 *   idle => head => request (body in, answer out) => idle ...
 *                   request => unread body => idle    (answered early)
 *                   request => tunnel                 (CONNECT, 101)
 *   any  => lingering => closed                       (last answer sent, the rest is thrown away)
 */
import type { Socket } from "node:net";
import { GrapevineError, type RequestErrorCode } from "../../core/errors.ts";
import type { Exchange, RawHeaders, RequestHead } from "../../core/exchange/contract.ts";
import type { Destination } from "../../core/exchange/front.ts";
import { destinationOf, type ListenerMode } from "../../core/http/destination.ts";
import { appendForwarded } from "../../core/http/encode.ts";
import {
  type IncomingRequest,
  RequestReader,
  type RequestSink,
} from "../../core/http/request-reader.ts";
import { PIPELINED_BYTES_MAX, UNREAD_BODY_BYTES_MAX } from "../../core/limits.ts";
import { resetSocket } from "../reset-socket.ts";
import { Answer, type AnswerOwner, encodeFailure } from "./answer.ts";
import {
  type ConnectionContext,
  clientAddress,
  clientName,
  type ListenedConnection,
  tcpHead,
} from "./connection-context.ts";
import { Outlet } from "./outlet.ts";
import { Tunnel } from "./tunnel.ts";

type Phase = "http" | "sniffing" | "connecting" | "tunnel" | "lingering";
type Waiting = "nothing" | "request" | "head" | "unread body" | "answer" | "goodbye";

const ESTABLISHED = "HTTP/1.1 200 Connection Established\r\n";
const TLS_HANDSHAKE = 0x16;
const LINGER_MS = 2_000;
const LINGER_MS_MAX = 60_000;
const UNREAD_BODY_MS = 5_000;
const HALF_OPEN_TUNNEL_MS = 60_000;

export class ClientConnection implements RequestSink, AnswerOwner, ListenedConnection {
  readonly #socket: Socket;
  readonly #context: ConnectionContext;
  readonly #outlet: Outlet;
  readonly #reader = new RequestReader();
  readonly #address: string;
  readonly #remote: string;
  #mode: ListenerMode;
  #phase: Phase = "http";
  #answer: Answer | undefined;
  #tunnel: Tunnel | undefined;
  /** Where CONNECT went, until the first byte tells what is spoken inside. */
  #connected: { destination: Destination; authority: string } | undefined;
  #held: Uint8Array[] = [];
  #heldBytes = 0;
  #isConsuming = false;
  #clientEnded = false;
  /** The client has sent what is no HTTP: nothing more is read of it. */
  #isFaulty = false;
  #unreadBytes = 0;
  #waiting: Waiting = "nothing";
  #deadline = Number.POSITIVE_INFINITY;
  #writtenAtDeadline = 0;
  #lingeringSince = 0;

  constructor(socket: Socket, context: ConnectionContext) {
    this.#socket = socket;
    this.#context = context;
    this.#mode = context.mode;
    this.#address = clientAddress(socket);
    this.#remote = clientName(socket);
    this.#outlet = new Outlet(socket, () => this.#onClientDrain());
    socket.on("data", (chunk) => this.#onData(chunk));
    socket.on("end", () => this.#onClientEnd());
    // "close" follows every error and does all that there is to do.
    socket.on("error", () => {});
    socket.on("close", () => this.#onClose());
    this.#wait("request", context.limits.idleTimeoutMs);
  }

  drain(): void {
    this.#settle();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  onSweep(now: number): void {
    if (this.#waiting === "nothing" && this.#tunnel?.answerEnded === true) {
      this.#lingeringSince = now;
      this.#wait("goodbye", HALF_OPEN_TUNNEL_MS);
    }
    if (now < this.#deadline) return;
    switch (this.#waiting) {
      case "nothing":
        return;
      case "request":
      case "unread body":
        this.#linger();
        return;
      case "head":
        this.#refuse("request_timeout", "the request head did not come in time");
        return;
      case "answer":
        this.#checkHalfClosed();
        return;
      case "goodbye":
        this.#checkGoodbye(now);
    }
  }

  write(piece: string | Uint8Array): boolean {
    return this.#outlet.write(piece);
  }

  mayKeepAlive(answer: Answer): boolean {
    if (!answer.request.keepAlive || this.#context.isRetiring || this.#isFaulty) return false;
    // It failed, or it would not be answered here: what follows was meant for the tunnel.
    if (answer.request.method === "CONNECT") return false;
    // Nobody can know whether the client still sends a body that it was not told to send.
    return !answer.request.expectContinue || answer.continueSent || answer.bodyBegun;
  }

  onRequest(request: IncomingRequest): void {
    this.#wait("nothing");
    const answer = new Answer(request, this);
    this.#answer = answer;
    const destination = destinationOf(request, this.#mode);
    if ("code" in destination) {
      answer.fail(new GrapevineError(destination.code, destination.message));
    } else if (request.method === "CONNECT") {
      this.#connect(request, destination, answer);
    } else if (this.#isLoop(destination)) {
      const message =
        "the request names this proxy itself as its host; dial NAME.mesh through it, as in curl -x";
      answer.fail(new GrapevineError("loop_detected", message));
    } else {
      this.#open(request, destination, answer);
    }
  }

  onBody(piece: Uint8Array): void {
    const answer = this.#answer;
    if (answer === undefined || answer.isOver) {
      this.#unreadBytes += piece.length;
      if (this.#unreadBytes > UNREAD_BODY_BYTES_MAX) this.#linger();
      return;
    }
    answer.bodyBegun = true;
    if (answer.exchange?.writeBody(piece) === false) this.#socket.pause();
  }

  onRequestEnd(trailers: RawHeaders): void {
    const answer = this.#answer;
    if (answer === undefined || answer.isOver) {
      if (this.#waiting === "unread body") this.#finishRequest();
      return;
    }
    answer.bodyBegun = true;
    if (answer.request.upgrade === undefined) answer.exchange?.endBody(trailers);
  }

  onRequestDrain(): void {
    if (this.#heldBytes <= PIPELINED_BYTES_MAX) this.#socket.resume();
  }

  onSwitched(exchange: Exchange): Tunnel {
    const tunnel = new Tunnel(this.#socket, this.#outlet, undefined);
    tunnel.attach(exchange);
    this.#answer = undefined;
    this.#enterTunnel(tunnel);
    return tunnel;
  }

  onAnswered(keepAlive: boolean): void {
    if (!keepAlive) {
      this.#linger();
    } else if (this.#reader.isAtEnd) {
      this.#finishRequest();
    } else {
      this.#unreadBytes = 0;
      this.#wait("unread body", UNREAD_BODY_MS);
      this.#socket.resume();
    }
  }

  onBroken(hard: boolean): void {
    if (hard) {
      resetSocket(this.#socket);
      return;
    }
    // What was already answered goes out; the message then ends before its announced end.
    this.#linger();
  }

  #open(request: IncomingRequest, destination: Destination, answer: Answer): void {
    if (destination.kind === "mesh") {
      appendForwarded(request.fields, this.#address, "http", request.authority);
    }
    const head: RequestHead = {
      kind: "http",
      method: request.method,
      path: request.path,
      authority: request.authority,
      headers: request.fields,
      body: request.body,
      upgrade: request.upgrade,
      expectContinue: request.expectContinue,
    };
    const { front, name } = this.#context;
    const key = request.key;
    const opened = front.open(
      { head, destination, key, listener: name, remote: this.#remote },
      answer,
    );
    answer.exchange = opened.exchange;
    answer.requestId = opened.requestId;
  }

  #isLoop(destination: Destination): boolean {
    if (destination.kind !== "outside") return false;
    return this.#context.isOwnAddress(destination.host, destination.port);
  }

  #connect(request: IncomingRequest, destination: Destination, answer: Answer): void {
    if (this.#mode.kind === "service") {
      const message = "CONNECT is for the proxy; this listener is for one service";
      answer.fail(new GrapevineError("unsupported", message));
      return;
    }
    const { authority } = request;
    const isHttp =
      destination.kind === "mesh" && this.#context.protocolOf(destination.service) === "http";
    if (isHttp) {
      this.#connected = { destination, authority };
      this.#answer = undefined;
      this.#phase = "sniffing";
      this.#outlet.write(`${ESTABLISHED}\r\n`);
      this.#wait("request", this.#context.limits.idleTimeoutMs);
      return;
    }
    this.#phase = "connecting";
    const tunnel = new Tunnel(this.#socket, this.#outlet, {
      onUp: () => {
        this.#answer = undefined;
        this.#outlet.write(`${ESTABLISHED}grapevine-request-id: ${answer.requestId ?? ""}\r\n\r\n`);
        this.#enterTunnel(tunnel);
      },
      onRefused: (error) => {
        this.#tunnel = undefined;
        answer.fail(error);
      },
    });
    answer.requestId = this.#openTunnel(tunnel, destination, authority);
  }

  #openTunnel(tunnel: Tunnel, destination: Destination, authority: string): string {
    const { front, name } = this.#context;
    const request = { head: tcpHead(authority), destination, key: undefined, listener: name };
    const opened = front.open({ ...request, remote: this.#remote }, tunnel);
    tunnel.attach(opened.exchange);
    this.#tunnel = tunnel;
    return opened.requestId;
  }

  #enterTunnel(tunnel: Tunnel): void {
    this.#tunnel = tunnel;
    this.#phase = "tunnel";
    this.#wait("nothing");
    this.#socket.resume();
    for (const chunk of this.#takeHeld()) tunnel.onClientData(chunk);
    if (this.#clientEnded) tunnel.onClientEnd();
  }

  #onData(chunk: Uint8Array): void {
    if (this.#phase === "tunnel") {
      this.#tunnel?.onClientData(chunk);
      if (this.#tunnel?.answerEnded === true) this.#wait("goodbye", HALF_OPEN_TUNNEL_MS);
    } else if (this.#phase === "lingering") {
      this.#unreadBytes += chunk.length;
      if (this.#unreadBytes > UNREAD_BODY_BYTES_MAX) this.#socket.destroy();
    } else {
      this.#hold(chunk);
      this.#consume();
    }
  }

  #hold(chunk: Uint8Array): void {
    this.#held.push(chunk);
    this.#heldBytes += chunk.length;
  }

  #takeHeld(): Uint8Array[] {
    const held = this.#held;
    this.#held = [];
    this.#heldBytes = 0;
    return held;
  }

  /** Reads what is held as far as the requests before it allow. */
  #consume(): void {
    if (this.#isConsuming) return;
    this.#isConsuming = true;
    while (this.#held.length > 0 && this.#canRead()) {
      const chunk = this.#held.shift() as Uint8Array;
      this.#heldBytes -= chunk.length;
      if (this.#phase === "sniffing" && !this.#sniff(chunk)) break;
      const at = this.#reader.feed(chunk, 0, this);
      if (at < chunk.length && this.#phase !== "lingering") {
        this.#held.unshift(chunk.subarray(at));
        this.#heldBytes += chunk.length - at;
      }
      const { fault } = this.#reader;
      if (fault !== undefined) {
        this.#refuse(fault.code, fault.message);
        break;
      }
    }
    this.#isConsuming = false;
    if (this.#phase === "tunnel" && this.#tunnel !== undefined) this.#enterTunnel(this.#tunnel);
    if (this.#heldBytes > PIPELINED_BYTES_MAX) this.#socket.pause();
    const beganHead = this.#waiting === "request" && this.#reader.isInHead;
    if (beganHead) this.#wait("head", this.#context.limits.headTimeoutMs);
    if (this.#clientEnded) this.#onClientEnd();
    else this.#settle();
  }

  /** Closes a connection between two requests if there is to be no other. */
  #settle(): void {
    const isIdle = this.#reader.isIdle && this.#answer === undefined && this.#heldBytes === 0;
    if (!isIdle || this.#phase !== "http" || this.#isConsuming) return;
    if (this.#clientEnded || this.#context.isDraining) this.#linger();
  }

  #canRead(): boolean {
    return (this.#phase === "http" || this.#phase === "sniffing") && !this.#mustWait();
  }

  #mustWait(): boolean {
    return this.#reader.isAtEnd && this.#answer !== undefined;
  }

  /** The first byte inside a CONNECT. True: HTTP, read here. False: TLS, passed on as it is. */
  #sniff(chunk: Uint8Array): boolean {
    const connected = this.#connected;
    if (connected?.destination.kind !== "mesh") return true;
    this.#connected = undefined;
    if (chunk[0] !== TLS_HANDSHAKE) {
      const { service, instance, port } = connected.destination;
      this.#mode = { kind: "service", service, instance, port };
      this.#phase = "http";
      this.#reader.next();
      return true;
    }
    this.#held.unshift(chunk);
    this.#heldBytes += chunk.length;
    const tunnel = new Tunnel(this.#socket, this.#outlet, undefined);
    this.#openTunnel(tunnel, connected.destination, connected.authority);
    this.#phase = "tunnel";
    return false;
  }

  /** Request and answer are both done: on to the next. */
  #finishRequest(): void {
    this.#answer = undefined;
    this.#reader.next();
    this.#wait("request", this.#context.limits.idleTimeoutMs);
    this.#socket.resume();
    if (this.#heldBytes > 0) this.#consume();
    else this.#settle();
  }

  #refuse(code: RequestErrorCode, message: string): void {
    if (this.#phase === "lingering") return;
    this.#context.onClientFault(this.#remote, code, message);
    this.#isFaulty = true;
    const answer = this.#answer;
    const error = new GrapevineError(code, message);
    if (answer !== undefined && !answer.isOver) {
      answer.exchange?.cancel(error);
      answer.fail(error);
      return;
    }
    if (answer === undefined) this.#outlet.write(encodeFailure(error, undefined, undefined, false));
    this.#linger();
  }

  /** Ends our side and throws away what still comes: unread bytes would make the end a reset. */
  #linger(): void {
    if (this.#phase === "lingering") return;
    this.#answer?.cancel();
    this.#answer = undefined;
    this.#phase = "lingering";
    this.#takeHeld();
    this.#unreadBytes = 0;
    this.#outlet.end();
    this.#socket.resume();
    this.#lingeringSince = performance.now();
    this.#wait("goodbye", LINGER_MS);
  }

  #onClientDrain(): void {
    if (this.#phase === "tunnel") this.#tunnel?.onClientDrain();
    else this.#answer?.onClientDrain();
  }

  #onClientEnd(): void {
    this.#clientEnded = true;
    switch (this.#phase) {
      case "tunnel":
        this.#tunnel?.onClientEnd();
        return;
      case "lingering":
        return;
      case "sniffing":
        this.#linger();
        return;
      case "connecting":
        return;
      case "http":
        if (this.#mustWait()) {
          if (this.#waiting === "answer") return;
          this.#writtenAtDeadline = this.#socket.bytesWritten;
          this.#wait("answer", this.#context.limits.halfCloseGraceMs);
        } else if (this.#answer === undefined || this.#answer.isOver) {
          this.#linger();
        } else {
          // In the middle of a request's body: nobody is there to finish it.
          this.#socket.destroy();
        }
    }
  }

  /** A client that has only ended its side takes bytes; one that is gone makes no difference. */
  #checkHalfClosed(): void {
    const { bytesWritten, writableLength } = this.#socket;
    if (bytesWritten === this.#writtenAtDeadline && writableLength === 0) {
      this.#socket.destroy();
      return;
    }
    this.#writtenAtDeadline = bytesWritten;
    this.#wait("answer", this.#context.limits.halfCloseGraceMs);
  }

  /** A slow reader may take its time for what is left, the others have had enough. */
  #checkGoodbye(now: number): void {
    const isSending = this.#socket.writableLength > 0 && now - this.#lingeringSince < LINGER_MS_MAX;
    if (isSending) this.#wait("goodbye", LINGER_MS);
    else this.#socket.destroy();
  }

  #onClose(): void {
    this.#phase = "lingering";
    this.#takeHeld();
    this.#wait("nothing");
    this.#answer?.cancel();
    this.#answer = undefined;
    this.#tunnel?.onClientClosed();
    this.#tunnel = undefined;
    this.#context.onClosed(this);
  }

  #wait(waiting: Waiting, forMs = Number.POSITIVE_INFINITY): void {
    this.#waiting = waiting;
    this.#deadline = waiting === "nothing" ? forMs : performance.now() + forMs;
  }
}
