/**
 * What a handler threw, as its caller sees it. The class of the original stays where it was thrown:
 * a caller gets name, message and code, and never a stack, which would tell strangers about the
 * host's files.
 */
import { decode, encode } from "../codec.ts";
import { isRecord } from "../trust/fields.ts";

const NAME_CHARS_MAX = 128;
const MESSAGE_CHARS_MAX = 8 * 1024;

export class RemoteError extends Error {
  /** The `code` of the original, if it had one that is a text or a number. */
  readonly code: string | number | undefined;
  /** The method ran and failed; what it did before is done. */
  readonly executed = "unknown" as const;
  readonly retryable = false;
  readonly overloaded = false;

  constructor(name: string, message: string, code: string | number | undefined) {
    super(message);
    this.name = name;
    this.code = code;
  }
}

/** Whatever a handler may throw: an error, a text, nothing at all. */
export function remoteError(thrown: unknown): RemoteError {
  if (thrown instanceof RemoteError) return thrown;
  if (typeof thrown !== "object" || thrown === null) {
    return new RemoteError("Error", cut(describe(thrown), MESSAGE_CHARS_MAX), undefined);
  }
  const { name, message, code } = thrown as Record<string, unknown>;
  return new RemoteError(
    typeof name === "string" && name !== "" ? cut(name, NAME_CHARS_MAX) : "Error",
    typeof message === "string" ? cut(message, MESSAGE_CHARS_MAX) : "",
    cutCode(code),
  );
}

export function encodeRemoteError({ name, message, code }: RemoteError): Uint8Array {
  return encode({ name, message, ...(code === undefined ? {} : { code }) });
}

/** Undefined for bytes that hold no such error. */
export function decodeRemoteError(bytes: Uint8Array): RemoteError | undefined {
  const fields = decode(bytes);
  if (!isRecord(fields)) return undefined;
  const { name, message, code } = fields;
  if (typeof name !== "string" || typeof message !== "string") return undefined;
  return new RemoteError(cut(name, NAME_CHARS_MAX), cut(message, MESSAGE_CHARS_MAX), cutCode(code));
}

function describe(thrown: unknown): string {
  return typeof thrown === "symbol" ? thrown.toString() : `${thrown}`;
}

function cut(text: string, charsMax: number): string {
  return text.length <= charsMax ? text : `${text.slice(0, charsMax)}…`;
}

function cutCode(code: unknown): string | number | undefined {
  if (typeof code === "number") return code;
  return typeof code === "string" ? cut(code, NAME_CHARS_MAX) : undefined;
}
