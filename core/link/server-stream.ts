/**
 * One exchange on the side of whoever answers: it opens the local exchange, hands the request's
 * body to it and turns what it observes into frames. It is forgotten when both directions are over.
 */
import { GrapevineError } from "../errors.ts";
import type {
  Exchange,
  ExchangeObserver,
  RawHeaders,
  RequestHead,
  ResponseHead,
} from "../exchange/contract.ts";
import { ReceiveHalf, type ReceiveHost } from "./receive-half.ts";
import { SendHalf, type SendHost } from "./send-half.ts";

export interface ServerHost extends SendHost, ReceiveHost {
  /** False where the head cannot be sent: too large, or not Latin-1. */
  pushHead(id: number, head: ResponseHead, informational: boolean): boolean;
  pushReset(id: number, error: GrapevineError): void;
  forgetServer(stream: ServerStream): void;
}

const SWITCHING_PROTOCOLS = 101;

export class ServerStream implements ExchangeObserver {
  readonly id: number;
  readonly #host: ServerHost;
  readonly #send: SendHalf;
  readonly #receive: ReceiveHalf;
  #exchange: Exchange | undefined;
  #headSent = false;
  /** The local exchange has said its last word. */
  #answered = false;
  #requestEnded = false;
  #closed = false;
  #tunnel: boolean;

  constructor(host: ServerHost, id: number, request: RequestHead, window: number) {
    this.id = id;
    this.#host = host;
    this.#tunnel = request.kind === "tcp";
    this.#send = new SendHalf(
      host.config.sendQueueBytes,
      () => this.#exchange?.resume(),
      () => this.#settle(),
    );
    this.#send.attach(host, id, window);
    this.#receive = new ReceiveHalf(host, id, {
      onData: (chunk) => {
        const more = this.#exchange?.writeBody(chunk) ?? true;
        if (!more && !this.#answered) this.#receive.pause();
      },
      onEnd: (trailers) => {
        this.#requestEnded = true;
        this.#exchange?.endBody(trailers);
        this.#settle();
      },
    });
  }

  /** The local exchange, as `accept` returned it. */
  begin(exchange: Exchange): void {
    this.#exchange = exchange;
  }

  /** From the local exchange. */

  onRequestDrain(): void {
    this.#receive.resume();
  }

  onInformational(head: ResponseHead): void {
    if (!this.#mute && !this.#headSent) this.#host.pushHead(this.id, head, true);
  }

  onHead(head: ResponseHead): void {
    if (this.#mute || this.#headSent) return;
    this.#headSent = true;
    if (head.status === SWITCHING_PROTOCOLS) this.#tunnel = true;
    if (this.#host.pushHead(this.id, head, false)) return;
    const error = new GrapevineError(
      "upstream_invalid",
      "the answer's head is too large for a link or not Latin-1",
    );
    this.#exchange?.cancel(error);
    this.#reset(error);
  }

  onBody(chunk: Uint8Array): void {
    if (this.#mute) return;
    if (!this.#send.write(chunk)) this.#exchange?.pause();
  }

  onEnd(trailers: RawHeaders): void {
    if (this.#mute) return;
    this.#answered = true;
    this.#send.end(trailers);
    if (this.#closed) return;
    if (!this.#tunnel && this.#receive.ended) this.#requestEnded = true;
    // What is left of a request is of no use after its answer; a tunnel's directions are apart.
    if (this.#tunnel) this.#receive.resume();
    else this.#receive.close();
    this.#settle();
  }

  onError(error: GrapevineError): void {
    if (!this.#mute) this.#reset(error);
  }

  /** From the peer. Each returns false for what the protocol does not allow. */

  onData(chunk: Uint8Array): boolean {
    return this.#requestEnded ? false : this.#receive.onData(chunk);
  }

  onRequestEnd(trailers: RawHeaders): boolean {
    if (this.#requestEnded) return false;
    if (!this.#answered || this.#tunnel) return this.#receive.onEnd(trailers);
    this.#requestEnded = true;
    this.#settle();
    return true;
  }

  onWindow(credit: number): boolean {
    return this.#send.onWindow(credit);
  }

  /** Ends the exchange without a word to the peer. */
  fail(error: GrapevineError): void {
    if (this.#closed) return;
    const exchange = this.#exchange;
    this.#close();
    exchange?.cancel(error);
  }

  get #mute(): boolean {
    return this.#closed || this.#answered;
  }

  #reset(error: GrapevineError): void {
    this.#host.pushReset(this.id, error);
    this.#close();
  }

  /** Forgets the stream once the answer's end is under way and the request's end has come. */
  #settle(): void {
    if (!this.#closed && this.#send.ended && this.#requestEnded) this.#close();
  }

  #close(): void {
    this.#closed = true;
    this.#send.close();
    this.#receive.close();
    this.#host.forgetServer(this);
  }
}
