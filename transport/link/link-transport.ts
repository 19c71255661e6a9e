/**
 * The data plane's sockets: listens on the link port, dials other agents, shakes hands, judges
 * certificates and gives the links above sealed channels. Sockets that have not proved who they are
 * have a cap and little time; nothing that they send can do more than close them.
 */
import { randomBytes } from "node:crypto";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import type { PrivateKey } from "@libp2p/interface";
import { peerIdFromString } from "@libp2p/peer-id";
import { HANDSHAKES_MAX } from "../../core/limits.ts";
import type { CloseReason, LinkListener, LinkTransport } from "../../core/seams.ts";
import type { NodeId } from "../../core/types.ts";
import { formatHostPort, parseHostPort } from "../addresses.ts";
import { Admission } from "../admission.ts";
import { type Aead, bestAead, portableAead } from "../crypto/aead.ts";
import { noiseCrypto } from "../crypto/noise-crypto.ts";
import { loadSodium } from "../crypto/sodium.ts";
import { handshakeFailure, LinkRefused, SealedChannel } from "./channel.ts";
import { type HandshakeIdentity, type HandshakeResult, shakeHands } from "./handshake.ts";
import { reasonOf } from "./sealed-socket.ts";

export type CertificateVerdict =
  | { readonly ok: true; readonly expiresWallMs: number }
  | { readonly ok: false; readonly reason: string };

export type LinkTransportEvent =
  /** libsodium does not load: links work, but slower. */
  | { readonly kind: "cipher_fallback"; readonly detail: string }
  /** An incoming connection did not become a link. */
  | { readonly kind: "handshake_failed"; readonly remote: string; readonly detail: string }
  /** So many more of those, not reported one by one. */
  | { readonly kind: "handshakes_failed"; readonly count: number }
  | {
      readonly kind: "certificate_refused";
      readonly remote: string;
      readonly peer: NodeId;
      /** Which side did not accept the other's certificate. */
      readonly by: "us" | "peer";
      readonly detail: string;
    };

export interface LinkTransportOptions {
  readonly privateKey: PrivateKey;
  readonly certificate: Uint8Array;
  /** Agents of different trust domains cannot shake hands. */
  readonly trustDomain: string;
  /** HOST:PORT or [v6]:PORT to listen on; port 0 takes a free one. */
  readonly bind: string;
  readonly check: (peer: NodeId, certificate: Uint8Array) => CertificateVerdict;
  readonly report: (event: LinkTransportEvent) => void;
  /** "portable" does without libsodium. Default: the best that loads. */
  readonly cipher?: "best" | "portable";
  /** From the open socket to the finished handshake, dialled or accepted. Default 5,000. */
  readonly handshakeTimeoutMs?: number;
  /** What the timeout shrinks to as unproved sockets near their cap. Default 400. */
  readonly handshakeTimeoutMsMin?: number;
  /** Incoming sockets that have not proved who they are. Default HANDSHAKES_MAX. */
  readonly unprovedMax?: number;
}

export interface RunningLinkTransport extends LinkTransport {
  /** HOST:PORT that it listens on, with the real port. */
  readonly address: string;
  /** The cipher in use. */
  readonly cipher: Aead["kind"];
  /** A renewed certificate for new handshakes; also sent over every live link, which it extends. */
  renewCertificate(certificate: Uint8Array): void;
  /** Stops listening and drops every socket. */
  close(): Promise<void>;
}

/** Flushes links at the end of an event-loop turn: the `flushSoon` of the real world. */
export function flushAtTurnEnd(callback: () => void): void {
  setImmediate(callback);
}

/** Opens the link port. Rejects with the system's error if it cannot listen there. */
export async function createLinkTransport(
  options: LinkTransportOptions,
): Promise<RunningLinkTransport> {
  const bind = parseHostPort(options.bind);
  if (bind === undefined) throw new Error(`"${options.bind}" is not HOST:PORT`);
  const transport = new TcpLinkTransport(options);
  await transport.listen(bind.host, bind.port);
  return transport;
}

/** Incoming connections that failed, reported one by one in one period; the rest are counted. */
const FAILURES_REPORTED_MAX = 20;
const FAILURES_PERIOD_MS = 5_000;

/** An incoming connection that has not proved who it is. */
interface Guest {
  readonly socket: Socket;
  readonly remote: string;
  readonly timeout: AbortController;
  readonly timer: NodeJS.Timeout;
  readonly tooLate: string;
  hasBegun: boolean;
  isTurnedAway: boolean;
}

/** From `close` to the forced end of sockets whose goodbye is not out yet. */
const CLOSE_LINGER_MS = 1_000;

