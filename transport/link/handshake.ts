/**
 * libp2p's own Noise XX handshake over a raw socket: it proves both identities, carries both
 * certificates and fails between different trust domains. The two keys of the transport phase are
 * taken where Noise derives them (its Split is HKDF with empty input, Noise specification §5.2), and
 * with them the socket leaves libp2p for good.
 */
import type { Socket } from "node:net";
import {
  type ComponentLogger,
  type Logger,
  type MessageStream,
  type PeerId,
  type PrivateKey,
  StreamMessageEvent,
  type Upgrader,
} from "@libp2p/interface";
import { type ICryptoInterface, noise } from "@libp2p/noise";
import { peerIdFromPrivateKey } from "@libp2p/peer-id";
import { STRANGER_BYTES_MAX } from "../../core/limits.ts";

export interface HandshakeIdentity {
  readonly privateKey: PrivateKey;
  /** This node's certificate: travels inside the handshake. */
  readonly certificate: Uint8Array;
  readonly trustDomain: string;
  readonly crypto: ICryptoInterface;
  /** X25519 secret for all handshakes of this process; proved by the identity key each time. */
  readonly staticKey: Uint8Array;
}

export interface HandshakeResult {
  readonly peer: PeerId;
  /** Empty if the peer sent none. */
  readonly certificate: Uint8Array;
  readonly sendKey: Uint8Array;
  readonly receiveKey: Uint8Array;
  /** Bytes that came behind the handshake. */
  readonly rest: readonly Buffer[];
}

const silent: Logger = Object.assign(() => {}, {
  trace: () => {},
  error: () => {},
  enabled: false,
  newScope: () => silent,
}) as unknown as Logger;
const silentLogger: ComponentLogger = { forComponent: () => silent };

/**
 * Shakes hands on a connected socket. `expect` is the peer that the dialer wants; a responder knows
 * none. Rejects with the reason; the socket is then the caller's to destroy.
 */
export async function shakeHands(
  socket: Socket,
  identity: HandshakeIdentity,
  expect: PeerId | undefined,
  signal: AbortSignal,
): Promise<HandshakeResult> {
  const stream = new HandshakeStream(socket, expect === undefined);
  let keys: [Uint8Array, Uint8Array] | undefined;
  const crypto: ICryptoInterface = {
    ...identity.crypto,
    getHKDF(chainingKey, material) {
      const derived = identity.crypto.getHKDF(chainingKey, material);
      if (material.length === 0) {
        keys = [derived[0], derived[1]];
        stream.stopDelivery();
      }
      return derived;
    },
  };
  const encrypter = noise({
    crypto,
    staticNoiseKey: identity.staticKey,
    prologueBytes: Buffer.from(`grapevine/link/1/${identity.trustDomain}`),
    extensions: { webtransportCerthashes: [identity.certificate] },
  })({
    privateKey: identity.privateKey,
    peerId: peerIdFromPrivateKey(identity.privateKey),
    logger: silentLogger,
    // Only read where a stream muxer is negotiated, which is skipped.
    upgrader: undefined as unknown as Upgrader,
  });
  try {
    const options = { signal, skipStreamMuxerNegotiation: true };
    const plain = stream as unknown as MessageStream;
    const secured =
      expect === undefined
        ? await encrypter.secureInbound(plain, options)
        : await encrypter.secureOutbound(plain, { ...options, remotePeer: expect });
    if (keys === undefined) throw new Error("Noise finished without transport keys");
    const [dialerKey, responderKey] = keys;
    const dialed = expect !== undefined;
    return {
      peer: secured.remotePeer,
      certificate: secured.remoteExtensions?.webtransportCerthashes?.[0] ?? new Uint8Array(0),
      sendKey: dialed ? dialerKey : responderKey,
      receiveKey: dialed ? responderKey : dialerKey,
      rest: stream.takeRest(),
    };
  } finally {
    stream.release();
  }
}

/** Noise XX begins with a bare 32-byte key (message A), so a link's first bytes are its length. */
const FIRST_MESSAGE_LENGTH = Buffer.of(0, 32);

/**
 * The few members of libp2p's MessageStream that Noise uses while it shakes hands. Writes are a few
 * hundred bytes, so there is no back-pressure.
 */
class HandshakeStream extends EventTarget {
  readonly log = silent;
  readonly inactivityTimeout = 0;
  readonly maxReadBufferLength = 128 * 1024;
  readonly direction = "outbound";
  status: "open" | "closed" = "open";
  readonly #socket: Socket;
  readonly #rest: Buffer[] = [];
  #delivering = true;
  /** Bytes to come of the only way in which a dialer can begin. */
  #preamble: Buffer;
  #received = 0;
  readonly #onData = (chunk: Buffer) => {
    this.#received += chunk.length;
    if (this.#received > STRANGER_BYTES_MAX) {
      this.#fail(`more than ${STRANGER_BYTES_MAX} bytes before the handshake is done`);
      return;
    }
    const checked = Math.min(this.#preamble.length, chunk.length);
    if (this.#preamble.compare(chunk, 0, checked, 0, checked) !== 0) {
      this.#fail("the bytes are no link handshake");
      return;
    }
    this.#preamble = this.#preamble.subarray(checked);
    if (this.#delivering) this.dispatchEvent(new StreamMessageEvent(chunk));
    else this.#rest.push(chunk);
  };
  readonly #onClose = () => this.#fail("the peer closed the connection during the handshake");

  constructor(socket: Socket, inbound: boolean) {
    super();
    this.#socket = socket;
    this.#preamble = inbound ? FIRST_MESSAGE_LENGTH : Buffer.alloc(0);
    socket.on("data", this.#onData);
    socket.on("end", this.#onClose);
    socket.on("close", this.#onClose);
  }

  send(data: { subarray(): Uint8Array }): boolean {
    this.#socket.write(data.subarray());
    return true;
  }

  /** Noise gives back what it has read beyond the handshake. */
  unshift(data: { subarray(): Uint8Array }): void {
    this.#rest.unshift(Buffer.from(data.subarray()));
  }

  push(data: { subarray(): Uint8Array }): void {
    this.#rest.push(Buffer.from(data.subarray()));
  }

  /** From here on bytes belong to the sealed phase. */
  stopDelivery(): void {
    this.#delivering = false;
  }

  takeRest(): Buffer[] {
    return this.#rest;
  }

  release(): void {
    this.#socket.off("data", this.#onData);
    this.#socket.off("end", this.#onClose);
    this.#socket.off("close", this.#onClose);
  }

  #fail(message: string): void {
    this.status = "closed";
    const error = new Error(message);
    this.dispatchEvent(Object.assign(new Event("close"), { error }));
  }

  pause(): void {}
  resume(): void {}
  abort(): void {
    this.#socket.destroy();
  }
  async close(): Promise<void> {
    this.#socket.end();
  }
}
