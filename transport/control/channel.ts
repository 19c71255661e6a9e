/**
 * One connection to a peer and the control stream on it. Packets leave in batches, one a turn; when
 * the stream is full they wait in a bounded queue that drops its oldest, since a late packet of a
 * loss-tolerant protocol is worth less than a new one. A connection that ends without a goodbye was
 * broken off: that is how a crashed process is told from one that left.
 */
import type { Connection, Stream, StreamCloseEvent, StreamMessageEvent } from "@libp2p/interface";
import { CONTROL_QUEUE_BYTES_MAX } from "../../core/limits.ts";
import type { CloseReason } from "../../core/seams.ts";
import type { NodeId } from "../../core/types.ts";
import {
  encodeFrame,
  FRAME_CERTIFICATE,
  FRAME_GOODBYE,
  FRAME_PACKET,
  FrameDecoder,
} from "./frames.ts";
import { abortConnection } from "./node.ts";
import { reasonOf } from "./reasons.ts";
import type { ProvedPeer } from "./secure-channel.ts";

/** What one send hands to the stream: bounds how long a small packet waits behind a big one. */
const BATCH_BYTES_MAX = 64 * 1024;
/** How long a goodbye may take to leave before the connection is cut. */
const CLOSE_MS_MAX = 1_000;
const GOODBYE_BYTES_MAX = 1_024;

export interface ChannelListener {
  onChannelPacket(channel: ControlChannel, packet: Uint8Array): void;
  onChannelCertificate(channel: ControlChannel, certificate: Uint8Array): void;
  /** Called once. */
  onChannelClosed(channel: ControlChannel, reason: CloseReason): void;
}

export class ControlChannel {
  readonly peer: NodeId;
  readonly connection: Connection;
  /** The address that was dialled; undefined if the peer dialled. */
  readonly address: string | undefined;
  certificate: Uint8Array;
  expiresWallMs: number;
  readonly #stream: Stream;
  readonly #listener: ChannelListener;
  readonly #decoder = new FrameDecoder();
  #queue: Uint8Array[] = [];
  #queuedBytes = 0;
  #flushing = false;
  #dropped = 0;
  #closed = false;

  constructor(
    connection: Connection,
    stream: Stream,
    proved: ProvedPeer,
    address: string | undefined,
    listener: ChannelListener,
  ) {
    this.connection = connection;
    this.peer = proved.peer;
    this.certificate = proved.certificate;
    this.expiresWallMs = proved.expiresWallMs;
    this.address = address;
    this.#stream = stream;
    this.#listener = listener;
  }

