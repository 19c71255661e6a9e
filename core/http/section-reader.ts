/**
 * Finds the end of a section of lines: a message's head, or the trailers of a chunked body. It
 * looks at every byte once, whatever the chunks in which they come, and accepts only lines that end
 * in CR LF and hold no control character but the tab, so that whatever parses the text afterwards
 * cannot disagree with another reader about where a line ends.
 */
import { HEAD_BYTES_MAX, REQUEST_LINE_BYTES_MAX } from "../limits.ts";
import { type HttpFault, latin1 } from "./syntax.ts";

const CR = 13;
const LF = 10;

/** 0: text. 1: CR. 2: LF. 3: never allowed. */
const CLASS = new Uint8Array(256);
for (let byte = 0; byte < 32; byte += 1) CLASS[byte] = 3;
CLASS[9] = 0;
CLASS[CR] = 1;
CLASS[LF] = 2;
CLASS[127] = 3;

/** Where in a line the next byte stands. */
const IN_LINE = 0;
const AFTER_CR = 1;
const AT_LINE_START = 2;
const AFTER_LAST_CR = 3;
const BEFORE_FIRST_LINE = 4;
const AFTER_CR_BEFORE_FIRST_LINE = 5;

/** Clients of old end a body with a CR LF too many (RFC 9112 §2.2); a few are forgiven. */
const EMPTY_LINES_MAX = 4;

type SectionKind = "request" | "response" | "trailers";

/** `feed` gives the offset after the section, or one of these. */
export const SECTION_UNFINISHED = -1;
export const SECTION_FAULTY = -2;

export class SectionReader {
  readonly #kind: SectionKind;
  readonly #bytesMax: number;
  #state = BEFORE_FIRST_LINE;
  #bytes = 0;
  #emptyLines = 0;
  #isFirstLine = true;
  #kept: Uint8Array | undefined;
  #keptLength = 0;
  /** The whole section once it is complete: each line ends in CR LF, the last is empty. */
  text = "";
  fault: HttpFault | undefined;

  constructor(kind: SectionKind, bytesMax = HEAD_BYTES_MAX) {
    this.#kind = kind;
    this.#bytesMax = bytesMax;
    this.reset();
  }

  /** Makes it ready for the next section. */
  reset(): void {
    this.#state = this.#kind === "request" ? BEFORE_FIRST_LINE : IN_LINE;
    if (this.#kind === "trailers") this.#state = AT_LINE_START;
    this.#bytes = 0;
    this.#emptyLines = 0;
    this.#isFirstLine = true;
    this.#kept = undefined;
    this.#keptLength = 0;
    this.text = "";
    this.fault = undefined;
  }

  /** True once a byte of the section (empty lines before it aside) has been seen. */
  get hasBegun(): boolean {
    return this.#bytes > 0;
  }

  /** Reads from `from`; bytes after the section are left alone. */
  feed(chunk: Uint8Array, from: number): number {
    let at = from;
    if (this.#state >= BEFORE_FIRST_LINE) {
      at = this.#skipEmptyLines(chunk, at);
      if (at < 0) return at;
    }
    const start = at;
    const end = this.#scan(chunk, at);
    if (end === SECTION_FAULTY) return end;
    if (end === SECTION_UNFINISHED) {
      this.#keep(chunk.subarray(start));
      return end;
    }
    if (this.#kept === undefined) {
      this.text = latin1(chunk, start, end);
    } else {
      this.#keep(chunk.subarray(start, end));
      this.text = latin1(this.#kept, 0, this.#keptLength);
      this.#kept = undefined;
    }
    return end;
  }

  #skipEmptyLines(chunk: Uint8Array, at: number): number {
    for (; at < chunk.length; at += 1) {
      const byte = chunk[at];
      if (this.#state === AFTER_CR_BEFORE_FIRST_LINE) {
        if (byte !== LF)
          return this.#fail("bad_request", "a CR without LF before the request line");
        this.#emptyLines += 1;
        if (this.#emptyLines > EMPTY_LINES_MAX) {
          return this.#fail("bad_request", "too many empty lines before the request line");
        }
        this.#state = BEFORE_FIRST_LINE;
      } else if (byte === CR) {
        this.#state = AFTER_CR_BEFORE_FIRST_LINE;
      } else {
        this.#state = IN_LINE;
        return at;
      }
    }
    return SECTION_UNFINISHED;
  }

  /** The offset after the empty line that ends the section. */
  #scan(chunk: Uint8Array, from: number): number {
    let state = this.#state;
    const budget = this.#bytesMax - this.#bytes;
    const limit = Math.min(chunk.length, from + budget);
    const lineBudget = from + REQUEST_LINE_BYTES_MAX - this.#bytes;
    for (let at = from; at < limit; at += 1) {
      const kind = CLASS[chunk[at] as number];
      if (kind === 0) {
        if (state === AFTER_CR || state === AFTER_LAST_CR) {
          return this.#fail("bad_request", "a CR that no LF follows");
        }
        if (this.#isFirstLine && at >= lineBudget && this.#kind === "request") {
          return this.#fail(
            "uri_too_long",
            `the request line is longer than ${REQUEST_LINE_BYTES_MAX} bytes`,
          );
        }
        state = IN_LINE;
      } else if (kind === 1) {
        if (state === IN_LINE) state = AFTER_CR;
        else if (state === AT_LINE_START) state = AFTER_LAST_CR;
        else return this.#fail("bad_request", "a CR that no LF follows");
      } else if (kind === 2) {
        if (state === AFTER_LAST_CR) {
          this.#bytes += at + 1 - from;
          return at + 1;
        }
        if (state !== AFTER_CR) return this.#fail("bad_request", "an LF without CR before it");
        this.#isFirstLine = false;
        state = AT_LINE_START;
      } else {
        return this.#fail("bad_request", "a control character in the header section");
      }
    }
    if (chunk.length - from >= budget) {
      return this.#fail(
        "header_too_large",
        `the header section is longer than ${this.#bytesMax} bytes`,
      );
    }
    this.#state = state;
    this.#bytes += chunk.length - from;
    return SECTION_UNFINISHED;
  }

  #keep(part: Uint8Array): void {
    const needed = this.#keptLength + part.length;
    if (this.#kept === undefined || this.#kept.length < needed) {
      const grown = new Uint8Array(Math.max(needed * 2, 1024));
      if (this.#kept !== undefined) grown.set(this.#kept.subarray(0, this.#keptLength));
      this.#kept = grown;
    }
    this.#kept.set(part, this.#keptLength);
    this.#keptLength = needed;
  }

  #fail(code: HttpFault["code"], message: string): typeof SECTION_FAULTY {
    this.fault = { code, message };
    this.#kept = undefined;
    return SECTION_FAULTY;
  }
}
