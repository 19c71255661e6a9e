/** Reads the body of a request as JSON, strictly and with a bound, and says where it is broken. */
import type { IncomingMessage } from "node:http";
import { ApiError } from "./problem.ts";

/** Far more than the largest registration. */
const BODY_BYTES_MAX = 64 * 1024;

/** The value; undefined for an empty body. Throws `too_large` or `invalid_argument`. */
export async function readJson(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let length = 0;
  if (Number(request.headers["content-length"] ?? 0) > BODY_BYTES_MAX) throw tooLarge();
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > BODY_BYTES_MAX) throw tooLarge();
    chunks.push(chunk);
  }
  return length === 0 ? undefined : parseJson(decodeUtf8(Buffer.concat(chunks)));
}

function tooLarge(): ApiError {
  return new ApiError("too_large", `the body is larger than ${BODY_BYTES_MAX} bytes`, {
    headers: { connection: "close" },
  });
}

function decodeUtf8(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new ApiError("invalid_argument", "the body is not UTF-8");
  }
}

/** Parses JSON; what is malformed throws `invalid_argument` with line and column. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    const position = jsonErrorPosition(text);
    const before = text.slice(0, position).split("\n");
    const column = (before.at(-1)?.length ?? 0) + 1;
    const found =
      position >= text.length ? "it ends too early" : `unexpected ${shown(text, position)}`;
    throw new ApiError(
      "invalid_argument",
      `the body is not valid JSON: ${found} at line ${before.length}, column ${column}`,
    );
  }
}

function shown(text: string, position: number): string {
  return JSON.stringify(String.fromCodePoint(text.codePointAt(position) ?? 0));
}

const SPACE = /[ \t\n\r]*/y;
const STRING = /"(?:[^"\\\p{Cc}]|[\u007f-\u009f]|\\(?:["\\/bfnrt]|u[0-9A-Fa-f]{4}))*"/uy;
const SCALAR = /(?:-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?|true|false|null)/y;

/**
 * Where a text stops being JSON (RFC 8259): the offset of the first token that cannot stand there,
 * or the text's length if it ends too early or is valid. JSON.parse tells this for some mistakes
 * only. Goes through the text once, with a stack of its own, so that no nesting can exhaust ours.
 */
export function jsonErrorPosition(text: string): number {
  let at = 0;
  const take = (pattern: RegExp): boolean => {
    pattern.lastIndex = at;
    const found = pattern.test(text);
    if (found) at = pattern.lastIndex;
    return found;
  };
  const takeChar = (char: string): boolean => {
    if (text[at] !== char) return false;
    at += 1;
    return true;
  };
  const takeKey = (): boolean => {
    take(SPACE);
    return take(STRING) && take(SPACE) && takeChar(":");
  };
  /** The closing brackets that are still owed. */
  const open: ("]" | "}")[] = [];
  for (;;) {
    take(SPACE);
    const opened = takeChar("[") ? "]" : takeChar("{") ? "}" : undefined;
    if (opened !== undefined) {
      take(SPACE);
      if (!takeChar(opened)) {
        open.push(opened);
        if (opened === "}" && !takeKey()) return at;
        continue;
      }
    } else if (!take(STRING) && !take(SCALAR)) {
      return at;
    }
    // A value is complete: close what it closes, then go on after a comma.
    for (;;) {
      take(SPACE);
      const closing = open.at(-1);
      if (closing === undefined) return at;
      if (takeChar(",")) {
        if (closing === "}" && !takeKey()) return at;
        break;
      }
      if (!takeChar(closing)) return at;
      open.pop();
    }
  }
}