class TcpLinkTransport implements RunningLinkTransport {
  readonly cipher: Aead["kind"];
  address = "";
  readonly #options: LinkTransportOptions;
  readonly #aead: Aead;
  #identity: HandshakeIdentity;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #channels = new Set<SealedChannel>();
  readonly #admission: Admission<Guest>;
  #failures = 0;
  #failuresTimer: NodeJS.Timeout | undefined;
  #listener: LinkListener | undefined;
  #closed = false;

  constructor(options: LinkTransportOptions) {
    this.#options = options;
    this.#aead = options.cipher === "portable" ? portableAead() : bestAead();
    this.cipher = this.#aead.kind;
    if (this.cipher === "portable") {
      const why = options.cipher === "portable" ? "as configured" : loadSodium().failure;
      options.report({
        kind: "cipher_fallback",
        detail: `links run without libsodium and are slower (${why}); to cure: npm install sodium-native`,
      });
    }
    this.#identity = {
      privateKey: options.privateKey,
      certificate: options.certificate,
      trustDomain: options.trustDomain,
      crypto: noiseCrypto(this.#aead),
      staticKey: randomBytes(32),
    };
    this.#admission = new Admission({
      guestsMax: options.unprovedMax ?? HANDSHAKES_MAX,
      begin: (guest) => this.#begin(guest),
      drop: (guest, why) => this.#turnAway(guest, why),
    });
    const settings = { noDelay: true, pauseOnConnect: true };
    this.#server = createServer(settings, (socket) => this.#onConnection(socket));
  }

  listen(host: string, port: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen({ host, port }, () => {
        this.#server.off("error", reject);
        // Running out of file descriptors must not end the agent; the next accept may succeed.
        this.#server.on("error", (error) => {
          this.#reportFailure("", error.message);
        });
        const { address, port: real } = this.#server.address() as AddressInfo;
        this.address = formatHostPort(address, real);
        resolve();
      });
    });
  }

  start(listener: LinkListener): void {
    this.#listener = listener;
  }

  dial(attempt: number, peer: NodeId, address: string): void {
    const target = parseHostPort(address);
    const fail = (reason: CloseReason) => this.#listener?.onDialFailed(attempt, peer, reason);
    if (target === undefined || target.port === 0 || this.#closed) {
      const detail = this.#closed ? "this agent stops" : `"${address}" is not HOST:PORT`;
      setImmediate(fail, { kind: "unreachable", detail });
      return;
    }
    const socket = connect({ ...target, noDelay: true });
    this.#own(socket);
    let failure: CloseReason | undefined;
    const onError = (error: NodeJS.ErrnoException) => {
      failure ??= reasonOf(error);
    };
    socket.on("error", onError);
    const timeout = new AbortController();
    const timer = setTimeout(() => {
      const detail = `no handshake within ${this.#handshakeTimeoutMs} ms`;
      failure ??= { kind: "timeout", detail };
      timeout.abort();
      socket.destroy();
    }, this.#handshakeTimeoutMs);
    const ended = (reason: CloseReason) => {
      clearTimeout(timer);
      socket.destroy();
      fail(failure ?? reason);
    };
    const onEarlyClose = () => ended({ kind: "unreachable", detail: "the connection broke off" });
    socket.once("close", onEarlyClose);
    socket.once("connect", () => {
      socket.off("close", onEarlyClose);
      this.#dialed(socket, peer, attempt, timeout.signal).then(
        () => clearTimeout(timer),
        (error: unknown) => ended(handshakeFailure(error)),
      );
    });
  }

  renewCertificate(certificate: Uint8Array): void {
    this.#identity = { ...this.#identity, certificate };
    for (const channel of this.#channels) channel.sendCertificate(certificate);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    const ended = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    clearTimeout(this.#failuresTimer);
    for (const guest of this.#admission.close()) guest.socket.destroy();
    for (const socket of this.#sockets) socket.destroySoon();
    const timer = setTimeout(() => {
      for (const socket of this.#sockets) socket.destroy();
    }, CLOSE_LINGER_MS);
    await ended;
    clearTimeout(timer);
  }

  get #handshakeTimeoutMs(): number {
    return this.#options.handshakeTimeoutMs ?? 5_000;
  }

  #own(socket: Socket): void {
    this.#sockets.add(socket);
    socket.once("close", () => this.#sockets.delete(socket));
  }

  /** The dialer's side, until the peer's first message says whether it takes us. */
  async #dialed(socket: Socket, peer: NodeId, attempt: number, signal: AbortSignal): Promise<void> {
    const result = await shakeHands(socket, this.#identity, peerIdFromString(peer), signal);
    const verdict = this.#options.check(peer, result.certificate);
    await this.#settle(socket, result, verdict, peer, attempt, signal);
  }

  #onConnection(socket: Socket): void {
    socket.on("error", () => {});
    if (this.#closed) {
      socket.destroy();
      return;
    }
    this.#own(socket);
    const ip = socket.remoteAddress ?? "?";
    const remote = formatHostPort(ip, socket.remotePort ?? 0);
    const least = this.#options.handshakeTimeoutMsMin ?? 400;
    const share = 1 - this.#admission.size / (this.#options.unprovedMax ?? HANDSHAKES_MAX);
    const allowedMs = Math.max(
      Math.min(least, this.#handshakeTimeoutMs),
      this.#handshakeTimeoutMs * share,
    );
    const tooLate = `no handshake within ${Math.round(allowedMs)} ms`;
    const timer = setTimeout(() => {
      guest.timeout.abort();
      if (!guest.hasBegun) this.#turnAway(guest, tooLate);
    }, allowedMs);
    const guest: Guest = {
      ...{ socket, remote, timer, tooLate, timeout: new AbortController(), hasBegun: false },
      isTurnedAway: false,
    };
    socket.once("close", () => this.#forget(guest));
    this.#admission.arrive(guest, ip);
  }

  #begin(guest: Guest): void {
    const { socket, remote, timeout, tooLate } = guest;
    guest.hasBegun = true;
    this.#accepted(socket, remote, timeout.signal)
      .catch((error: unknown) => {
        if (guest.isTurnedAway) return;
        const detail = timeout.signal.aborted ? tooLate : handshakeFailure(error).detail;
        this.#turnAway(guest, detail);
      })
      .finally(() => this.#forget(guest));
    socket.resume();
  }

  #turnAway(guest: Guest, why: string): void {
    guest.isTurnedAway = true;
    this.#reportFailure(guest.remote, why);
    guest.socket.destroy();
  }

  #forget(guest: Guest): void {
    clearTimeout(guest.timer);
    this.#admission.leave(guest);
  }

  /** Strangers cannot fill the log: beyond some reports they are only counted for a while. */
  #reportFailure(remote: string, detail: string): void {
    this.#failures += 1;
    if (this.#failures <= FAILURES_REPORTED_MAX) {
      this.#options.report({ kind: "handshake_failed", remote, detail });
    }
    this.#failuresTimer ??= setTimeout(() => {
      const count = this.#failures - FAILURES_REPORTED_MAX;
      this.#failures = 0;
      this.#failuresTimer = undefined;
      if (count > 0) this.#options.report({ kind: "handshakes_failed", count });
    }, FAILURES_PERIOD_MS).unref();
  }

  async #accepted(socket: Socket, remote: string, signal: AbortSignal): Promise<void> {
    const result = await shakeHands(socket, this.#identity, undefined, signal);
    const peer = result.peer.toString() as NodeId;
    const verdict = this.#options.check(peer, result.certificate);
    await this.#settle(socket, result, verdict, peer, undefined, signal).catch((error: unknown) => {
      if (!(error instanceof LinkRefused)) throw error;
      const { by, detail } = error;
      this.#options.report({ kind: "certificate_refused", remote, peer, by, detail });
    });
  }

  /**
   * Exchanges the verdicts on the certificates and opens the link. Rejects with LinkRefused, or
   * with what broke the connection, if it does not come to that.
   */
  #settle(
    socket: Socket,
    result: HandshakeResult,
    verdict: CertificateVerdict,
    peer: NodeId,
    attempt: number | undefined,
    signal: AbortSignal,
  ): Promise<void> {
    return new Promise((resolve, reject) => {
      const listener = this.#listener;
      if (listener === undefined) {
        reject(new Error("links are not started yet"));
        return;
      }
      const channel = new SealedChannel(socket, this.#aead, result, {
        peer,
        dialer: attempt !== undefined,
        verdict,
        check: (certificate) => this.#options.check(peer, certificate),
        onOpened: () => {
          this.#channels.add(channel);
          resolve();
          listener.onOpened(channel, attempt);
        },
        onRefused: reject,
        onBatch: (batch) => listener.onBatch(channel, batch),
        onDrain: () => listener.onDrain(channel),
        onClosed: (reason) => {
          this.#channels.delete(channel);
          listener.onClosed(channel, reason);
        },
      });
      const giveUp = () => {
        if (!channel.isOpen) channel.destroy();
      };
      if (signal.aborted) giveUp();
      else signal.addEventListener("abort", giveUp);
      channel.begin(result.rest);
    });
  }
}
