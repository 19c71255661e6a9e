/**
 * A socket after its handshake: seals what is sent, opens what comes, and says once why it ended.
 * All messages of one event-loop turn leave in one system call.
 */
import type { Socket } from "node:net";
import type { CloseReason } from "../../core/seams.ts";
import type { Aead } from "../crypto/aead.ts";
import type { HandshakeResult } from "./handshake.ts";
import { MESSAGE, Opener, PAYLOAD_BYTES_MAX, Sealer } from "./sealing.ts";

export interface SealedSocketEvents {
  onMessage(kind: number, payload: Buffer): void;
  onDrain(): void;
  /** Once, whoever ended it. */
  onGone(reason: CloseReason): void;
}

/** Unsent bytes at which a writer is told to wait: what a call can find ahead of it. */
const HIGH_WATER_BYTES = 256 * 1024;
/** From a sealed goodbye to the socket's forced end. */
const LINGER_MS = 2_000;

export class SealedSocket {
  readonly #socket: Socket;
  readonly #sealer: Sealer;
  readonly #opener: Opener;
  readonly #events: SealedSocketEvents;
  #corked = false;
  #awaitsDrain = false;
  #ending = false;
  #gone = false;
  /** Known before the socket's own end; later and vaguer causes do not replace it. */
  #reason: CloseReason | undefined;

  constructor(socket: Socket, aead: Aead, keys: HandshakeResult, events: SealedSocketEvents) {
    this.#socket = socket;
    this.#sealer = new Sealer(aead, keys.sendKey);
    this.#opener = new Opener(aead, keys.receiveKey);
    this.#events = events;
    socket.on("data", (chunk: Buffer) => this.#read(chunk));
    socket.on("drain", () => {
      if (!this.#awaitsDrain || this.#gone) return;
      this.#awaitsDrain = false;
      this.#events.onDrain();
    });
    socket.on("error", (error: NodeJS.ErrnoException) => {
      this.#reason ??= reasonOf(error);
    });
    socket.on("end", () => {
      this.#end({ kind: "reset", detail: "the connection ended without a goodbye" });
    });
    socket.on("close", () => {
      this.#end({ kind: "reset", detail: "the connection broke off" });
    });
  }

  /** Bytes that came with the end of the handshake. */
  replay(chunks: readonly Buffer[]): void {
    for (const chunk of chunks) this.#read(chunk);
  }

  /** Seals and sends one batch in as many messages as it needs. False: wait for onDrain. */
  sendBatch(batch: Uint8Array): boolean {
    let at = 0;
    while (batch.length - at > PAYLOAD_BYTES_MAX) {
      this.send(MESSAGE.part, batch.subarray(at, at + PAYLOAD_BYTES_MAX));
      at += PAYLOAD_BYTES_MAX;
    }
    return this.send(MESSAGE.batch, at === 0 ? batch : batch.subarray(at));
  }

  send(kind: number, payload: Uint8Array): boolean {
    if (this.#ending || this.#gone || this.#socket.destroyed) return true;
    if (this.#sealer.isSpent) {
      this.destroy({ kind: "closed", detail: "the sending key is used up" });
      return true;
    }
    if (!this.#corked) {
      this.#corked = true;
      this.#socket.cork();
      process.nextTick(() => {
        this.#corked = false;
        this.#socket.uncork();
      });
    }
    this.#socket.write(this.#sealer.seal(kind, payload));
    if (this.#socket.writableLength < HIGH_WATER_BYTES) return true;
    this.#awaitsDrain = true;
    return false;
  }

  /** Sends a last message and ends the socket behind it. */
  close(kind: number, text: string): void {
    if (this.#ending || this.#gone) return;
    this.send(kind, Buffer.from(text).subarray(0, PAYLOAD_BYTES_MAX));
    this.#ending = true;
    this.#reason ??= { kind: "closed", detail: text };
    this.#socket.end();
    const timer = setTimeout(() => this.#socket.destroy(), LINGER_MS);
    timer.unref();
    this.#socket.once("close", () => clearTimeout(timer));
  }

  destroy(reason: CloseReason): void {
    this.#reason ??= reason;
    this.#socket.destroy();
  }

  #read(chunk: Buffer): void {
    if (this.#gone) return;
    const verdict = this.#opener.read(chunk, (kind, payload) => {
      if (kind === MESSAGE.close) {
        this.#reason ??= { kind: "closed", detail: `the peer said: ${payload.toString("utf8")}` };
        this.#socket.end();
        this.#end(this.#reason);
      } else this.#events.onMessage(kind, payload);
      return !this.#gone;
    });
    if (verdict !== undefined) this.destroy({ kind: "rejected", detail: verdict });
  }

  #end(reason: CloseReason): void {
    if (this.#gone) return;
    this.#gone = true;
    this.#reason ??= reason;
    if (!this.#ending) this.#socket.destroySoon();
    this.#events.onGone(this.#reason);
  }
}

/** What a socket's error means for whoever wanted the link. */
export function reasonOf(error: NodeJS.ErrnoException): CloseReason {
  const detail = error.code === undefined ? error.message : `${error.code}: ${error.message}`;
  switch (error.code) {
    case "ECONNREFUSED":
      return { kind: "refused", detail };
    case "ECONNRESET":
    case "EPIPE":
    case "ECONNABORTED":
      return { kind: "reset", detail };
    case "ETIMEDOUT":
      return { kind: "timeout", detail };
    default:
      return { kind: "unreachable", detail };
  }
}
