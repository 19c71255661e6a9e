/**
 * What a listener and its connections know of each other, and what is told of a client's socket.
 */
import type { Socket } from "node:net";
import type { RequestErrorCode } from "../../core/errors.ts";
import type { RequestHead } from "../../core/exchange/contract.ts";
import type { Front } from "../../core/exchange/front.ts";
import type { ListenerMode } from "../../core/http/destination.ts";
import { NO_FIELDS } from "../../core/http/syntax.ts";
import type { ServiceKey, ServiceProtocol } from "../../core/types.ts";

export interface ConnectionLimits {
  /** From the first byte of a request to the end of its head. */
  readonly headTimeoutMs: number;
  /** Between requests. */
  readonly idleTimeoutMs: number;
  /** For an answer to go on after the client has ended its side; then it counts as gone. */
  readonly halfCloseGraceMs: number;
}

/** What all connections of one listener share. */
export interface ConnectionContext {
  readonly mode: ListenerMode;
  readonly front: Front;
  readonly name: string;
  readonly limits: ConnectionLimits;
  readonly isDraining: boolean;
  /** Each answer is the last on its connection. */
  readonly isRetiring: boolean;
  protocolOf(service: ServiceKey): ServiceProtocol | undefined;
  /** True where a destination outside is this very listener. */
  isOwnAddress(host: string, port: number): boolean;
  onClientFault(remote: string, code: RequestErrorCode, message: string): void;
  onClosed(connection: ListenedConnection): void;
}

/** A connection as its listener sees it. */
export interface ListenedConnection {
  /** The listener stops: an idle connection closes, others when their work is done. */
  drain(): void;
  destroy(): void;
  /** Called about once a second; deadlines are that coarse. */
  onSweep(now: number): void;
}

/** The client's address, IPv4 as such even where the listener is a dual-stack one. */
export function clientAddress(socket: Socket): string {
  return (socket.remoteAddress ?? "").replace(/^::ffff:/, "");
}

/** "HOST:PORT" of the client, for records. */
export function clientName(socket: Socket): string {
  const address = clientAddress(socket);
  return address.includes(":")
    ? `[${address}]:${socket.remotePort}`
    : `${address}:${socket.remotePort}`;
}

/** The head of an exchange that is only bytes in both directions. */
export function tcpHead(authority: string): RequestHead {
  return {
    kind: "tcp",
    method: "CONNECT",
    path: "",
    authority,
    headers: NO_FIELDS,
    body: "chunked",
    upgrade: undefined,
    expectContinue: false,
  };
}
