/**
 * From the bytes of one frame to what it says: checks its form and hands it to the multiplexer or
 * to its stream. Whatever a peer sends, the answer is undefined (fine, or to be ignored) or a text
 * that says which rule it broke.
 */
import type { GrapevineError } from "../errors.ts";
import type { AttemptContext, RequestHead } from "../exchange/contract.ts";
import type { ClientStream } from "./client-stream.ts";
import { type LinkConfig, REASON_BYTES_MAX } from "./config.ts";
import { decodeError } from "./failures.ts";
import {
  decodeHello,
  FRAME,
  type Hello,
  OPTIONAL_FRAME,
  readU32,
  versionConflict,
} from "./frames.ts";
import { decodeHead, decodeOpening, decodeTrailers } from "./heads.ts";
import type { ServerStream } from "./server-stream.ts";

export interface FrameSink {
  readonly config: LinkConfig;
  onHello(hello: Hello): void;
  onPing(token: number): void;
  onPong(token: number): void;
  onGoAway(why: number, lastStream: number, lastCall: number): void;
  onGoAwayAck(): void;
  onClose(lastStream: number, lastCall: number, reason: string): void;
  onCall(id: number, deadlineLeftMs: number, payload: Uint8Array): void;
  onReply(id: number, error: GrapevineError | undefined, reply: Uint8Array | undefined): void;
  onOpen(id: number, context: AttemptContext, request: RequestHead): string | undefined;
  clientOf(id: number): ClientStream | undefined;
  serverOf(id: number): ServerStream | undefined;
  wasOpened(id: number): boolean;
}

export function readFrame(
  sink: FrameSink,
  greeted: boolean,
  type: number,
  id: number,
  body: Buffer,
): string | undefined {
  if (!greeted && type !== FRAME.hello && type !== FRAME.close) {
    return (type & OPTIONAL_FRAME) !== 0 ? undefined : `frame type ${type} before the hello`;
  }
  if (type >= FRAME.open) return readStreamFrame(sink, type, id, body);
  switch (type) {
    case FRAME.call:
      if (body.length < 4) return "a call without its deadline";
      sink.onCall(id, readU32(body, 0), body.subarray(4));
      return undefined;
    case FRAME.reply:
      sink.onReply(id, undefined, body);
      return undefined;
    case FRAME.callError: {
      const error = decodeError(body);
      if (error === undefined) return "a malformed error";
      sink.onReply(id, error, undefined);
      return undefined;
    }
    default:
      return readControlFrame(sink, greeted, type, id, body);
  }
}

function readControlFrame(
  sink: FrameSink,
  greeted: boolean,
  type: number,
  id: number,
  body: Buffer,
): string | undefined {
  switch (type) {
    case FRAME.hello: {
      const hello = greeted ? undefined : decodeHello(body);
      if (hello === undefined) return greeted ? "a second hello" : "a malformed hello";
      const conflict = versionConflict(hello, sink.config);
      if (conflict === undefined) sink.onHello(hello);
      return conflict;
    }
    case FRAME.ping:
      sink.onPing(id);
      return undefined;
    case FRAME.pong:
      sink.onPong(id);
      return undefined;
    case FRAME.goAway:
      if (body.length < 9) return "a malformed goAway";
      sink.onGoAway(body[0] as number, readU32(body, 1), readU32(body, 5));
      return undefined;
    case FRAME.goAwayAck:
      sink.onGoAwayAck();
      return undefined;
    case FRAME.close:
      if (body.length < 8) return "a malformed close";
      sink.onClose(
        readU32(body, 0),
        readU32(body, 4),
        body.toString("utf8", 8, Math.min(body.length, 8 + REASON_BYTES_MAX)),
      );
      return undefined;
    default:
      return `unknown frame type ${type}`;
  }
}

function readStreamFrame(
  sink: FrameSink,
  type: number,
  id: number,
  body: Buffer,
): string | undefined {
  if (type === FRAME.open) {
    const opening = decodeOpening(body);
    if (opening === undefined) return "a malformed OPEN";
    return sink.onOpen(id, opening.context, opening.request);
  }
  if ((type & OPTIONAL_FRAME) !== 0) return undefined;
  if (type > FRAME.window) return `unknown frame type ${type}`;
  const client = sink.clientOf(id);
  if (client !== undefined) return readAnswer(client, type, body);
  const server = sink.serverOf(id);
  if (server !== undefined) return readRequest(server, type, body);
  return sink.wasOpened(id) ? undefined : `a frame for stream ${id}, which was never opened`;
}

function readAnswer(stream: ClientStream, type: number, body: Buffer): string | undefined {
  switch (type) {
    case FRAME.data:
      return stream.onData(body)
        ? undefined
        : "body bytes without credit, head or before their turn";
    case FRAME.head:
    case FRAME.informational: {
      const head = decodeHead(body);
      if (head === undefined) return "a malformed response head";
      const fine = type === FRAME.head ? stream.onHead(head) : stream.onInformational(head);
      return fine ? undefined : "a response head out of order";
    }
    case FRAME.end: {
      const trailers = decodeTrailers(body);
      if (trailers === undefined) return "malformed trailers";
      return stream.onEnd(trailers) ? undefined : "the end of an answer out of order";
    }
    default:
      return readEither(stream, type, body);
  }
}

function readRequest(stream: ServerStream, type: number, body: Buffer): string | undefined {
  switch (type) {
    case FRAME.data:
      return stream.onData(body) ? undefined : "body bytes without credit or after their end";
    case FRAME.end: {
      const trailers = decodeTrailers(body);
      if (trailers === undefined) return "malformed trailers";
      return stream.onRequestEnd(trailers) ? undefined : "a second end of a request";
    }
    case FRAME.head:
    case FRAME.informational:
      return "a response head from the side that asked";
    default:
      return readEither(stream, type, body);
  }
}

/** Frames that both directions of a stream know. */
function readEither(
  stream: ClientStream | ServerStream,
  type: number,
  body: Buffer,
): string | undefined {
  if (type === FRAME.reset) {
    const error = decodeError(body);
    if (error === undefined) return "a malformed error";
    stream.fail(error);
    return undefined;
  }
  if (body.length < 4) return "a malformed window";
  return stream.onWindow(readU32(body, 0)) ? undefined : "more credit than a window can hold";
}
