/**
 * Where listeners end and routing begins: a listener turns what an application dialled into one of
 * these requests, and the front behind it decides where the request goes. HTTP proxies, forwarded
 * ports and embedded clients all enter here.
 */
import type { ServiceKey } from "../types.ts";
import type { Exchange, ExchangeObserver, RequestHead } from "./contract.ts";

export type Destination =
  | {
      readonly kind: "mesh";
      readonly service: ServiceKey;
      /** Set where one instance was named (ID.web.default.mesh). */
      readonly instance: string | undefined;
      /** The port that was dialled; 80 unless the application gave one. */
      readonly port: number;
    }
  | { readonly kind: "outside"; readonly host: string; readonly port: number };

export interface FrontRequest {
  readonly head: RequestHead;
  readonly destination: Destination;
  /** From the grapevine-key header, which the listener has removed. */
  readonly key: string | undefined;
  /** Which listener took it, for records: "proxy", "forward:127.0.0.1:9000", "sdk". */
  readonly listener: string;
  /** The client's address. */
  readonly remote: string;
  /** Milliseconds until the caller stops waiting; HTTP through a proxy has no such limit. */
  readonly deadlineLeftMs?: number;
  /** SPIFFE id of the calling workload, where the listener tells who calls. */
  readonly caller?: string;
}

export interface Front {
  /**
   * Starts the request. The id is given at once so that a listener can put it into the answer.
   * Failures, unknown services included, arrive at the observer like any other.
   */
  open(
    request: FrontRequest,
    observer: ExchangeObserver,
  ): { exchange: Exchange; requestId: string };
}
