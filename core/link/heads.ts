/**
 * The bodies of OPEN, HEAD and END frames: numbers first, then one list of strings. Encoders return
 * a view of one shared scratch buffer, valid until the next call; decoders give undefined for
 * anything that is not what an encoder writes, and never throw.
 */
import type {
  AttemptContext,
  RawHeaders,
  RequestHead,
  ResponseHead,
} from "../exchange/contract.ts";
import { checkTexts, readTexts, TEXTS_ENCODED_BYTES_MAX, writeTexts } from "./texts.ts";

const KIND_TCP = 1;
const HAS_DEADLINE = 2;
const EXPECT_CONTINUE = 4;
const HAS_UPGRADE = 8;
const HAS_TRACEPARENT = 16;
const HAS_CALLER = 32;

/** flags, port, attempt, rank, then deadline, ring version, retry tokens and body length as doubles. */
const OPEN_FIXED_BYTES = 1 + 2 + 2 + 4 + 8 * 4;
const OPEN_TEXTS = 7;
/** status, body length as a double. */
const HEAD_FIXED_BYTES = 2 + 8;
/** A body of unknown length. */
const CHUNKED = -1;

const scratch = Buffer.allocUnsafeSlow(OPEN_FIXED_BYTES + TEXTS_ENCODED_BYTES_MAX);

export type Encoded = Uint8Array | "too_large" | "not_latin1";

export interface Opening {
  readonly context: AttemptContext;
  readonly request: RequestHead;
}

export function encodeOpening(context: AttemptContext, request: RequestHead): Encoded {
  const { deadlineLeftMs, traceparent, caller } = context;
  const { upgrade } = request;
  const texts = [
    context.requestId,
    context.service,
    context.instance,
    context.reason,
    request.method,
    request.path,
    request.authority,
  ];
  let flags = request.kind === "tcp" ? KIND_TCP : 0;
  if (deadlineLeftMs !== undefined) flags |= HAS_DEADLINE;
  if (request.expectContinue) flags |= EXPECT_CONTINUE;
  if (upgrade !== undefined) {
    flags |= HAS_UPGRADE;
    texts.push(upgrade);
  }
  if (traceparent !== undefined) {
    flags |= HAS_TRACEPARENT;
    texts.push(traceparent);
  }
  if (caller !== undefined) {
    flags |= HAS_CALLER;
    texts.push(caller);
  }
  for (const text of request.headers) texts.push(text);
  scratch[0] = flags;
  scratch.writeUInt16BE(context.port & 0xffff, 1);
  scratch.writeUInt16BE(Math.min(context.attempt, 0xffff), 3);
  scratch.writeInt32BE(context.rank | 0, 5);
  scratch.writeDoubleBE(deadlineLeftMs ?? 0, 9);
  scratch.writeDoubleBE(context.ringVersion, 17);
  scratch.writeDoubleBE(context.retryTokens, 25);
  scratch.writeDoubleBE(request.body === "chunked" ? CHUNKED : request.body, 33);
  return finish(OPEN_FIXED_BYTES, texts);
}

export function decodeOpening(body: Buffer): Opening | undefined {
  if (body.length < OPEN_FIXED_BYTES) return undefined;
  const flags = body[0] as number;
  const texts = readTexts(body, OPEN_FIXED_BYTES);
  const bodyLength = decodeBodyLength(body.readDoubleBE(33));
  if (texts === undefined || bodyLength === undefined) return undefined;
  let at = OPEN_TEXTS;
  const upgrade = flags & HAS_UPGRADE ? texts[at++] : undefined;
  const traceparent = flags & HAS_TRACEPARENT ? texts[at++] : undefined;
  const caller = flags & HAS_CALLER ? texts[at++] : undefined;
  if (texts.length < at || (texts.length - at) % 2 !== 0) return undefined;
  const deadlineLeftMs = flags & HAS_DEADLINE ? body.readDoubleBE(9) : undefined;
  const ringVersion = body.readDoubleBE(17);
  const retryTokens = body.readDoubleBE(25);
  if (!Number.isFinite(ringVersion + retryTokens + (deadlineLeftMs ?? 0))) return undefined;
  return {
    context: {
      requestId: texts[0] as string,
      service: texts[1] as string,
      instance: texts[2] as string,
      port: body.readUInt16BE(1),
      attempt: body.readUInt16BE(3),
      rank: body.readInt32BE(5),
      reason: texts[3] as string,
      deadlineLeftMs,
      traceparent,
      caller,
      ringVersion,
      retryTokens,
    },
    request: {
      kind: flags & KIND_TCP ? "tcp" : "http",
      method: texts[4] as string,
      path: texts[5] as string,
      authority: texts[6] as string,
      headers: texts.slice(at),
      body: bodyLength,
      upgrade,
      expectContinue: (flags & EXPECT_CONTINUE) !== 0,
    },
  };
}

export function encodeHead(head: ResponseHead): Encoded {
  scratch.writeUInt16BE(head.status & 0xffff, 0);
  scratch.writeDoubleBE(head.body === "chunked" ? CHUNKED : head.body, 2);
  return finish(HEAD_FIXED_BYTES, [head.reason, ...head.headers]);
}

export function decodeHead(body: Buffer): ResponseHead | undefined {
  if (body.length < HEAD_FIXED_BYTES) return undefined;
  const texts = readTexts(body, HEAD_FIXED_BYTES);
  const length = decodeBodyLength(body.readDoubleBE(2));
  const status = body.readUInt16BE(0);
  if (texts === undefined || length === undefined || texts.length % 2 !== 1) return undefined;
  if (status < 100 || status > 999) return undefined;
  return { status, reason: texts[0] as string, headers: texts.slice(1), body: length };
}

/** Nothing at all where there are no trailers. */
export function encodeTrailers(trailers: RawHeaders): Encoded {
  return trailers.length === 0 ? scratch.subarray(0, 0) : finish(0, trailers);
}

export function decodeTrailers(body: Buffer): RawHeaders | undefined {
  if (body.length === 0) return [];
  const texts = readTexts(body, 0);
  return texts === undefined || texts.length % 2 !== 0 ? undefined : texts;
}

function finish(at: number, texts: readonly string[]): Encoded {
  const verdict = checkTexts(texts);
  if (verdict !== "ok") return verdict;
  const end = writeTexts(scratch, at, texts);
  return end < 0 ? "not_latin1" : scratch.subarray(0, end);
}

function decodeBodyLength(value: number): number | "chunked" | undefined {
  if (value === CHUNKED) return "chunked";
  return Number.isSafeInteger(value) && value >= 0 ? value : undefined;
}
