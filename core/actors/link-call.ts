/** A call that came as bytes, from a peer or from a program at the local socket. */
import { decode, encode } from "../codec.ts";
import { GrapevineError } from "../errors.ts";
import type { CallDone } from "../link/calls.ts";
import { CALL_BYTES_MAX } from "../link/config.ts";
import type { NodeId } from "../types.ts";
import { ActorCall, type CallTarget } from "./call.ts";
import { decodeRemoteError, encodeRemoteError, RemoteError } from "./remote-error.ts";
import { ANSWER_THROWN, ANSWER_VALUE, type CallHead, EMPTY_ANSWER, encodeAnswer } from "./wire.ts";

export class LinkCall extends ActorCall {
  readonly #args: Uint8Array;
  readonly #respond: CallDone;

  constructor(
    target: CallTarget,
    head: Pick<CallHead, "method" | "oneWay">,
    args: Uint8Array,
    dueAt: number,
    peer: NodeId | undefined,
    listener: string,
    respond: CallDone,
  ) {
    super(target, head.method, head.oneWay, dueAt, peer, listener);
    this.#args = args;
    this.#respond = respond;
  }

  args(): readonly unknown[] | undefined {
    const args = decode(this.#args);
    return Array.isArray(args) ? args : undefined;
  }

  argBytes(): Uint8Array {
    return this.#args;
  }

  protected onValue(value: unknown): GrapevineError | undefined {
    const answer = valueAnswer(value, this.method);
    if (answer instanceof GrapevineError) return answer;
    this.#respond(undefined, answer);
    return undefined;
  }

  protected onReply(reply: Uint8Array): GrapevineError | RemoteError | undefined {
    this.#respond(undefined, reply);
    return reply[0] === ANSWER_THROWN ? decodeRemoteError(reply.subarray(1)) : undefined;
  }

  protected onError(error: GrapevineError | RemoteError): void {
    if (error instanceof RemoteError) {
      this.#respond(undefined, encodeAnswer(ANSWER_THROWN, encodeRemoteError(error)));
    } else this.#respond(error, undefined);
  }
}

/** A result as bytes; an error if it cannot be one, or is too long for one frame. */
function valueAnswer(value: unknown, method: string): Uint8Array | GrapevineError {
  if (value === undefined) return EMPTY_ANSWER;
  let bytes: Uint8Array;
  try {
    bytes = encode(value);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    return new GrapevineError(
      "upstream_invalid",
      `the result of ${method} cannot be sent: ${why}; return plain data`,
    );
  }
  if (bytes.length < CALL_BYTES_MAX) return encodeAnswer(ANSWER_VALUE, bytes);
  return new GrapevineError(
    "upstream_invalid",
    `the result of ${method} has ${bytes.length} bytes, more than the ${CALL_BYTES_MAX} of one call`,
  );
}
