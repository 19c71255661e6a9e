/** One request over HTTP/2 without TLS, on a connection of its own, for health checks. */

import type { IncomingHttpHeaders, OutgoingHttpHeaders } from "node:http2";
import { connect } from "node:http2";
import { dial } from "./probe.ts";
import type { LocalTarget } from "./registration.ts";
import { describeTarget } from "./registration.ts";

/** A health answer is a few bytes; whatever more comes is not read. */
const ANSWER_BYTES_MAX = 64 * 1024;

interface Http2Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly trailers: IncomingHttpHeaders;
  /** At most 64 KiB. */
  readonly body: Buffer;
}

/**
 * Resolves with the whole answer when `body` is given, and with its head alone when it is not.
 * Rejects with the connection's error, or with the signal's reason.
 */
export function requestHttp2(
  target: LocalTarget,
  headers: OutgoingHttpHeaders,
  body: Uint8Array | undefined,
  signal: AbortSignal,
): Promise<Http2Answer> {
  const authority = "unix" in target ? "localhost" : describeTarget(target);
  return new Promise((resolve, reject) => {
    const socket = dial(target);
    const session = connect(`http://${authority}`, { createConnection: () => socket });
    const finish = (settle: () => void) => {
      signal.removeEventListener("abort", onAbort);
      session.destroy();
      socket.destroy();
      settle();
    };
    const fail = (error: unknown) => finish(() => reject(error));
    const onAbort = () => fail(signal.reason);
    // The session would report it too, but as the end of the stream.
    socket.prependListener("error", fail);
    signal.addEventListener("abort", onAbort, { once: true });
    session.on("error", fail);
    session.on("close", () => fail(new Error("connection closed before the answer")));
    if (signal.aborted) return onAbort();
    const stream = session.request(headers, { endStream: body === undefined });
    let answer: Http2Answer = { status: 0, headers: {}, trailers: {}, body: Buffer.alloc(0) };
    const chunks: Buffer[] = [];
    let length = 0;
    stream.on("error", fail);
    stream.on("response", (head) => {
      answer = { ...answer, status: Number(head[":status"]), headers: head };
      if (body === undefined) finish(() => resolve(answer));
    });
    stream.on("trailers", (trailers) => {
      answer = { ...answer, trailers };
    });
    stream.on("data", (chunk: Buffer) => {
      length += chunk.length;
      if (length > ANSWER_BYTES_MAX) fail(new Error("the answer is too long"));
      else chunks.push(chunk);
    });
    stream.on("end", () => finish(() => resolve({ ...answer, body: Buffer.concat(chunks) })));
    if (body !== undefined) stream.end(body);
  });
}
