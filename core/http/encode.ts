/**
 * Writes messages as Latin-1 text, ready for a socket. Heads may come over a link from another
 * agent, so nothing is trusted: a name or value that would end its line, or that Latin-1 cannot
 * hold (U+010A would become a line feed), makes the whole head unwritable instead of two requests;
 * so does a field that frames the message in another way than its body is going to be.
 */
import type { RawHeaders, RequestHead, ResponseHead } from "../exchange/contract.ts";
import { fieldValue, isTarget, isToken, parseDecimal } from "./syntax.ts";

/** Everything a head may hold; also says that the text is Latin-1. */
const SAFE = /^[\t\r\n\x20-\x7e\x80-\xff]*$/;

/** True if the text is lines in CR LF, exactly as many as were written. */
function hasLines(text: string, lines: number): boolean {
  if (!SAFE.test(text)) return false;
  let count = 0;
  for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) count += 1;
  if (count !== lines) return false;
  count = 0;
  for (let at = text.indexOf("\r"); at >= 0; at = text.indexOf("\r", at + 1)) count += 1;
  return count === lines;
}

function hasTokenNames(fields: RawHeaders): boolean {
  for (let at = 0; at < fields.length; at += 2) if (!isToken(fields[at] as string)) return false;
  return true;
}

/**
 * True if the fields say nothing about the connection, and nothing about the body's end that is not
 * so; "none" is the body of an answer that may announce the length of one it does not have.
 * Connections are shared: a head that lies would make a part of one caller's message another's.
 */
export function hasTrueFraming(fields: RawHeaders, body: number | "chunked" | "none"): boolean {
  let hosts = 0;
  let lengths = 0;
  for (let at = 0; at < fields.length; at += 2) {
    const name = fields[at] as string;
    switch (name.length) {
      case 4:
        hosts += name.toLowerCase() === "host" ? 1 : 0;
        break;
      case 10:
        if (name.toLowerCase() === "connection") return false;
        break;
      case 14: {
        if (name.toLowerCase() !== "content-length") break;
        const length = parseDecimal(fields[at + 1] as string);
        lengths += 1;
        if (length === undefined || (body !== "none" && length !== body)) return false;
        break;
      }
      case 17:
        if (name.toLowerCase() === "transfer-encoding") return false;
    }
  }
  return hosts <= 1 && lengths <= 1;
}

function fieldLines(fields: RawHeaders): string {
  let text = "";
  for (let at = 0; at < fields.length; at += 2) text += `${fields[at]}: ${fields[at + 1]}\r\n`;
  return text;
}

/** A whole HTTP/1.1 request head with its framing; undefined if it cannot be written safely. */
export function encodeRequestHead(head: RequestHead): string | undefined {
  if (!isToken(head.method) || !isTarget(head.path) || !hasTokenNames(head.headers)) {
    return undefined;
  }
  if (!hasTrueFraming(head.headers, head.body)) return undefined;
  let lines = 2 + head.headers.length / 2;
  let text = `${head.method} ${head.path} HTTP/1.1\r\n`;
  if (fieldValue(head.headers, "host") === undefined) {
    text += `Host: ${head.authority}\r\n`;
    lines += 1;
  }
  text += fieldLines(head.headers);
  let connection = fieldValue(head.headers, "te") === undefined ? "" : "TE";
  if (head.upgrade !== undefined) {
    connection = connection === "" ? "Upgrade" : "TE, Upgrade";
    text += `Upgrade: ${head.upgrade}\r\n`;
    lines += 1;
  }
  if (connection !== "") {
    text += `Connection: ${connection}\r\n`;
    lines += 1;
  }
  if (head.body === "chunked") {
    text += "Transfer-Encoding: chunked\r\n";
    lines += 1;
  } else if (head.body > 0 && fieldValue(head.headers, "content-length") === undefined) {
    text += `Content-Length: ${head.body}\r\n`;
    lines += 1;
  }
  text += "\r\n";
  return hasLines(text, lines) ? text : undefined;
}

/**
 * A whole response head: the head's own fields, then `added` (framing and what this hop has to
 * say). Undefined if it cannot be written safely.
 */
export function encodeResponseHead(head: ResponseHead, added: RawHeaders): string | undefined {
  if (!hasTokenNames(head.headers)) return undefined;
  const fields = `${fieldLines(head.headers)}${fieldLines(added)}`;
  const text = `HTTP/1.1 ${head.status} ${head.reason}\r\n${fields}\r\n`;
  return hasLines(text, 2 + (head.headers.length + added.length) / 2) ? text : undefined;
}

/** What stands before a chunk's bytes; CR LF follows them. The chunk must not be empty. */
export function chunkStart(length: number): string {
  return `${length.toString(16)}\r\n`;
}

/** The end of a chunked body; trailers that cannot be written safely are left out. */
export function chunksEnd(trailers: RawHeaders): string {
  if (trailers.length === 0) return "0\r\n\r\n";
  const lines = fieldLines(trailers);
  if (!hasTokenNames(trailers) || !hasLines(lines, trailers.length / 2)) return "0\r\n\r\n";
  return `0\r\n${lines}\r\n`;
}

/**
 * Adds this hop to x-forwarded-for, -proto and -host: to the last line of each if the client (a
 * proxy before us) sent one, else as a new field.
 */
export function appendForwarded(
  fields: string[],
  address: string,
  proto: string,
  host: string,
): void {
  let forAt = -1;
  let protoAt = -1;
  let hostAt = -1;
  for (let at = 0; at < fields.length; at += 2) {
    const name = fields[at] as string;
    if (name.length < 15 || name.length > 17 || (name.charCodeAt(0) | 0x20) !== 0x78) continue;
    const lower = name.toLowerCase();
    if (lower === "x-forwarded-for") forAt = at + 1;
    else if (lower === "x-forwarded-proto") protoAt = at + 1;
    else if (lower === "x-forwarded-host") hostAt = at + 1;
  }
  append(fields, forAt, "x-forwarded-for", address);
  append(fields, protoAt, "x-forwarded-proto", proto);
  if (host !== "") append(fields, hostAt, "x-forwarded-host", host);
}

function append(fields: string[], at: number, name: string, value: string): void {
  if (at < 0) fields.push(name, value);
  else fields[at] = fields[at] === "" ? value : `${fields[at]}, ${value}`;
}
