/**
 * Why a dial, a handshake or a connection failed: from the errors of sockets and libp2p to words.
 */
import type { CloseReason } from "../../core/seams.ts";

const KINDS: Readonly<Record<string, CloseReason["kind"]>> = {
  ECONNREFUSED: "refused",
  ECONNRESET: "reset",
  EPIPE: "reset",
  ECONNABORTED: "reset",
  ETIMEDOUT: "timeout",
  TimeoutError: "timeout",
  AbortError: "timeout",
  EHOSTUNREACH: "unreachable",
  ENETUNREACH: "unreachable",
  EHOSTDOWN: "unreachable",
  ENETDOWN: "unreachable",
  EADDRNOTAVAIL: "unreachable",
  ENOTFOUND: "unreachable",
  EAI_AGAIN: "unreachable",
  EACCES: "unreachable",
  EPERM: "unreachable",
  EINVAL: "unreachable",
};

/** How a failure is passed through libp2p, which keeps only the message of the errors it wraps. */
export class HandshakeFailure extends Error {
  readonly reason: CloseReason;

  constructor(reason: CloseReason) {
    super(reason.detail);
    this.name = "HandshakeFailure";
    this.reason = reason;
  }
}

/** libp2p wraps errors in ones of its own and keeps the text alone. */
const BROKEN_OFF =
  /ECONNRESET|EPIPE|ECONNABORTED|Unexpected EOF|stream (?:is|that is) clos|\bclosed\b/;

/** The reason behind an error from a socket; `otherwise` is the kind for errors without a code. */
export function reasonOf(error: unknown, otherwise: CloseReason["kind"]): CloseReason {
  if (error instanceof HandshakeFailure) return error.reason;
  // What libp2p's helpers reject with when a stream ends while they wait for something else.
  if (error instanceof Event) return { kind: "reset", detail: "the connection ended" };
  if (!(error instanceof Error)) return { kind: otherwise, detail: String(error) };
  // A name with several addresses: the port is closed only if it is closed on all of them.
  if (error instanceof AggregateError && error.errors.length > 0) {
    const reasons = error.errors.map((each) => reasonOf(each, otherwise));
    const open = reasons.find((reason) => reason.kind !== "refused");
    return { kind: open?.kind ?? "refused", detail: reasons.map((each) => each.detail).join("; ") };
  }
  const { code } = error as NodeJS.ErrnoException;
  const kind = KINDS[code ?? ""] ?? KINDS[error.name];
  const broken = BROKEN_OFF.test(error.message) ? "reset" : undefined;
  return { kind: kind ?? broken ?? otherwise, detail: error.message };
}
