/**
 * The answer to one request of a client: takes what the exchange says and writes it as the client's
 * HTTP version wants it framed. A failure before the head becomes an answer of our own; after the
 * head it can only be told by breaking the message off, so that the client never takes a part of a
 * body for the whole.
 */
import { STATUS_CODES } from "node:http";
import { GrapevineError } from "../../core/errors.ts";
import type {
  Exchange,
  ExchangeObserver,
  RawHeaders,
  ResponseHead,
} from "../../core/exchange/contract.ts";
import {
  chunkStart,
  chunksEnd,
  encodeResponseHead,
  hasTrueFraming,
} from "../../core/http/encode.ts";
import type { IncomingRequest } from "../../core/http/request-reader.ts";
import { fieldValue, NO_FIELDS } from "../../core/http/syntax.ts";

/** The connection on which an answer is written. */
export interface AnswerOwner {
  write(piece: string | Uint8Array): boolean;
  /** Whether the connection may stay open after this answer, as it stands now. */
  mayKeepAlive(answer: Answer): boolean;
  /** The request body may flow again. */
  onRequestDrain(): void;
  /** A 101 has been written: from now on the answer's bytes go to the tunnel it gives. */
  onSwitched(exchange: Exchange): ExchangeObserver;
  onAnswered(keepAlive: boolean): void;
  /** The message cannot be completed; `hard` where a regular end of the connection would lie. */
  onBroken(hard: boolean): void;
}

/** An explanation in a header, long enough for one sentence with names in it. */
const EXPLANATION_LENGTH_MAX = 400;

type Framing = "undecided" | "none" | "sized" | "chunked" | "until-close";

export class Answer implements ExchangeObserver {
  readonly request: IncomingRequest;
  readonly #owner: AnswerOwner;
  exchange: Exchange | undefined;
  requestId: string | undefined;
  isOver = false;
  /** A 100 has told the client to send its body. */
  continueSent = false;
  /** A byte of the request's body, or its end, has come. */
  bodyBegun = false;
  #framing: Framing = "undecided";
  #left = 0;
  #keepAlive = false;
  #tunnel: ExchangeObserver | undefined;

  constructor(request: IncomingRequest, owner: AnswerOwner) {
    this.request = request;
    this.#owner = owner;
  }

  get headSent(): boolean {
    return this.#framing !== "undecided";
  }

  /** The client is gone. */
  cancel(): void {
    if (this.isOver) return;
    this.isOver = true;
    this.exchange?.cancel(new GrapevineError("canceled", "the client closed the connection"));
  }

