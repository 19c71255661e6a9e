/**
 * Lists of Latin-1 strings, the bulk of every head: a count, a table of lengths, then all the text
 * in one run, so that a whole head costs one copy into the buffer and one out of it. Lengths below
 * 255 take one byte, others 255 and four more.
 */
import { HEAD_BYTES_MAX, HEADER_FIELDS_MAX } from "../limits.ts";
import { readU32, writeU32 } from "./frames.ts";

/** Text of one head: what a listener accepts, and room for what agents add to it on the way. */
const TEXT_BYTES_MAX = HEAD_BYTES_MAX + 16 * 1024;
/** Strings in one list: names and values of all fields, and the fixed strings of an OPEN. */
const TEXTS_MAX = 2 * (HEADER_FIELDS_MAX + 32);
/** The longest encoding of a list within these bounds. */
export const TEXTS_ENCODED_BYTES_MAX = 2 + 5 * TEXTS_MAX + TEXT_BYTES_MAX;

const LONG = 255;
// biome-ignore lint/suspicious/noControlCharactersInRegex: it is the range of Latin-1
const BEYOND_LATIN1 = /[^\u0000-\u00ff]/;

export type TextsVerdict = "ok" | "too_large" | "not_latin1";

export function checkTexts(texts: readonly string[]): TextsVerdict {
  if (texts.length > TEXTS_MAX) return "too_large";
  let total = 0;
  for (const text of texts) total += text.length;
  return total > TEXT_BYTES_MAX ? "too_large" : "ok";
}

/** Writes the list at `at` and returns the place behind it; -1 if some text is not Latin-1. */
export function writeTexts(buffer: Buffer, at: number, texts: readonly string[]): number {
  buffer[at] = texts.length >>> 8;
  buffer[at + 1] = texts.length;
  at += 2;
  for (const { length } of texts) {
    if (length < LONG) {
      buffer[at] = length;
      at += 1;
    } else {
      buffer[at] = LONG;
      writeU32(buffer, at + 1, length);
      at += 5;
    }
  }
  const all = texts.join("");
  if (BEYOND_LATIN1.test(all)) return -1;
  return at + buffer.write(all, at, "latin1");
}

/** Undefined if the bytes are not such a list or break a bound. */
export function readTexts(buffer: Buffer, at: number): string[] | undefined {
  if (at + 2 > buffer.length) return undefined;
  const count = ((buffer[at] as number) << 8) | (buffer[at + 1] as number);
  if (count > TEXTS_MAX) return undefined;
  const table = at + 2;
  at = table;
  let total = 0;
  for (let index = 0; index < count; index += 1) {
    if (at >= buffer.length) return undefined;
    let length = buffer[at] as number;
    at += 1;
    if (length === LONG) {
      if (at + 4 > buffer.length) return undefined;
      length = readU32(buffer, at);
      at += 4;
    }
    total += length;
  }
  if (total > TEXT_BYTES_MAX || at + total > buffer.length) return undefined;
  return cut(buffer.toString("latin1", at, at + total), buffer, table, count);
}

/** Cuts the one run of text along the table, which is known to be sound. */
function cut(all: string, buffer: Buffer, table: number, count: number): string[] {
  const texts = new Array<string>(count);
  let from = 0;
  for (let index = 0; index < count; index += 1) {
    let length = buffer[table] as number;
    table += 1;
    if (length === LONG) {
      length = readU32(buffer, table);
      table += 4;
    }
    texts[index] = all.substring(from, from + length);
    from += length;
  }
  return texts;
}
