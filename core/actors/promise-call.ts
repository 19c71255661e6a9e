/**
 * A call that a program in this process makes: it settles a promise. Values that stay in the process
 * are handed over as they are, not copied: caller and actor must not change them afterwards.
 */
import { decode, encode } from "../codec.ts";
import { GrapevineError } from "../errors.ts";
import { ActorCall, type CallTarget } from "./call.ts";
import { decodeRemoteError, type RemoteError } from "./remote-error.ts";
import { ANSWER_THROWN, ANSWER_VALUE } from "./wire.ts";

export class PromiseCall extends ActorCall {
  readonly #args: readonly unknown[];
  readonly #resolve: (value: unknown) => void;
  readonly #reject: (error: unknown) => void;

  constructor(
    target: CallTarget,
    method: string,
    args: readonly unknown[],
    oneWay: boolean,
    dueAt: number,
    resolve: (value: unknown) => void,
    reject: (error: unknown) => void,
  ) {
    super(target, method, oneWay, dueAt, undefined, "sdk");
    this.#args = args;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  args(): readonly unknown[] {
    return this.#args;
  }

  argBytes(): Uint8Array {
    return encode(this.#args);
  }

  protected onValue(value: unknown): undefined {
    this.#resolve(value);
  }

  protected onReply(reply: Uint8Array): GrapevineError | RemoteError | undefined {
    const failure = this.#failureOf(reply);
    if (failure !== undefined) this.#reject(failure);
    else this.#resolve(reply.length === 1 ? undefined : decode(reply.subarray(1)));
    return failure;
  }

  protected onError(error: GrapevineError | RemoteError): void {
    this.#reject(error);
  }

  #failureOf(reply: Uint8Array): GrapevineError | RemoteError | undefined {
    if (reply[0] === ANSWER_VALUE) return undefined;
    const thrown = reply[0] === ANSWER_THROWN ? decodeRemoteError(reply.subarray(1)) : undefined;
    return (
      thrown ??
      new GrapevineError("upstream_invalid", `the answer to ${this.method} makes no sense`)
    );
  }
}
