/**
 * Bytes in both directions between a client's socket and an exchange: after CONNECT, after a 101,
 * and for services that speak plain TCP. Either side may end its direction first; the connection is
 * over when both have, or when one breaks, and then the client sees a reset and never an end that
 * looks regular.
 */
import type { Socket } from "node:net";
import { GrapevineError } from "../../core/errors.ts";
import type { Exchange, ExchangeObserver, ResponseHead } from "../../core/exchange/contract.ts";
import { NO_FIELDS } from "../../core/http/syntax.ts";
import { resetSocket } from "../reset-socket.ts";
import type { Outlet } from "./outlet.ts";

export interface TunnelEvents {
  /** The far side is connected. */
  onUp(): void;
  /** It could not be connected; the client's connection is as it was. */
  onRefused(error: GrapevineError): void;
}

export class Tunnel implements ExchangeObserver {
  readonly #socket: Socket;
  readonly #outlet: Outlet;
  /** Undefined once the far side is up. */
  #events: TunnelEvents | undefined;
  #exchange: Exchange | undefined;
  /** The far side has ended: the exchange says nothing more, not even that it has drained. */
  answerEnded = false;

  /** With `events` the far side is still to be connected, without it is up already. */
  constructor(socket: Socket, outlet: Outlet, events: TunnelEvents | undefined) {
    this.#socket = socket;
    this.#outlet = outlet;
    this.#events = events;
  }

  attach(exchange: Exchange): void {
    this.#exchange = exchange;
  }

  onClientData(chunk: Uint8Array): void {
    const more = this.#exchange?.writeBody(chunk) ?? true;
    if (!more && !this.answerEnded) this.#socket.pause();
  }

  onClientEnd(): void {
    this.#exchange?.endBody(NO_FIELDS);
  }

  onClientDrain(): void {
    this.#exchange?.resume();
  }

  onClientClosed(): void {
    this.#exchange?.cancel(new GrapevineError("canceled", "the client closed the connection"));
    this.#exchange = undefined;
  }

  onRequestDrain(): void {
    this.#socket.resume();
  }

  onInformational(_head: ResponseHead): void {}

  onHead(_head: ResponseHead): void {
    const events = this.#events;
    this.#events = undefined;
    events?.onUp();
  }

  onBody(chunk: Uint8Array): void {
    if (!this.#outlet.write(chunk)) this.#exchange?.pause();
  }

  onEnd(): void {
    this.answerEnded = true;
    this.#socket.resume();
    this.#outlet.end();
  }

  onError(error: GrapevineError): void {
    const events = this.#events;
    this.#events = undefined;
    this.#exchange = undefined;
    if (events === undefined) resetSocket(this.#socket);
    else events.onRefused(error);
  }
}
