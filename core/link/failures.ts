/**
 * Errors on the wire: the code as text, so that a newer peer's codes survive an older one, with
 * what the caller needs to decide on a repeat. And the errors of a link's own end.
 *
 *     u8 flags (1: surely not executed, 2: retryable) | u8 length of the code | code | UTF-8 message
 */
import { type Executed, GrapevineError, isRequestErrorCode } from "../errors.ts";
import type { CloseReason } from "../seams.ts";
import type { NodeId } from "../types.ts";
import { REASON_BYTES_MAX } from "./config.ts";

const NOT_EXECUTED = 1;
const RETRYABLE = 2;

/** UTF-8 without a cut character at the end. */
export function encodeReason(text: string): Buffer {
  const bytes = Buffer.from(text);
  if (bytes.length <= REASON_BYTES_MAX) return bytes;
  let end = REASON_BYTES_MAX;
  while (end > 0 && ((bytes[end] as number) & 0xc0) === 0x80) end -= 1;
  return bytes.subarray(0, end);
}

export function encodeError(error: GrapevineError): Uint8Array {
  const code = Buffer.from(error.short, "latin1");
  const message = encodeReason(error.message);
  const flags = (error.executed === "no" ? NOT_EXECUTED : 0) | (error.retryable ? RETRYABLE : 0);
  return Buffer.concat([Buffer.of(flags, code.length), code, message]);
}

/** A code that this version does not know becomes "internal" and stays visible in the message. */
export function decodeError(body: Buffer): GrapevineError | undefined {
  if (body.length < 2) return undefined;
  const flags = body[0] as number;
  const end = 2 + (body[1] as number);
  if (end > body.length) return undefined;
  const code = body.toString("latin1", 2, end);
  const message = body.toString("utf8", end, Math.min(body.length, end + REASON_BYTES_MAX));
  const options = {
    executed: (flags & NOT_EXECUTED ? "no" : "unknown") as Executed,
    retryable: (flags & RETRYABLE) !== 0,
  };
  return isRequestErrorCode(code)
    ? new GrapevineError(code, message, options)
    : new GrapevineError("internal", `${code}: ${message}`, options);
}

/** For work on a link that ended: whoever asks learns whether the peer may have seen it. */
export function linkLost(peer: NodeId, reason: CloseReason, executed: Executed): GrapevineError {
  const detail = reason.detail === "" ? reason.kind : `${reason.kind}: ${reason.detail}`;
  return new GrapevineError("link_reset", `the link to ${peer} ended (${detail})`, { executed });
}

/** For work that never had a link. */
export function unreachable(peer: NodeId, address: string, reason: CloseReason): GrapevineError {
  const detail = reason.detail === "" ? reason.kind : `${reason.kind}: ${reason.detail}`;
  return new GrapevineError("unreachable", `no link to ${peer} at ${address} (${detail})`, {
    executed: "no",
  });
}
