/**
 * Takes a message body out of the byte stream (RFC 9112 §6 and §7): so many bytes, chunked, or all
 * until the connection ends. Pieces are handed on as they come, without copies. Chunk extensions
 * are checked and dropped; everything about a chunk's line that two readers could understand in two
 * ways (white space, LF alone, a sign, "0x", a size that overflows) is refused.
 */
import type { RawHeaders } from "../exchange/contract.ts";
import { CHUNK_EXTENSION_BYTES_MAX } from "../limits.ts";
import { parseTrailers } from "./fields.ts";
import { SECTION_FAULTY, SECTION_UNFINISHED, SectionReader } from "./section-reader.ts";
import { type HttpFault, NO_FIELDS } from "./syntax.ts";

export interface BodySink {
  /** The bytes belong to the receiver. */
  onBody(piece: Uint8Array): void;
}

export type BodyLength = number | "chunked" | "until-close";

type State =
  | "data"
  | "until-close"
  | "size-start"
  | "size"
  | "extension-blank"
  | "extension"
  | "size-lf"
  | "data-cr"
  | "data-lf"
  | "trailers"
  | "done";

/** 2^52 and more cannot be counted safely in a double; no chunk has that many bytes. */
const SIZE_DIGITS_MAX = 13;

const HEX = new Int8Array(256).fill(-1);
for (let digit = 0; digit < 10; digit += 1) HEX[48 + digit] = digit;
for (let digit = 10; digit < 16; digit += 1) {
  HEX[55 + digit] = digit;
  HEX[87 + digit] = digit;
}

export class BodyReader {
  #state: State = "done";
  #chunked = false;
  /** Bytes left of the body or of the chunk. */
  #left = 0;
  #digits = 0;
  #extensionBytes = 0;
  #section: SectionReader | undefined;
  trailers: RawHeaders = NO_FIELDS;
  fault: HttpFault | undefined;

  /** Makes it ready for the next body. */
  begin(length: BodyLength): void {
    this.trailers = NO_FIELDS;
    this.fault = undefined;
    this.#chunked = length === "chunked";
    this.#extensionBytes = 0;
    if (length === "chunked") this.#state = "size-start";
    else if (length === "until-close") this.#state = "until-close";
    else {
      this.#left = length;
      this.#state = length === 0 ? "done" : "data";
    }
  }

  get done(): boolean {
    return this.#state === "done";
  }

  /** True where the end of the connection is the regular end of the body. */
  get endsWithConnection(): boolean {
    return this.#state === "until-close";
  }

  /** Reads from `from` and gives the offset after what was read; look at `done` and `fault`. */
  feed(chunk: Uint8Array, from: number, sink: BodySink): number {
    let at = from;
    while (at < chunk.length && this.#state !== "done" && this.fault === undefined) {
      switch (this.#state) {
        case "until-close":
          sink.onBody(at === 0 ? chunk : chunk.subarray(at));
          return chunk.length;
        case "data":
          at = this.#takeData(chunk, at, sink);
          break;
        case "trailers":
          at = this.#takeTrailers(chunk, at);
          break;
        default:
          this.#takeSizeByte(chunk[at] as number);
          at += 1;
      }
    }
    return at;
  }

  #takeData(chunk: Uint8Array, at: number, sink: BodySink): number {
    const end = Math.min(chunk.length, at + this.#left);
    this.#left -= end - at;
    if (this.#left === 0) this.#state = this.#chunked ? "data-cr" : "done";
    sink.onBody(at === 0 && end === chunk.length ? chunk : chunk.subarray(at, end));
    return end;
  }

  #takeTrailers(chunk: Uint8Array, at: number): number {
    this.#section ??= new SectionReader("trailers");
    const next = this.#section.feed(chunk, at);
    if (next === SECTION_UNFINISHED) return chunk.length;
    if (next === SECTION_FAULTY) {
      this.fault = this.#section.fault;
      return chunk.length;
    }
    const { text } = this.#section;
    if (text.length > 2) {
      const parsed = parseTrailers(text);
      if ("fault" in parsed) this.fault = parsed.fault;
      else this.trailers = parsed.fields;
    }
    this.#section.reset();
    if (this.fault === undefined) this.#state = "done";
    return next;
  }

  /** One byte of what stands around the chunks' data. */
  #takeSizeByte(byte: number): void {
    switch (this.#state) {
      case "size-start":
        this.#left = 0;
        this.#digits = 0;
        this.#takeDigit(byte);
        this.#state = "size";
        return;
      case "size":
        if (byte === 13) this.#state = "size-lf";
        else if (byte === 59) this.#state = "extension";
        else if (byte === 32 || byte === 9) this.#state = "extension-blank";
        else this.#takeDigit(byte);
        return;
      case "extension-blank":
        if (byte === 59) this.#state = "extension";
        else if (byte !== 32 && byte !== 9) this.#fail("white space after a chunk size");
        this.#countExtension();
        return;
      case "extension":
        if (byte === 13) this.#state = "size-lf";
        else if ((byte < 32 && byte !== 9) || byte === 127) {
          this.#fail("a control character in a chunk extension");
        }
        this.#countExtension();
        return;
      case "size-lf":
        if (byte !== 10) this.#fail("a chunk size line that ends in CR without LF");
        this.#state = this.#left > 0 ? "data" : "trailers";
        return;
      case "data-cr":
        if (byte !== 13) this.#fail("a chunk that is longer than its size");
        this.#state = "data-lf";
        return;
      default:
        if (byte !== 10) this.#fail("a chunk that ends in CR without LF");
        this.#state = "size-start";
    }
  }

  #takeDigit(byte: number): void {
    const digit = HEX[byte] as number;
    if (digit < 0) {
      this.#fail("a chunk size that is not a hexadecimal number");
      return;
    }
    this.#digits += 1;
    if (this.#digits > SIZE_DIGITS_MAX) this.#fail("a chunk size that is too large");
    this.#left = this.#left * 16 + digit;
  }

  /** Counted over the whole body, so that tiny chunks cannot carry unbounded extensions. */
  #countExtension(): void {
    this.#extensionBytes += 1;
    if (this.#extensionBytes > CHUNK_EXTENSION_BYTES_MAX) this.#fail("chunk extensions too long");
  }

  #fail(message: string): void {
    this.fault ??= { code: "bad_request", message };
  }
}
