/**
 * One lane's frames, encoded as they are queued: a run of bytes that grows to the size of a batch,
 * then a list of such runs, each of whole frames. No object per frame. Positions count all bytes
 * that ever entered, so that the owner of a frame can tell later whether it has left.
 */
import { BATCH_BYTES } from "./config.ts";
import { FRAME_HEADER_BYTES, writeHeader } from "./frames.ts";

const FIRST_BYTES = 1024;

export class Lane {
  readonly #full: Buffer[] = [];
  #buffer = Buffer.allocUnsafeSlow(FIRST_BYTES);
  #used = 0;
  #entered = 0;
  #left = 0;

  /** The position at which the next frame will begin. */
  get position(): number {
    return this.#entered;
  }

  /** Whether the frame that began at `position` has been taken out. */
  hasLeft(position: number): boolean {
    return position < this.#left;
  }

  get queuedBytes(): number {
    return this.#entered - this.#left;
  }

  /** Length of the first run of whole frames; 0 if there is none. */
  get headLength(): number {
    return this.#full[0]?.length ?? this.#used;
  }

  push(type: number, id: number, body: Uint8Array): void {
    const at = this.#reserve(FRAME_HEADER_BYTES + body.length);
    writeHeader(this.#buffer, at, type, body.length, id);
    if (body.length > 0) this.#buffer.set(body, at + FRAME_HEADER_BYTES);
  }

  /** A frame with one number before its body. */
  pushWithNumber(type: number, id: number, value: number, body: Uint8Array): void {
    const at = this.#reserve(FRAME_HEADER_BYTES + 4 + body.length);
    writeHeader(this.#buffer, at, type, 4 + body.length, id);
    this.#buffer.writeUInt32BE(value >>> 0, at + FRAME_HEADER_BYTES);
    if (body.length > 0) this.#buffer.set(body, at + FRAME_HEADER_BYTES + 4);
  }

  /** Moves the first run to `target` and returns its length. */
  moveHead(target: Buffer, at: number): number {
    const head = this.#full.shift();
    if (head !== undefined) {
      target.set(head, at);
      this.#left += head.length;
      return head.length;
    }
    const length = this.#used;
    this.#buffer.copy(target, at, 0, length);
    this.#left += length;
    this.#used = 0;
    // One oversized frame must not hold its memory for the rest of the link's life.
    if (this.#buffer.length > BATCH_BYTES) this.#buffer = Buffer.allocUnsafeSlow(FIRST_BYTES);
    return length;
  }

  /** Lets the memory of past bursts go while nothing waits. */
  trim(): void {
    if (this.queuedBytes === 0 && this.#buffer.length > FIRST_BYTES) {
      this.#buffer = Buffer.allocUnsafeSlow(FIRST_BYTES);
    }
  }

  /** Makes room and counts it as entered; returns where it begins in the buffer. */
  #reserve(length: number): number {
    const needed = this.#used + length;
    if (needed > this.#buffer.length) this.#makeRoom(length, needed);
    const at = this.#used;
    this.#used += length;
    this.#entered += length;
    return at;
  }

  #makeRoom(length: number, needed: number): void {
    if (needed <= BATCH_BYTES || this.#used === 0) {
      const grown = Buffer.allocUnsafeSlow(
        Math.max(needed, Math.min(BATCH_BYTES, this.#buffer.length * 4)),
      );
      this.#buffer.copy(grown, 0, 0, this.#used);
      this.#buffer = grown;
      return;
    }
    this.#full.push(this.#buffer.subarray(0, this.#used));
    this.#buffer = Buffer.allocUnsafeSlow(Math.max(length, BATCH_BYTES));
    this.#used = 0;
  }
}
