/**
 * Requests that leave the mesh. They use the same connections as those to local instances, but what
 * fails is said in other words: an application must be able to tell a service of the mesh that does
 * not answer from a server outside that cannot be reached.
 */
import { GrapevineError } from "../../core/errors.ts";
import type { ExchangeObserver } from "../../core/exchange/contract.ts";
import type { EgressOpener } from "../../core/exchange/routed.ts";
import type { Upstreams } from "../../transport/http/upstream.ts";

export function openOutside(upstreams: Upstreams): EgressOpener {
  return {
    open: (host, port, request, observer) =>
      upstreams.open({ host, port }, request, renaming(observer)),
  };
}

function renaming(observer: ExchangeObserver): ExchangeObserver {
  return {
    onRequestDrain: () => observer.onRequestDrain(),
    onInformational: (head) => observer.onInformational(head),
    onHead: (head) => observer.onHead(head),
    onBody: (chunk) => observer.onBody(chunk),
    onEnd: (trailers) => observer.onEnd(trailers),
    onError: (error) => {
      const isUnreachable = error.short === "upstream_refused";
      observer.onError(
        isUnreachable
          ? new GrapevineError("egress_failed", error.message, { cause: error })
          : error,
      );
    },
  };
}
