/** A call as bytes for another process, or why it cannot be sent. */
import { GrapevineError } from "../errors.ts";
import { CALL_BYTES_MAX } from "../link/config.ts";
import type { ActorCall } from "./call.ts";
import { actorTypeOf } from "./definition.ts";
import { encodeCall, faultOfNames } from "./wire.ts";

export function callPayload(
  call: ActorCall,
  ringVersion: number,
  now: number,
): Uint8Array | GrapevineError {
  const { target, method, oneWay, forwards } = call;
  const { service, key } = target;
  const type = actorTypeOf(service);
  if (call.dueAt <= now) {
    const late = `the deadline passed before the owner of ${type}/${key} was found`;
    return new GrapevineError("deadline_exceeded", late, { executed: "no" });
  }
  const fault = faultOfNames(key, method);
  if (fault !== undefined) {
    return new GrapevineError("bad_request", `${type} cannot be called: ${fault}`);
  }
  let args: Uint8Array;
  try {
    args = call.argBytes();
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    const message = `the arguments of ${method} cannot be sent: ${why}; pass plain data`;
    return new GrapevineError("bad_request", message);
  }
  const payload = encodeCall({ service, key, method, oneWay, forwards, ringVersion }, args);
  if (payload.length <= CALL_BYTES_MAX) return payload;
  return new GrapevineError(
    "bad_request",
    `the arguments of ${method} have ${args.length} bytes; a call takes ${CALL_BYTES_MAX} at most`,
  );
}
