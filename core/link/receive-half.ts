/**
 * The receiving direction of one stream: checks the peer against the credit it was given, keeps what
 * arrives while the reader pauses, and gives new credit as the reader consumes. The window starts
 * small and doubles while the reader keeps up, out of a pool that all streams of the link share.
 */
import type { RawHeaders } from "../exchange/contract.ts";
import type { LinkConfig } from "./config.ts";

export interface ReceiveHost {
  readonly config: LinkConfig;
  pushWindow(id: number, credit: number): void;
  /** Takes up to `wanted` bytes out of the shared pool. */
  takeFromPool(wanted: number): number;
  giveToPool(bytes: number): void;
  /** Calls `deliver` at the end of the turn: never from inside the reader's own call. */
  deliverSoon(half: ReceiveHalf): void;
}

export interface Reader {
  onData(chunk: Uint8Array): void;
  onEnd(trailers: RawHeaders): void;
}

export class ReceiveHalf {
  readonly #host: ReceiveHost;
  readonly #id: number;
  readonly #reader: Reader;
  /** Bytes that the peer may still send. */
  #credit: number;
  #window: number;
  #consumed = 0;
  readonly #queue: Uint8Array[] = [];
  #trailers: RawHeaders | undefined;
  #paused = false;
  #closed = false;
  #delivering = false;

  constructor(host: ReceiveHost, id: number, reader: Reader) {
    this.#host = host;
    this.#id = id;
    this.#reader = reader;
    this.#window = host.config.streamWindowBytes;
    this.#credit = this.#window;
  }

  get ended(): boolean {
    return this.#trailers !== undefined;
  }

  /** False: the peer sent without credit, or after the end. */
  onData(chunk: Uint8Array): boolean {
    if (this.#closed) return true;
    if (this.#trailers !== undefined || chunk.length > this.#credit) return false;
    this.#credit -= chunk.length;
    if (this.#paused || this.#delivering || this.#queue.length > 0) {
      // A short piece of a long batch must not keep the whole batch in memory.
      const alone = chunk.length * 2 >= chunk.buffer.byteLength;
      this.#queue.push(alone ? chunk : Buffer.from(chunk));
      return true;
    }
    this.#give(chunk);
    return true;
  }

  /** False: the second end. */
  onEnd(trailers: RawHeaders): boolean {
    if (this.#closed) return true;
    if (this.#trailers !== undefined) return false;
    this.#trailers = trailers;
    if (this.#queue.length === 0 && !this.#delivering) this.#finish();
    return true;
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    if (this.#queue.length > 0 && !this.#closed) this.#host.deliverSoon(this);
  }

  /** Drops what waits; the reader is not called any more. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#queue.length = 0;
    this.#host.giveToPool(this.#window - this.#host.config.streamWindowBytes);
  }

  /** Called by the link at the end of the turn in which the reader resumed. */
  deliver(): void {
    let at = 0;
    while (!this.#paused && !this.#closed && at < this.#queue.length) {
      const chunk = this.#queue[at] as Uint8Array;
      at += 1;
      this.#give(chunk);
    }
    if (this.#closed) return;
    this.#queue.splice(0, at);
    if (this.#queue.length === 0 && this.#trailers !== undefined) this.#finish();
  }

  #give(chunk: Uint8Array): void {
    this.#delivering = true;
    this.#reader.onData(chunk);
    this.#delivering = false;
    if (this.#closed || this.#trailers !== undefined) return;
    this.#consumed += chunk.length;
    if (this.#consumed * 2 >= this.#window) this.#giveCredit();
  }

  #giveCredit(): void {
    let credit = this.#consumed;
    this.#consumed = 0;
    if (!this.#paused) {
      const room = this.#host.config.streamWindowBytesMax - this.#window;
      const growth = this.#host.takeFromPool(Math.min(this.#window, room));
      this.#window += growth;
      credit += growth;
    }
    this.#credit += credit;
    this.#host.pushWindow(this.#id, credit);
  }

  #finish(): void {
    this.close();
    this.#reader.onEnd(this.#trailers ?? []);
  }
}
