/**
 * The sending direction of one stream: what may still be sent by the peer's credit, and what waits
 * for it. The first bytes of a body travel with its head, so that a small request is one run in the
 * calls lane; the rest queues here and goes out in quanta, in turn with the other streams.
 */
import type { RawHeaders } from "../exchange/contract.ts";
import { BODY_QUANTUM_BYTES } from "../limits.ts";
import type { LinkConfig } from "./config.ts";
import { FRAME, FRAME_HEADER_BYTES, writeHeader } from "./frames.ts";

/** What a half needs of its link. */
export interface SendHost {
  readonly config: LinkConfig;
  pushData(id: number, chunk: Uint8Array): void;
  pushEnd(id: number, trailers: RawHeaders): void;
  /** Puts the half into the round of those that have bytes and credit. */
  schedule(half: SendHalf): void;
}

/** Credit beyond this is the peer's error: no window is ever near it. */
const WINDOW_BYTES_LIMIT = 0x7fff_ffff;

export class SendHalf {
  #host: SendHost | undefined;
  #id = 0;
  #window = 0;
  #prompt = 0;
  readonly #queue: Uint8Array[] = [];
  /** Bytes of the first chunk that are gone already. */
  #offset = 0;
  #queued = 0;
  #trailers: RawHeaders | undefined;
  #closed = false;
  #ended = false;
  #blocked = false;
  readonly #queueLimit: number;
  readonly #onDrain: () => void;
  readonly #onEnded: () => void;
  /** Set by the link while the half is in its round. */
  scheduled = false;

  constructor(queueLimit: number, onDrain: () => void, onEnded: () => void) {
    this.#queueLimit = queueLimit;
    this.#onDrain = onDrain;
    this.#onEnded = onEnded;
  }

  /** Bytes that wait here. */
  get queuedBytes(): number {
    return this.#queued;
  }

  /** The end has been handed to the link, behind all bytes. */
  get ended(): boolean {
    return this.#ended;
  }

  /** Gives the half its link; what was written before follows the head at once. */
  attach(host: SendHost, id: number, window: number): void {
    this.#host = host;
    this.#id = id;
    this.#window = window;
    this.#prompt = host.config.promptBytes;
    while (this.#queue.length > 0) {
      const chunk = this.#queue[0] as Uint8Array;
      if (!this.#sendPrompt(host, chunk)) break;
      this.#queue.shift();
      this.#queued -= chunk.length;
    }
    if (this.#queued > 0 || this.#blocked) host.schedule(this);
    else if (this.#trailers !== undefined) this.#finish(host);
  }

  /** False: enough for now, the drain follows. The chunk is taken in any case. */
  write(chunk: Uint8Array): boolean {
    if (this.#closed || this.#trailers !== undefined || chunk.length === 0) return true;
    const host = this.#host;
    if (host !== undefined && this.#queued === 0 && this.#sendPrompt(host, chunk)) return true;
    this.#queue.push(chunk);
    this.#queued += chunk.length;
    this.#schedule();
    if (this.#queued < this.#queueLimit) return true;
    this.#blocked = true;
    return false;
  }

  end(trailers: RawHeaders): void {
    if (this.#closed || this.#trailers !== undefined) return;
    this.#trailers = trailers;
    if (this.#host !== undefined && this.#queued === 0) this.#finish(this.#host);
  }

  /** New credit from the peer. False: more than a window can ever hold. */
  onWindow(credit: number): boolean {
    this.#window += credit;
    this.#schedule();
    return this.#window <= WINDOW_BYTES_LIMIT;
  }

  /** Drops what waits; nothing is sent or called any more. */
  close(): void {
    this.#closed = true;
    this.#queue.length = 0;
    this.#queued = 0;
  }

  /**
   * Writes one DATA frame of at most a quantum into the batch and returns its length, 0 if there is
   * nothing to send. The link calls this in turn, and again while `wantsTurn`.
   */
  takeFrame(batch: Buffer, at: number, room: number): number {
    const length = Math.min(
      this.#queued,
      this.#window,
      BODY_QUANTUM_BYTES,
      room - FRAME_HEADER_BYTES,
    );
    if (length <= 0) return 0;
    writeHeader(batch, at, FRAME.data, length, this.#id);
    let target = at + FRAME_HEADER_BYTES;
    const end = target + length;
    let taken = 0;
    while (target < end) {
      const chunk = this.#queue[taken] as Uint8Array;
      const part = Math.min(chunk.length - this.#offset, end - target);
      batch.set(chunk.subarray(this.#offset, this.#offset + part), target);
      target += part;
      this.#offset += part;
      if (this.#offset === chunk.length) {
        this.#offset = 0;
        taken += 1;
      }
    }
    this.#queue.splice(0, taken);
    this.#queued -= length;
    this.#window -= length;
    return length + FRAME_HEADER_BYTES;
  }

  /** Writes the END behind the last byte where it fits and needs no trailers; returns its length. */
  takeEnd(batch: Buffer, at: number, room: number): number {
    const plain = this.#queued === 0 && this.#trailers?.length === 0;
    if (!plain || this.#ended || this.#closed || room < FRAME_HEADER_BYTES) return 0;
    writeHeader(batch, at, FRAME.end, 0, this.#id);
    this.#ended = true;
    return FRAME_HEADER_BYTES;
  }

  get wantsTurn(): boolean {
    return this.#queued > 0 && this.#window > 0;
  }

  /** Called by the link after a round: the end follows the last byte, and writers hear of room. */
  afterTurn(): void {
    if (this.#closed) return;
    if (this.#queued === 0 && this.#trailers !== undefined && this.#host !== undefined) {
      if (this.#ended) this.#onEnded();
      else this.#finish(this.#host);
      return;
    }
    if (this.#blocked && this.#queued <= this.#queueLimit / 4) {
      this.#blocked = false;
      this.#onDrain();
    }
  }

  #sendPrompt(host: SendHost, chunk: Uint8Array): boolean {
    const { length } = chunk;
    if (length > this.#prompt || length > this.#window) return false;
    this.#prompt -= length;
    this.#window -= length;
    host.pushData(this.#id, chunk);
    return true;
  }

  #schedule(): void {
    if (!this.scheduled && this.wantsTurn && !this.#closed) this.#host?.schedule(this);
  }

  #finish(host: SendHost): void {
    if (this.#ended) return;
    this.#ended = true;
    host.pushEnd(this.#id, this.#trailers ?? []);
    this.#onEnded();
  }
}
