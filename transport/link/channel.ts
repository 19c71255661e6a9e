/**
 * A sealed connection as the links see it. It begins with both sides' verdicts on each other's
 * certificate: the responder speaks first, so that the dialer's first message finds a reader, and
 * whoever refuses says why. Only then is the channel open and carries batches.
 */
import type { Socket } from "node:net";
import { BATCH_BYTES_MAX } from "../../core/link/config.ts";
import type { CloseReason, LinkChannel } from "../../core/seams.ts";
import type { NodeId } from "../../core/types.ts";
import type { Aead } from "../crypto/aead.ts";
import type { HandshakeResult } from "./handshake.ts";
import type { CertificateVerdict } from "./link-transport.ts";
import { SealedSocket } from "./sealed-socket.ts";
import { MESSAGE } from "./sealing.ts";

export interface SealedChannelOptions {
  readonly peer: NodeId;
  readonly dialer: boolean;
  /** This side's verdict on the peer's certificate. */
  readonly verdict: CertificateVerdict;
  /** Judges a renewed certificate. */
  readonly check: (certificate: Uint8Array) => CertificateVerdict;
  readonly onOpened: () => void;
  /** Instead of onOpened: a LinkRefused, or a LinkBroken. */
  readonly onRefused: (error: Error) => void;
  readonly onBatch: (batch: Buffer) => void;
  readonly onDrain: () => void;
  readonly onClosed: (reason: CloseReason) => void;
}

/** One side did not accept the other's certificate. */
export class LinkRefused extends Error {
  readonly by: "us" | "peer";
  readonly detail: string;

  constructor(by: "us" | "peer", detail: string) {
    super(
      by === "us"
        ? `the peer's certificate is refused: ${detail}`
        : `the peer refuses this agent's certificate: ${detail}`,
    );
    this.name = "LinkRefused";
    this.by = by;
    this.detail = detail;
  }
}

/** The connection ended before both verdicts were exchanged. */
class LinkBroken extends Error {
  readonly reason: CloseReason;

  constructor(reason: CloseReason) {
    super(reason.detail);
    this.name = "LinkBroken";
    this.reason = reason;
  }
}

/** What a failed handshake means for the dialer. */
export function handshakeFailure(error: unknown): CloseReason {
  if (error instanceof LinkBroken) return error.reason;
  const message = error instanceof Error ? error.message : String(error);
  const detail = message.includes("stage 1 validation fail")
    ? `${message}: the address belongs to another trust domain or cluster, or is no link port`
    : message;
  return { kind: "rejected", detail };
}

export class SealedChannel implements LinkChannel {
  readonly peer: NodeId;
  readonly dialer: boolean;
  readonly #options: SealedChannelOptions;
  readonly #socket: SealedSocket;
  #phase: "settling" | "open" | "over" = "settling";
  #expiresWallMs: number;
  #parts: Buffer[] = [];
  #partBytes = 0;

  constructor(socket: Socket, aead: Aead, keys: HandshakeResult, options: SealedChannelOptions) {
    this.peer = options.peer;
    this.dialer = options.dialer;
    this.#options = options;
    this.#expiresWallMs = options.verdict.ok ? options.verdict.expiresWallMs : 0;
    this.#socket = new SealedSocket(socket, aead, keys, {
      onMessage: (kind, payload) => this.#onMessage(kind, payload),
      onDrain: () => {
        if (this.#phase === "open") options.onDrain();
      },
      onGone: (reason) => this.#onGone(reason),
    });
  }

  get isOpen(): boolean {
    return this.#phase === "open";
  }

  get expiresWallMs(): number {
    return this.#expiresWallMs;
  }

  /** Speaks first if it is this side's turn, then reads `rest`, which came with the handshake. */
  begin(rest: readonly Buffer[]): void {
    if (!this.dialer) this.#sayVerdict();
    this.#socket.replay(rest);
  }

  write(batch: Uint8Array): boolean {
    return this.#socket.sendBatch(batch);
  }

  close(): void {
    this.#socket.close(MESSAGE.close, "closed in order");
  }

  destroy(): void {
    this.#socket.destroy({ kind: "closed", detail: "dropped by this side" });
  }

  sendCertificate(certificate: Uint8Array): void {
    this.#socket.send(MESSAGE.certificate, certificate);
  }

  #sayVerdict(): void {
    const { verdict } = this.#options;
    if (verdict.ok) {
      this.#socket.send(MESSAGE.accept, new Uint8Array(0));
      return;
    }
    this.#fail(new LinkRefused("us", verdict.reason));
    this.#socket.close(MESSAGE.refuse, verdict.reason);
  }

  #onMessage(kind: number, payload: Buffer): void {
    if (this.#phase === "over") return;
    if (this.#phase === "settling") {
      this.#onVerdict(kind, payload);
      return;
    }
    switch (kind) {
      case MESSAGE.batch:
      case MESSAGE.part:
        this.#onPart(payload, kind === MESSAGE.batch);
        return;
      case MESSAGE.certificate:
        this.#onCertificate(payload);
        return;
      default:
        this.#socket.destroy({ kind: "rejected", detail: `unexpected message kind ${kind}` });
    }
  }

  #onVerdict(kind: number, payload: Buffer): void {
    if (kind === MESSAGE.refuse) {
      this.#fail(new LinkRefused("peer", payload.toString("utf8")));
      this.#socket.destroy({ kind: "rejected", detail: "refused" });
      return;
    }
    if (kind !== MESSAGE.accept) {
      this.#fail(new Error(`message kind ${kind} before the peer's verdict`));
      this.#socket.destroy({ kind: "rejected", detail: "no verdict" });
      return;
    }
    if (this.dialer) this.#sayVerdict();
    if (!this.#options.verdict.ok) return;
    this.#phase = "open";
    this.#options.onOpened();
  }

  #onPart(payload: Buffer, last: boolean): void {
    if (last && this.#parts.length === 0) {
      this.#options.onBatch(payload);
      return;
    }
    this.#partBytes += payload.length;
    if (this.#partBytes > BATCH_BYTES_MAX) {
      this.#socket.destroy({ kind: "rejected", detail: "a batch beyond all bounds" });
      return;
    }
    this.#parts.push(payload);
    if (!last) return;
    const batch = Buffer.concat(this.#parts, this.#partBytes);
    this.#parts = [];
    this.#partBytes = 0;
    this.#options.onBatch(batch);
  }

  #onCertificate(certificate: Buffer): void {
    const verdict = this.#options.check(certificate);
    // A bad renewal changes nothing: the certificate that was accepted still counts till it ends.
    if (verdict.ok) this.#expiresWallMs = Math.max(this.#expiresWallMs, verdict.expiresWallMs);
  }

  #onGone(reason: CloseReason): void {
    const wasOpen = this.#phase === "open";
    if (wasOpen) {
      this.#phase = "over";
      this.#options.onClosed(reason);
    } else this.#fail(new LinkBroken(reason));
  }

  #fail(error: Error): void {
    if (this.#phase !== "settling") return;
    this.#phase = "over";
    this.#options.onRefused(error);
  }
}
