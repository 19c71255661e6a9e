/**
 * Noise for the control plane, as a libp2p connection encrypter: the node certificate rides in
 * the handshake's extension and the trust domain in its prologue. In Noise's XX pattern the
 * responder sees the dialer's certificate last, when the dialer already believes to be connected;
 * therefore both sides follow the handshake with a verdict (u16 length | 0 accepted, 1 refused |
 * reason in UTF-8) and neither goes on before it has read the other's. So a refusal is known,
 * with its reason, on both sides, and nothing above ever sees a connection that was not accepted
 * by both.
 */
import type {
  ConnectionEncrypter,
  MessageStream,
  SecureConnectionOptions,
  SecuredConnection,
  StreamCloseEvent,
  StreamMessageEvent,
} from "@libp2p/interface";
import { type ICryptoInterface, noise } from "@libp2p/noise";
import { CERTIFICATE_BYTES_MAX } from "../../core/trust/certificate.ts";
import type { NodeId } from "../../core/types.ts";
import { HandshakeFailure, reasonOf } from "./reasons.ts";

const ACCEPTED = 0;
const REFUSED = 1;
const VERDICT_BYTES_MAX = 1024;
/** How long a refused peer may take to read why. */
const REFUSAL_LINGER_MS = 1_000;

export type CertificateCheck = (
  peer: NodeId,
  certificate: Uint8Array,
) =>
  | { readonly ok: true; readonly expiresWallMs: number }
  | { readonly ok: false; readonly reason: string };

/** What the handshake has proved about the peer. */
export interface ProvedPeer {
  readonly peer: NodeId;
  readonly certificate: Uint8Array;
  readonly expiresWallMs: number;
}

export interface SecureChannelOptions {
  readonly self: NodeId;
  readonly trustDomain: string;
  readonly crypto: ICryptoInterface;
  /** This node's certificate at the time of each handshake. */
  readonly certificate: () => Uint8Array;
  readonly check: CertificateCheck;
  /** Whom a dial with this abort signal expects; undefined for anybody. */
  readonly expected: (signal: AbortSignal | undefined) => NodeId | undefined;
  /** Called for each connection at the end of a good handshake. */
  readonly onProved: (connection: MessageStream, proved: ProvedPeer) => void;
  /** Called for each handshake that fails, with what the operator should read. */
  readonly onFailed: (
    connection: MessageStream,
    peer: NodeId | undefined,
    failure: HandshakeFailure,
    signal: AbortSignal | undefined,
  ) => void;
}

type NoiseFactory = ReturnType<typeof noise>;
type NoiseComponents = Parameters<NoiseFactory>[0];
type Noise = ReturnType<NoiseFactory>;

export function secureChannel(
  options: SecureChannelOptions,
): (components: NoiseComponents) => ConnectionEncrypter {
  return (components) => new SecureChannel(components, options);
}

class SecureChannel implements ConnectionEncrypter {
  readonly protocol = "/grapevine/noise/1";
  readonly #components: NoiseComponents;
  readonly #options: SecureChannelOptions;
  #noise: Noise | undefined;
  #noiseCertificate: Uint8Array | undefined;

  constructor(components: NoiseComponents, options: SecureChannelOptions) {
    this.#components = components;
    this.#options = options;
  }

  secureOutbound(
    connection: MessageStream,
    options?: SecureConnectionOptions,
  ): Promise<SecuredConnection> {
    return this.#secure(connection, options, true);
  }

  secureInbound(
    connection: MessageStream,
    options?: SecureConnectionOptions,
  ): Promise<SecuredConnection> {
    return this.#secure(connection, options, false);
  }

