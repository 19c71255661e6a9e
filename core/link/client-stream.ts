/**
 * One exchange on the side of whoever asks. It may exist before its link does: what is written then
 * waits here and follows the head when the link is up. It always ends in exactly one of the
 * observer's onEnd and onError or the caller's cancel, and no call reaches the observer after that,
 * or from inside `open`.
 */
import { GrapevineError } from "../errors.ts";
import type {
  AttemptContext,
  Exchange,
  ExchangeObserver,
  RawHeaders,
  RequestHead,
  ResponseHead,
} from "../exchange/contract.ts";
import type { LinkConfig } from "./config.ts";
import { ReceiveHalf, type ReceiveHost } from "./receive-half.ts";
import { SendHalf, type SendHost } from "./send-half.ts";

export interface ClientHost extends SendHost, ReceiveHost {
  pushReset(id: number, error: GrapevineError): void;
  /** The stream is over on this side: its id is not looked up any more. */
  forgetClient(stream: ClientStream): void;
}

/** After its answer a tunnel may still be written to, but nobody hears of drains: a hard bound. */
const TUNNEL_TAIL_BYTES_MAX = 4 * 1024 * 1024;
const SWITCHING_PROTOCOLS = 101;

export class ClientStream implements Exchange {
  readonly context: AttemptContext;
  readonly request: RequestHead;
  readonly #observer: ExchangeObserver;
  #host: ClientHost | undefined;
  #attached = false;
  /** Stands in for the host's before there is one. */
  readonly #onAbandoned: (stream: ClientStream) => void;
  #id = 0;
  /** Where its OPEN began in the calls lane. */
  #position = 0;
  readonly #send: SendHalf;
  #receive: ReceiveHalf | undefined;
  #pausedEarly = false;
  #headSeen = false;
  /** No more calls to the observer. */
  #over = false;
  #tunnel: boolean;

  /** `onAbandoned` is called if the exchange is given up while it waits for its link. */
  constructor(
    context: AttemptContext,
    request: RequestHead,
    observer: ExchangeObserver,
    config: LinkConfig,
    onAbandoned: (stream: ClientStream) => void,
  ) {
    this.context = context;
    this.request = request;
    this.#observer = observer;
    this.#onAbandoned = onAbandoned;
    this.#tunnel = request.kind === "tcp";
    this.#send = new SendHalf(
      config.sendQueueBytes,
      () => {
        if (!this.#over) this.#observer.onRequestDrain();
      },
      () => {
        if (this.#over) this.#leave();
      },
    );
  }

  get id(): number {
    return this.#id;
  }

  get position(): number {
    return this.#position;
  }

  /** The OPEN has been queued at `position` of the calls lane; what was written follows it. */
  attach(host: ClientHost, id: number, position: number, window: number): void {
    this.#host = host;
    this.#attached = true;
    this.#id = id;
    this.#position = position;
    this.#receive = new ReceiveHalf(host, id, {
      onData: (chunk) => this.#observer.onBody(chunk),
      onEnd: (trailers) => this.#finish(trailers),
    });
    if (this.#pausedEarly) this.#receive.pause();
    this.#send.attach(host, id, window);
  }

  writeBody(chunk: Uint8Array): boolean {
    if (!this.#over) return this.#send.write(chunk);
    if (this.#tunnel) {
      this.#send.write(chunk);
      if (this.#send.queuedBytes > TUNNEL_TAIL_BYTES_MAX) {
        this.#abort(new GrapevineError("canceled", "the peer does not read the tunnel's rest"));
      }
    }
    return true;
  }

  endBody(trailers: RawHeaders): void {
    this.#send.end(trailers);
  }

  cancel(reason: GrapevineError): void {
    if (this.#over && !(this.#tunnel && this.#attached)) return;
    this.#over = true;
    if (this.#attached) {
      this.#abort(reason);
    } else {
      this.#send.close();
      this.#onAbandoned(this);
    }
  }

  pause(): void {
    this.#pausedEarly = true;
    this.#receive?.pause();
  }

  resume(): void {
    this.#pausedEarly = false;
    this.#receive?.resume();
  }

  /** The link's side. Each returns false for what the protocol does not allow. */

  onInformational(head: ResponseHead): boolean {
    if (this.#headSeen || head.status > 199) return false;
    if (!this.#over) this.#observer.onInformational(head);
    return true;
  }

  onHead(head: ResponseHead): boolean {
    if (this.#headSeen) return false;
    this.#headSeen = true;
    if (head.status === SWITCHING_PROTOCOLS) this.#tunnel = true;
    if (!this.#over) this.#observer.onHead(head);
    return true;
  }

  onData(chunk: Uint8Array): boolean {
    return this.#headSeen && (this.#receive?.onData(chunk) ?? false);
  }

  onEnd(trailers: RawHeaders): boolean {
    return this.#headSeen && (this.#receive?.onEnd(trailers) ?? false);
  }

  onWindow(credit: number): boolean {
    return this.#send.onWindow(credit);
  }

  /** Ends the exchange without a word to the peer. */
  fail(error: GrapevineError): void {
    this.#leave();
    if (this.#over) return;
    this.#over = true;
    this.#observer.onError(error);
  }

  #finish(trailers: RawHeaders): void {
    if (this.#over) return;
    this.#over = true;
    if (this.#send.ended) this.#leave();
    else if (!this.#tunnel) {
      this.#abort(new GrapevineError("canceled", "the answer came before the request's end"));
    }
    this.#observer.onEnd(trailers);
  }

  #abort(reason: GrapevineError): void {
    const host = this.#host;
    if (host === undefined) return;
    host.pushReset(this.#id, reason);
    this.#leave();
  }

  /** Forgets the link; late calls find nothing. */
  #leave(): void {
    const host = this.#host;
    this.#send.close();
    this.#receive?.close();
    this.#host = undefined;
    host?.forgetClient(this);
  }
}
