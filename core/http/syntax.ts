/**
 * The alphabets of HTTP/1.x (RFC 9110 §5, RFC 9112 §2 to §4) as tables of 256 entries, and the way
 * from bytes to text. Everything is Latin-1: one byte is one character, so that a field value comes
 * out with the bytes with which it came in.
 */
import type { RequestErrorCode } from "../errors.ts";
import type { RawHeaders } from "../exchange/contract.ts";

/** Why a message was not accepted: a code of the catalogue, and what exactly is wrong with it. */
export interface HttpFault {
  readonly code: RequestErrorCode;
  readonly message: string;
}

export const NO_FIELDS: RawHeaders = Object.freeze([]) as RawHeaders;

const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const DIGITS = "0123456789";

function table(characters: string): Uint8Array {
  const marks = new Uint8Array(256);
  for (let at = 0; at < characters.length; at += 1) marks[characters.charCodeAt(at)] = 1;
  return marks;
}

/** tchar: methods and field names. */
const TOKEN = table(`${LETTERS}${DIGITS}!#$%&'*+-.^_\`|~`);

/**
 * What a request target may hold: visible ASCII without "#". Wider than RFC 3986, because clients
 * in use send "|", "{" and quotes as they are; none of these can end the request line.
 */
const TARGET = table(`${LETTERS}${DIGITS}-._~:/?[]@!$&'()*+,;=%"<>\\^\`{|}`);

/** reg-name and what separates a port; brackets are looked at apart. */
const HOST = table(`${LETTERS}${DIGITS}-._~!$&'()*+,;=%`);

function isMadeOf(marks: Uint8Array, text: string, from: number, to: number): boolean {
  if (from >= to) return false;
  for (let at = from; at < to; at += 1) {
    const character = text.charCodeAt(at);
    if (character > 255 || marks[character] === 0) return false;
  }
  return true;
}

export function isToken(text: string, from = 0, to = text.length): boolean {
  return isMadeOf(TOKEN, text, from, to);
}

export function isTarget(text: string): boolean {
  return isMadeOf(TARGET, text, 0, text.length);
}

export function isRegName(text: string): boolean {
  return isMadeOf(HOST, text, 0, text.length);
}

/** Digits only, no sign; undefined for anything else and for what a double cannot count. */
export function parseDecimal(text: string): number | undefined {
  if (text.length === 0 || text.length > 16) return undefined;
  let value = 0;
  for (let at = 0; at < text.length; at += 1) {
    const digit = text.charCodeAt(at) - 48;
    if (digit < 0 || digit > 9) return undefined;
    value = value * 10 + digit;
  }
  return value <= Number.MAX_SAFE_INTEGER ? value : undefined;
}

/** Decodes Latin-1. */
export function latin1(bytes: Uint8Array, from: number, to: number): string {
  const buffer = Buffer.isBuffer(bytes)
    ? bytes
    : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  return buffer.toString("latin1", from, to);
}

/** True if `list`, a comma-separated field value, holds `token` (given in lower case). */
export function hasListToken(list: string, token: string): boolean {
  if (list.length < token.length) return false;
  const lower = list.toLowerCase();
  if (lower === token) return true;
  return lower.includes(",") && listTokens(lower).includes(token);
}

/** The members of a comma-separated field value, without white space and empty members. */
export function listTokens(list: string): string[] {
  const tokens: string[] = [];
  for (const member of list.split(",")) {
    const token = trimBlanks(member);
    if (token !== "") tokens.push(token);
  }
  return tokens;
}

/** Without the spaces and tabs (and nothing else) at both ends. */
export function trimBlanks(text: string, from = 0, to = text.length): string {
  while (from < to && isBlank(text.charCodeAt(from))) from += 1;
  while (to > from && isBlank(text.charCodeAt(to - 1))) to -= 1;
  return text.slice(from, to);
}

function isBlank(character: number): boolean {
  return character === 32 || character === 9;
}

/** The value of the first field called `lowerName`, undefined where there is none. */
export function fieldValue(fields: RawHeaders, lowerName: string): string | undefined {
  for (let at = 0; at < fields.length; at += 2) {
    const name = fields[at] as string;
    if (name.length === lowerName.length && name.toLowerCase() === lowerName) return fields[at + 1];
  }
  return undefined;
}