  onRequestDrain(): void {
    if (this.#tunnel !== undefined) this.#tunnel.onRequestDrain();
    else this.#owner.onRequestDrain();
  }

  onInformational(head: ResponseHead): void {
    if (this.isOver || this.headSent || this.request.version === "1.0") return;
    const text = encodeResponseHead(head, NO_FIELDS);
    if (text === undefined) return;
    if (head.status === 100) this.continueSent = true;
    this.#owner.write(text);
  }

  onHead(head: ResponseHead): void {
    if (this.isOver || this.headSent) return;
    if (head.status === 101) {
      this.#switchProtocols(head);
      return;
    }
    const added: string[] = [];
    this.#frame(head, added);
    if (!hasTrueFraming(head.headers, this.#framing === "none" ? "none" : head.body)) {
      this.#refuseAnswer("the answer's fields contradict the length of its body");
      return;
    }
    if (this.requestId !== undefined) added.push("grapevine-request-id", this.requestId);
    const text = encodeResponseHead(head, added);
    if (text === undefined) {
      this.#refuseAnswer("the answer has a header that HTTP/1.1 cannot carry");
      return;
    }
    this.#write(text);
    // A client that asked for another protocol sends nothing before it has this answer.
    if (this.request.upgrade !== undefined) this.exchange?.endBody(NO_FIELDS);
  }

  onBody(chunk: Uint8Array): void {
    if (this.#tunnel !== undefined) {
      this.#tunnel.onBody(chunk);
      return;
    }
    if (this.isOver || chunk.length === 0) return;
    switch (this.#framing) {
      case "chunked":
        this.#owner.write(chunkStart(chunk.length));
        this.#owner.write(chunk);
        this.#write("\r\n");
        return;
      case "sized":
        this.#left -= chunk.length;
        if (this.#left < 0) this.#giveUp();
        else this.#write(chunk);
        return;
      case "until-close":
        this.#write(chunk);
        return;
      case "none":
      case "undecided":
        return;
    }
  }

  onEnd(trailers: RawHeaders): void {
    if (this.#tunnel !== undefined) {
      this.#tunnel.onEnd(trailers);
      return;
    }
    if (this.isOver) return;
    if (this.#framing === "undecided") {
      this.fail(new GrapevineError("upstream_invalid", "the answer ended without a head"));
      return;
    }
    if (this.#framing === "sized" && this.#left > 0) {
      this.#giveUp();
      return;
    }
    if (this.#framing === "chunked") this.#owner.write(chunksEnd(trailers));
    this.isOver = true;
    this.#owner.onAnswered(this.#keepAlive);
  }

  onError(error: GrapevineError): void {
    if (this.#tunnel !== undefined) this.#tunnel.onError(error);
    else this.fail(error);
  }

  /** Answers with an error of our own, or breaks off the answer that has begun. */
  fail(error: GrapevineError): void {
    if (this.isOver) return;
    if (this.headSent) {
      this.isOver = true;
      this.#owner.onBroken(this.#framing === "until-close");
      return;
    }
    this.#keepAlive = this.#owner.mayKeepAlive(this);
    this.isOver = true;
    const { request, requestId } = this;
    this.#owner.write(encodeFailure(error, request, requestId, this.#keepAlive));
    this.#owner.onAnswered(this.#keepAlive);
  }

  /** The connection has room again. */
  onClientDrain(): void {
    if (!this.isOver) this.exchange?.resume();
  }

  #write(piece: string | Uint8Array): void {
    if (!this.#owner.write(piece)) this.exchange?.pause();
  }

  /** How the body's end is told, and the fields that tell it. */
  #frame(head: ResponseHead, added: string[]): void {
    const { method, version } = this.request;
    const { status } = head;
    this.#keepAlive = this.#owner.mayKeepAlive(this);
    if (method === "HEAD" || status === 204 || status === 304) this.#framing = "none";
    else if (head.body !== "chunked") {
      this.#framing = "sized";
      this.#left = head.body;
      if (fieldValue(head.headers, "content-length") === undefined) {
        added.push("Content-Length", String(head.body));
      }
    } else if (version === "1.1") {
      this.#framing = "chunked";
      added.push("Transfer-Encoding", "chunked");
    } else {
      this.#framing = "until-close";
      this.#keepAlive = false;
    }
    if (!this.#keepAlive) added.push("Connection", "close");
    else if (version === "1.0") added.push("Connection", "keep-alive");
  }

  #switchProtocols(head: ResponseHead): void {
    const { upgrade } = this.request;
    if (upgrade === undefined || this.exchange === undefined) {
      this.#refuseAnswer("a 101 that the client did not ask for");
      return;
    }
    const added: string[] = [];
    if (fieldValue(head.headers, "upgrade") === undefined) added.push("Upgrade", upgrade);
    added.push("Connection", "Upgrade");
    if (this.requestId !== undefined) added.push("grapevine-request-id", this.requestId);
    const text = encodeResponseHead(head, added);
    if (text === undefined) {
      this.#refuseAnswer("the answer has a header that HTTP/1.1 cannot carry");
      return;
    }
    this.#framing = "none";
    this.isOver = true;
    this.#owner.write(text);
    this.#tunnel = this.#owner.onSwitched(this.exchange);
  }

  #refuseAnswer(message: string): void {
    this.#framing = "undecided";
    const error = new GrapevineError("upstream_invalid", message);
    this.exchange?.cancel(error);
    this.fail(error);
  }

  /** The exchange says more or less than its head announced. */
  #giveUp(): void {
    this.isOver = true;
    const message = "the answer's body is not as long as its head announced";
    this.exchange?.cancel(new GrapevineError("upstream_invalid", message));
    this.#owner.onBroken(false);
  }
}

/** A whole answer of our own: small, plain text, with the reason in a header too. */
export function encodeFailure(
  error: GrapevineError,
  request: IncomingRequest | undefined,
  requestId: string | undefined,
  keepAlive: boolean,
): string {
  const explanation = toAscii(error.message);
  const status = error.status === 0 ? 500 : error.status;
  const body = `${explanation}\n`;
  let text = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? "Error"}\r\n`;
  text += `Content-Type: text/plain; charset=utf-8\r\nContent-Length: ${body.length}\r\n`;
  text += `grapevine-error: ${error.short}; ${explanation}\r\n`;
  if (requestId !== undefined) text += `grapevine-request-id: ${requestId}\r\n`;
  if (!keepAlive) text += "Connection: close\r\n";
  else if (request?.version === "1.0") text += "Connection: keep-alive\r\n";
  return request?.method === "HEAD" ? `${text}\r\n` : `${text}\r\n${body}`;
}

/** One line of visible ASCII, whatever a remote side put into the message. */
function toAscii(message: string): string {
  const line = message.replace(/[^\x20-\x7e]+/g, " ").trim();
  return line.length > EXPLANATION_LENGTH_MAX
    ? `${line.slice(0, EXPLANATION_LENGTH_MAX)}...`
    : line;
}
