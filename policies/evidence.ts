/**
 * What the end of an attempt says about the instance, and not about the request, the caller or the
 * service behind it.
 *
 * "hard": nobody there. The connection was refused, the agent cannot be reached, or its link broke.
 *
 * "soft": somebody is there and does badly: the connection was reset, the answer made no sense, did
 * not come in time, or was a 502, 503 or 504, by which a server says that it, or what it depends on,
 * cannot serve. A 503 with Retry-After is left out: the server works, sheds load on purpose and says
 * when to come back; to eject it would push that load onto its neighbours until they do the same.
 *
 * Nothing: 500 and every 4xx. They follow the request. If they counted, one poisonous request,
 * repeated by its client, would eject all instances one by one. Refusals for our own reasons
 * (draining, full, not the owner, given up by the client) say nothing either.
 */
import type { GrapevineError } from "../core/errors.ts";
import type { ResponseHead } from "../core/exchange/contract.ts";
import type { Evidence } from "../core/router/policy.ts";

export function judgeError(error: GrapevineError): Evidence | undefined {
  switch (error.short) {
    case "unreachable":
    case "link_reset":
    case "upstream_refused":
      return "hard";
    case "upstream_reset":
    case "upstream_invalid":
    case "idle_timeout":
    case "deadline_exceeded":
      return "soft";
    default:
      return undefined;
  }
}

export function judgeHead(head: ResponseHead): Evidence | undefined {
  if (head.status === 502 || head.status === 504) return "soft";
  if (head.status !== 503) return undefined;
  for (let at = 0; at < head.headers.length; at += 2) {
    if (head.headers[at]?.toLowerCase() === "retry-after") return undefined;
  }
  return "soft";
}
