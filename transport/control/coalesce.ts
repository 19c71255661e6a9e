/**
 * Fewer system calls for libp2p: as it comes, every Noise frame is two socket writes (length,
 * then ciphertext) and every received yamux frame is answered by one more. Here the chunks of one
 * turn of the microtask queue leave as one write: ten sends in a tick are three writes instead of
 * eighty.
 */
import type { AbortOptions, MessageStream } from "@libp2p/interface";

/** The part of a raw connection that is changed; it is libp2p's MultiaddrConnection. */
interface ClosableStream extends MessageStream {
  close(options?: AbortOptions): Promise<void>;
}

/** Changes how this one connection sends. Order, back-pressure and errors stay as they were. */
export function coalesceWrites(connection: MessageStream): void {
  const raw = connection as ClosableStream;
  const send = raw.send.bind(raw);
  const close = raw.close.bind(raw);
  let pending: Uint8Array[] = [];

  const flush = () => {
    const [first, ...rest] = pending;
    pending = [];
    // What was not sent when a connection broke is lost, as it would be in the socket's buffer.
    if (first === undefined || raw.status !== "open") return;
    try {
      send(rest.length === 0 ? first : Buffer.concat([first, ...rest]));
    } catch (error) {
      raw.abort(error instanceof Error ? error : new Error(String(error)));
    }
  };

  raw.send = (data) => {
    // Throws, as it should, if the connection no longer takes data.
    if (raw.status !== "open") return send(data);
    if (pending.length === 0) queueMicrotask(flush);
    if (data instanceof Uint8Array) pending.push(data);
    else for (const part of data) pending.push(part);
    return !raw.writableNeedsDrain;
  };
  raw.close = (options) => {
    flush();
    return close(options);
  };
}
