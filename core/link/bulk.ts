/** The bulk lane: the round of streams that have body bytes and credit to send them, in turn. */
import { BATCH_BYTES } from "./config.ts";
import { FRAME_HEADER_BYTES } from "./frames.ts";
import type { SendHalf } from "./send-half.ts";

/** Below this much room a quantum is not begun: it goes into the next batch. */
const ROOM_BYTES_MIN = 512;
/** Streams that are looked at to size a batch; with more, a full batch is assumed. */
const SIZED_STREAMS = 8;

export class BulkRound {
  #round: SendHalf[] = [];
  readonly #touched: SendHalf[] = [];

  get isEmpty(): boolean {
    return this.#round.length === 0;
  }

  add(half: SendHalf): void {
    if (half.scheduled) return;
    half.scheduled = true;
    this.#round.push(half);
  }

  /** How much of a batch the waiting bodies may fill beside `used` bytes. */
  roomBeside(used: number): number {
    const room = BATCH_BYTES - used;
    if (this.#round.length === 0 || room < ROOM_BYTES_MIN) return 0;
    if (this.#round.length > SIZED_STREAMS) return room;
    let wanted = 0;
    for (const half of this.#round) wanted += half.queuedBytes + 2 * FRAME_HEADER_BYTES;
    return Math.min(room, Math.max(wanted, ROOM_BYTES_MIN));
  }

  /** Fills the batch from `at` to `end`, one quantum a stream and turn; returns where it stopped. */
  fill(batch: Buffer, at: number, end: number): number {
    let next = 0;
    const round = this.#round;
    while (next < round.length && end - at >= ROOM_BYTES_MIN) {
      const half = round[next] as SendHalf;
      next += 1;
      at += half.takeFrame(batch, at, end - at);
      at += half.takeEnd(batch, at, end - at);
      if (half.wantsTurn) round.push(half);
      else half.scheduled = false;
      this.#touched.push(half);
    }
    round.splice(0, next);
    return at;
  }

  /** Lets the streams that had a turn queue their ends and tell their writers of room. */
  settle(): void {
    if (this.#touched.length === 0) return;
    for (const half of this.#touched.splice(0)) half.afterTurn();
  }

  clear(): void {
    this.#round = [];
    this.#touched.length = 0;
  }
}
