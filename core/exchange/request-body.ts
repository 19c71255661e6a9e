/**
 * The beginning of a request's body, kept so that a repeat can send the same bytes again. What is
 * kept are copies, because whoever is handed a chunk owns it. A body that grows beyond the bound is
 * let go while it streams to an attempt; while no attempt runs everything is held until one does.
 */
import { REPEATABLE_BODY_BYTES_MAX } from "../limits.ts";
import type { Exchange, RawHeaders, RequestHead } from "./contract.ts";

const IDEMPOTENT_METHODS: ReadonlySet<string> = new Set([
  "GET",
  "HEAD",
  "OPTIONS",
  "PUT",
  "DELETE",
]);

/** Whether the request may run twice without harm, and its body is small enough to be kept. */
export function isIdempotent(head: RequestHead): boolean {
  const { kind, method, body, upgrade } = head;
  const isSmall = body === "chunked" || body <= REPEATABLE_BODY_BYTES_MAX;
  return kind === "http" && upgrade === undefined && isSmall && IDEMPOTENT_METHODS.has(method);
}

export class RequestBody {
  #chunks: Uint8Array[] = [];
  #bytes = 0;
  #isKept = true;
  #trailers: RawHeaders | undefined;

  /** Whether all that came so far can be sent again. */
  get isKept(): boolean {
    return this.#isKept;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** `isStreaming`: the chunk goes to a running attempt as well. */
  add(chunk: Uint8Array, isStreaming: boolean): void {
    this.#bytes += chunk.length;
    if (!this.#isKept) return;
    if (isStreaming && this.#bytes > REPEATABLE_BODY_BYTES_MAX) this.release();
    else this.#chunks.push(chunk.slice());
  }

  end(trailers: RawHeaders): void {
    this.#trailers ??= trailers;
  }

  get isEnded(): boolean {
    return this.#trailers !== undefined;
  }

  /** No repeat will be made. */
  release(): void {
    this.#isKept = false;
    this.#chunks = [];
  }

  /**
   * Sends what came so far to a new attempt, for as long as `isCurrent` holds: a write may end the
   * attempt. False: the attempt asks to wait for its drain.
   */
  replay(exchange: Exchange, isCurrent: () => boolean): boolean {
    let isWritable = true;
    const chunks = this.#chunks;
    for (const chunk of chunks) {
      if (!isCurrent()) return isWritable;
      isWritable = exchange.writeBody(chunk.slice());
    }
    if (!isCurrent()) return isWritable;
    if (this.#bytes > REPEATABLE_BODY_BYTES_MAX) this.release();
    if (this.#trailers !== undefined) exchange.endBody(this.#trailers);
    return isWritable;
  }
}
