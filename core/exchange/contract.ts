/**
 * One request and its answer, as every part of the data path sees them: the listener that an
 * application dials, the router that repeats attempts, the link to another agent and the connection
 * to a local instance all speak this one contract, so that they compose in any order.
 *
 * Whoever opens an exchange gets the handle for the request's side; the answer arrives at the
 * observer. Bodies stream both ways with back-pressure. The observer is never called
 * from inside the call that opens, and never again after onEnd, onError, or a call of `cancel`.
 */
import type { GrapevineError } from "../errors.ts";

/** Names and values in turn (name, value, name, value, …), Latin-1, case and order as received. */
export type RawHeaders = readonly string[];

export interface RequestHead {
  /** "tcp": no head at all crosses the wire, only bytes in both directions. */
  readonly kind: "http" | "tcp";
  readonly method: string;
  /** Origin form as the application sent it: path and query, or "*". */
  readonly path: string;
  /** The Host as the application sent it, port included if it gave one. */
  readonly authority: string;
  /** End-to-end fields only: hop-by-hop ones are removed, Content-Length stays, Host included. */
  readonly headers: RawHeaders;
  /** Length in bytes, "chunked" where it is not known before the end, 0 where there is no body. */
  readonly body: number | "chunked";
  /** The protocol asked for by Upgrade ("websocket"); after a 101 the bodies are a raw tunnel. */
  readonly upgrade: string | undefined;
  /** The client waits for 100 before it sends the body; onInformational passes the 100 on. */
  readonly expectContinue: boolean;
}

export interface ResponseHead {
  readonly status: number;
  readonly reason: string;
  readonly headers: RawHeaders;
  /** 0 where the answer has no body (HEAD, 204, 304); "chunked" where the length is not known. */
  readonly body: number | "chunked";
}

/** The side of whoever asks. Every method may be called in any state; late calls do nothing. */
export interface Exchange {
  /** False: no more until onRequestDrain. The chunk is taken in any case. */
  writeBody(chunk: Uint8Array): boolean;
  endBody(trailers: RawHeaders): void;
  /** Gives the exchange up; nothing is heard of it any more. */
  cancel(reason: GrapevineError): void;
  /** Back-pressure on the answer. */
  pause(): void;
  resume(): void;
}

export interface ExchangeObserver {
  onRequestDrain(): void;
  /** A 1xx head other than 101. */
  onInformational(head: ResponseHead): void;
  /** Once. For "tcp" a status of 200 says that the connection to the instance is up. */
  onHead(head: ResponseHead): void;
  /** The bytes belong to the observer. */
  onBody(chunk: Uint8Array): void;
  onEnd(trailers: RawHeaders): void;
  /** Before or after the head: the exchange is over; `executed` in the error says how far it got. */
  onError(error: GrapevineError): void;
}

/** What crosses a link beside the request's head: who asks for what, and how it came here. */
export interface AttemptContext {
  readonly requestId: string;
  /** "namespace/name" and the instance that the caller chose. */
  readonly service: string;
  readonly instance: string;
  /** The service port that was dialled (80 for http://web.mesh). */
  readonly port: number;
  /** 1 for the first. */
  readonly attempt: number;
  /** Place in the preference list of the key, 0 for its owner; -1 where there is no key. */
  readonly rank: number;
  /** Why this candidate: "owner", "least_latency", "retry", "fallback", "named". */
  readonly reason: string;
  /** Time left in milliseconds, undefined where the request has no deadline. */
  readonly deadlineLeftMs: number | undefined;
  readonly traceparent: string | undefined;
  /** SPIFFE id of the calling workload or node, as the caller's agent attests it. */
  readonly caller: string | undefined;
  /** Names the ring by which the caller chose. */
  readonly ringVersion: number;
  /** Repeats left in the caller's budget, so that a second layer does not multiply them. */
  readonly retryTokens: number;
}
