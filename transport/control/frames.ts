/**
 * The framing of the control stream: length (u32, big-endian, of what follows) | type (1 byte) |
 * payload. Frames of a type that this version does not know are skipped, so that a newer one may
 * send them.
 */
import { CONTROL_PACKET_BYTES_MAX } from "../../core/limits.ts";

export const FRAME_PACKET = 0;
/** The sender is about to close in order; the payload says why, in UTF-8. */
export const FRAME_GOODBYE = 1;
/** The sender's certificate has been renewed; the payload is the new one. */
export const FRAME_CERTIFICATE = 2;

const LENGTH_BYTES = 4;
const HEADER_BYTES = LENGTH_BYTES + 1;

export function encodeFrame(type: number, payload: Uint8Array): Uint8Array {
  const frame = new Uint8Array(HEADER_BYTES + payload.length);
  new DataView(frame.buffer).setUint32(0, payload.length + 1);
  frame[LENGTH_BYTES] = type;
  frame.set(payload, HEADER_BYTES);
  return frame;
}

/** Cuts a stream of bytes into frames. Each payload is a copy that belongs to the receiver. */
export class FrameDecoder {
  readonly #header = new Uint8Array(HEADER_BYTES);
  #headerFilled = 0;
  #payload: Uint8Array | undefined;
  #payloadFilled = 0;

  /**
   * Takes the next bytes and hands over every frame that they complete. Returns what is wrong with
   * the stream, which must then be given up; undefined if nothing is.
   */
  push(
    chunk: Uint8Array,
    onFrame: (type: number, payload: Uint8Array) => void,
  ): string | undefined {
    let at = 0;
    while (at < chunk.length) {
      if (this.#payload === undefined) {
        at = this.#fillHeader(chunk, at);
        if (this.#headerFilled < HEADER_BYTES) return undefined;
        const length = new DataView(this.#header.buffer).getUint32(0) - 1;
        if (length < 0) return "an empty frame";
        if (length > CONTROL_PACKET_BYTES_MAX) {
          return `a packet of ${length} bytes; the limit is ${CONTROL_PACKET_BYTES_MAX}`;
        }
        this.#payload = new Uint8Array(length);
        this.#payloadFilled = 0;
      }
      const part = chunk.subarray(at, at + this.#payload.length - this.#payloadFilled);
      this.#payload.set(part, this.#payloadFilled);
      this.#payloadFilled += part.length;
      at += part.length;
      if (this.#payloadFilled < this.#payload.length) return undefined;
      const payload = this.#payload;
      this.#payload = undefined;
      this.#headerFilled = 0;
      onFrame(this.#header[LENGTH_BYTES] as number, payload);
    }
    return undefined;
  }

  #fillHeader(chunk: Uint8Array, at: number): number {
    const part = chunk.subarray(at, at + HEADER_BYTES - this.#headerFilled);
    this.#header.set(part, this.#headerFilled);
    this.#headerFilled += part.length;
    return at + part.length;
  }
}