  /** Starts to read; packets that came before are delivered now. */
  open(): void {
    this.connection.addEventListener("close", (event) => this.#onClose(event));
    this.#stream.addEventListener("close", (event) => this.#onClose(event));
    this.#stream.addEventListener("remoteCloseWrite", () => this.#onClose(undefined));
    this.#stream.addEventListener("drain", () => this.#flushSoon());
    this.#stream.addEventListener("message", (event) => this.#onMessage(event));
    if (this.connection.status !== "open" || this.#stream.status !== "open") {
      queueMicrotask(() => this.#onClose(undefined));
    }
  }

  send(packet: Uint8Array): void {
    this.#enqueue(encodeFrame(FRAME_PACKET, packet));
  }

  /** Tells the peer about this node's renewed certificate. */
  sendCertificate(certificate: Uint8Array): void {
    this.#enqueue(encodeFrame(FRAME_CERTIFICATE, certificate));
  }

  /** Packets dropped since the last call because the peer did not read fast enough. */
  takeDropped(): number {
    const dropped = this.#dropped;
    this.#dropped = 0;
    return dropped;
  }

  queuedBytes(): number {
    return this.#queuedBytes;
  }

  /** Says goodbye and closes in order; resolves when the socket is gone. */
  async close(reason: string): Promise<void> {
    if (this.#closed) return;
    this.#flush();
    const words = new TextEncoder().encode(reason).subarray(0, GOODBYE_BYTES_MAX);
    this.#trySend(encodeFrame(FRAME_GOODBYE, words));
    this.#end({ kind: "closed", detail: reason });
    try {
      await this.connection.close({ signal: AbortSignal.timeout(CLOSE_MS_MAX) });
    } catch (error) {
      this.#cut(error);
    }
  }

  /** Cuts the connection. */
  abort(reason: CloseReason): void {
    if (this.#closed) return;
    this.#end(reason);
    this.#cut(new Error(reason.detail));
  }

  #enqueue(frame: Uint8Array): void {
    if (this.#closed) return;
    this.#queue.push(frame);
    this.#queuedBytes += frame.length;
    while (this.#queuedBytes > CONTROL_QUEUE_BYTES_MAX) {
      const oldest = this.#queue.shift();
      if (oldest === undefined) break;
      this.#queuedBytes -= oldest.length;
      this.#dropped += 1;
    }
    this.#flushSoon();
  }

  #flushSoon(): void {
    if (this.#flushing || this.#closed) return;
    this.#flushing = true;
    queueMicrotask(() => {
      this.#flushing = false;
      this.#flush();
    });
  }

  #flush(): void {
    while (!this.#closed && this.#queue.length > 0 && !this.#stream.writableNeedsDrain) {
      let bytes = 0;
      let count = 0;
      for (const frame of this.#queue) {
        if (count > 0 && bytes + frame.length > BATCH_BYTES_MAX) break;
        bytes += frame.length;
        count += 1;
      }
      const batch = this.#queue.splice(0, count);
      this.#queuedBytes -= bytes;
      if (!this.#trySend(Buffer.concat(batch, bytes))) return;
    }
  }

  /** A stream that no longer takes data is closing; its close event follows. */
  #trySend(bytes: Uint8Array): boolean {
    try {
      return this.#stream.send(bytes);
    } catch {
      return false;
    }
  }

  #onMessage(event: StreamMessageEvent): void {
    const chunks = event.data instanceof Uint8Array ? [event.data] : event.data;
    for (const chunk of chunks) {
      if (this.#closed) return;
      const wrong = this.#decoder.push(chunk, (type, payload) => this.#onFrame(type, payload));
      if (wrong !== undefined) {
        this.abort({ kind: "rejected", detail: `${this.peer} sent ${wrong}` });
        return;
      }
    }
  }

  #onFrame(type: number, payload: Uint8Array): void {
    if (this.#closed) return;
    if (type === FRAME_PACKET) this.#listener.onChannelPacket(this, payload);
    else if (type === FRAME_CERTIFICATE) this.#listener.onChannelCertificate(this, payload);
    else if (type === FRAME_GOODBYE) {
      const words = new TextDecoder().decode(payload.subarray(0, GOODBYE_BYTES_MAX));
      this.#end({ kind: "closed", detail: `the peer closed: ${words}` });
      // The peer closes its side now; this makes sure of it.
      this.connection
        .close({ signal: AbortSignal.timeout(CLOSE_MS_MAX) })
        .catch((error: unknown) => this.#cut(error));
    }
  }

  /** The connection, or only the stream on it, has ended without a goodbye. */
  #onClose(event: StreamCloseEvent | undefined): void {
    if (this.#closed) return;
    const error = event?.error;
    this.#end(
      error === undefined
        ? { kind: "reset", detail: "the connection ended without a goodbye" }
        : reasonOf(error, "reset"),
    );
    this.#cut(error ?? new Error("the control stream has ended"));
  }

  #cut(error: unknown): void {
    abortConnection(this.connection, error instanceof Error ? error : new Error(String(error)));
  }

  #end(reason: CloseReason): void {
    this.#closed = true;
    this.#queue = [];
    this.#queuedBytes = 0;
    this.#listener.onChannelClosed(this, reason);
  }
}