  async #secure(
    connection: MessageStream,
    options: SecureConnectionOptions | undefined,
    dialer: boolean,
  ): Promise<SecuredConnection> {
    const signal = options?.signal;
    let peer: NodeId | undefined;
    try {
      const secured = await this.#handshake(connection, options, dialer);
      peer = secured.remotePeer.toString() as NodeId;
      const certificate = secured.remoteExtensions?.webtransportCerthashes[0];
      const expiresWallMs = await this.#exchangeVerdicts(
        secured.connection,
        peer,
        certificate,
        signal,
      );
      this.#options.onProved(connection, {
        peer,
        certificate: certificate ?? new Uint8Array(0),
        expiresWallMs,
      });
      return secured;
    } catch (error) {
      const failure =
        error instanceof HandshakeFailure
          ? error
          : new HandshakeFailure(reasonOf(error, "rejected"));
      this.#options.onFailed(connection, peer, failure, signal);
      throw failure;
    }
  }

  async #handshake(
    connection: MessageStream,
    options: SecureConnectionOptions | undefined,
    dialer: boolean,
  ) {
    const inner = this.#inner();
    try {
      return await (dialer
        ? inner.secureOutbound(connection, options)
        : inner.secureInbound(connection, options));
    } catch (error) {
      const { kind, detail } = reasonOf(error, "rejected");
      if (options?.signal?.aborted === true) {
        throw new HandshakeFailure({ kind: "timeout", detail: "the handshake took too long" });
      }
      if (kind === "timeout") throw error;
      // A dialer that stops after the responder's answer did not like it, and cannot say so.
      if (!dialer && kind === "reset") {
        throw new HandshakeFailure({
          kind: "rejected",
          detail:
            `the dialer broke off the handshake: it may be of another trust domain or cluster ` +
            `than "${this.#options.trustDomain}" (${detail})`,
        });
      }
      throw new HandshakeFailure(
        kind === "reset"
          ? { kind, detail: `the peer broke off the handshake (${detail})` }
          : {
              kind: "rejected",
              detail:
                `the peer is of another trust domain or cluster than ` +
                `"${this.#options.trustDomain}", or not a Grapevine agent (${detail})`,
            },
      );
    }
  }

  /** Noise takes the certificate when it is made; a renewed one needs a new instance. */
  #inner(): Noise {
    const certificate = this.#options.certificate();
    if (this.#noise === undefined || certificate !== this.#noiseCertificate) {
      const { crypto, trustDomain } = this.#options;
      this.#noiseCertificate = certificate;
      this.#noise = noise({
        crypto,
        prologueBytes: new TextEncoder().encode(`grapevine/control/1/${trustDomain}`),
        extensions: { webtransportCerthashes: [certificate] },
      })(this.#components);
    }
    return this.#noise;
  }

  /** Returns when the peer's certificate expires; throws if either side refuses the other. */
  async #exchangeVerdicts(
    stream: MessageStream,
    peer: NodeId,
    certificate: Uint8Array | undefined,
    signal: AbortSignal | undefined,
  ): Promise<number> {
    const own = this.#judge(peer, certificate, signal);
    stream.send(encodeVerdict(own.ok ? undefined : own.reason));
    if (!own.ok) {
      // Their verdict matters no more; they must have the time to read ours. Not if they refuse too.
      const theirs = await readVerdict(stream, signal).catch(() => undefined);
      if (theirs === undefined) await closedWithin(stream, REFUSAL_LINGER_MS);
      const detail = `this agent refused ${peer}: ${own.reason}`;
      throw new HandshakeFailure({ kind: "rejected", detail });
    }
    const theirs = await readVerdict(stream, signal);
    if (theirs !== undefined) {
      throw new HandshakeFailure({
        kind: "rejected",
        detail: `${peer} refused this agent: ${theirs}`,
      });
    }
    return own.expiresWallMs;
  }

  #judge(
    peer: NodeId,
    certificate: Uint8Array | undefined,
    signal: AbortSignal | undefined,
  ): ReturnType<CertificateCheck> {
    const expected = this.#options.expected(signal);
    if (peer === this.#options.self) return { ok: false, reason: "it is this agent itself" };
    if (expected !== undefined && expected !== peer) {
      return { ok: false, reason: `another agent is expected at this address: ${expected}` };
    }
    if (certificate === undefined || certificate.length > CERTIFICATE_BYTES_MAX) {
      return { ok: false, reason: "its handshake carries no certificate" };
    }
    return this.#options.check(peer, certificate);
  }
}

function encodeVerdict(refusal: string | undefined): Uint8Array {
  const reason = new TextEncoder().encode(refusal ?? "").subarray(0, VERDICT_BYTES_MAX - 1);
  const verdict = new Uint8Array(3 + reason.length);
  new DataView(verdict.buffer).setUint16(0, 1 + reason.length);
  verdict[2] = refusal === undefined ? ACCEPTED : REFUSED;
  verdict.set(reason, 3);
  return verdict;
}

/** The peer's reason to refuse; undefined if it accepts. What follows the verdict stays unread. */
function readVerdict(
  stream: MessageStream,
  signal: AbortSignal | undefined,
): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    let read: Uint8Array = new Uint8Array(0);
    const settle = (act: () => void) => {
      stream.removeEventListener("message", onMessage);
      stream.removeEventListener("close", onClose);
      signal?.removeEventListener("abort", onAbort);
      act();
    };
    const fail = (kind: "timeout" | "reset" | "rejected", detail: string) =>
      settle(() => reject(new HandshakeFailure({ kind, detail })));
    const onMessage = (event: StreamMessageEvent) => {
      read = Buffer.concat([read, event.data.subarray()]);
      if (read.length < 2) return;
      const length = new DataView(read.buffer, read.byteOffset).getUint16(0);
      if (length < 1 || length > VERDICT_BYTES_MAX) {
        fail("rejected", "the peer's verdict on this agent is malformed");
        return;
      }
      if (read.length < 2 + length) return;
      const refusal = new TextDecoder().decode(read.subarray(3, 2 + length));
      const accepted = read[2] === ACCEPTED;
      settle(() => {
        try {
          if (read.length > 2 + length) stream.unshift(read.subarray(2 + length));
          resolve(accepted ? undefined : refusal);
        } catch (error) {
          reject(error);
        }
      });
    };
    const onClose = (event: StreamCloseEvent) =>
      fail(
        "reset",
        `the peer closed before it accepted (${event.error?.message ?? "no reason given"})`,
      );
    const onAbort = () => fail("timeout", "the handshake took too long");
    stream.addEventListener("message", onMessage);
    stream.addEventListener("close", onClose);
    signal?.addEventListener("abort", onAbort);
    if (signal?.aborted === true) onAbort();
    else if (stream.status !== "open") fail("reset", "the peer closed before it accepted");
  });
}

function closedWithin(stream: MessageStream, ms: number): Promise<void> {
  if (stream.status !== "open") return Promise.resolve();
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    stream.addEventListener("close", () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
