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
    const kind = reply[0];
    if (kind === ANSWER_VALUE) {
      const value = reply.length === 1 ? undefined : decode(reply.subarray(1));
      if (value !== undefined || reply.length === 1) {
        this.#resolve(value);
        return undefined;
      }
    }
    const thrown = kind === ANSWER_THROWN ? decodeRemoteError(reply.subarray(1)) : undefined;
    const what = `the answer to ${this.method} cannot be read`;
    const failure = thrown ?? new GrapevineError("upstream_invalid", what);
    this.#reject(failure);
    return failure;
  }

  protected onError(error: GrapevineError | RemoteError): void {
    this.#reject(error);
  }
}
