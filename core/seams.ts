/**
 * Everything that the pure folders need from the world, as interfaces: production gives sockets,
 * real clocks and libsodium, the simulator gives its own, and the code between them is the same.
 * A seam that delivers events is handed its listener when it is started, and calls it one event at
 * a time, never from inside a call that the listener made.
 */
import type { Millis, NodeId, WallMillis } from "./types.ts";

export interface Timer {
  cancel(): void;
}

export interface Clock {
  /** Monotonic time: for every interval, timeout and ordering. */
  now(): Millis;
  /** Wall-clock time: for leases and certificates only. */
  wall(): WallMillis;
  /** Calls back once, at or after `when`. A moment in the past means: as soon as possible. */
  at(when: Millis, callback: () => void): Timer;
}

export interface Random {
  /** A whole number from 0 to 2^32 - 1. */
  next(): number;
  /** A number in [0, 1). */
  float(): number;
  /** A whole number from 0 to bound - 1. */
  below(bound: number): number;
  bytes(length: number): Uint8Array;
  /** An independent generator: adding a draw to one fork leaves the others unchanged. */
  fork(label: string): Random;
}

export interface Signer {
  readonly id: NodeId;
  /** Ed25519 over the given bytes: 64 bytes. */
  sign(bytes: Uint8Array): Uint8Array;
}

export interface Verifier {
  /** True if `signature` is `id`'s over `bytes`; false for anything else, malformed input included. */
  verify(id: NodeId, bytes: Uint8Array, signature: Uint8Array): boolean;
}

/**
 * Why a connection or an attempt to make one came to an end.
 * "refused": the address answers, nothing listens (the process is gone). "reset": it was open and
 * broke off without a goodbye. "closed": either side closed it in order. "timeout": silence.
 * "rejected": the handshake failed or the peer's certificate is not acceptable; detail says why.
 */
export interface CloseReason {
  readonly kind: "refused" | "reset" | "closed" | "timeout" | "rejected" | "unreachable";
  readonly detail: string;
}

/** The control plane's connections: few, long-lived, made of small packets in order. */
export interface ControlTransport {
  start(listener: ControlListener): void;
  /** Dials a member, or a seed whose identity is not known yet. HOST:PORT, [v6]:PORT or a DNS name. */
  dial(address: string, expect: NodeId | undefined): void;
  isConnected(peer: NodeId): boolean;
  /** Queues a packet; dropped in silence if there is no connection (the protocol is loss-tolerant). */
  send(peer: NodeId, packet: Uint8Array): void;
  hangUp(peer: NodeId): void;
  /** Hands a document to the epidemic broadcast. Best effort. */
  publish(topic: string, message: Uint8Array): void;
}

export interface ControlListener {
  /** A connection is up and its certificate accepted. `address` is set if this side dialled. */
  onConnected(peer: NodeId, certificate: Uint8Array, address: string | undefined): void;
  onDisconnected(peer: NodeId, reason: CloseReason): void;
  onDialFailed(address: string, expected: NodeId | undefined, reason: CloseReason): void;
  onPacket(peer: NodeId, packet: Uint8Array): void;
  /** A broadcast message: "accept" passes it on, "ignore" drops it, "reject" blames the sender. */
  onPublished(topic: string, from: NodeId, message: Uint8Array): "accept" | "ignore" | "reject";
}

/** One sealed connection of the data plane, seen from above the encryption. */
export interface LinkChannel {
  readonly peer: NodeId;
  /** True if this side dialled. */
  readonly dialer: boolean;
  /** Unix milliseconds at which the peer's certificate expires. */
  readonly expiresWallMs: number;
  /** Seals and sends `batch` as one unit. False: the socket is full, wait for onDrain. */
  write(batch: Uint8Array): boolean;
  /** Sends what was written, then closes. */
  close(): void;
  /** Drops the connection at once. */
  destroy(): void;
}

/** Makes and accepts sealed connections to other agents' link ports. */
export interface LinkTransport {
  start(listener: LinkListener): void;
  /** Ends in exactly one of onOpened (with the same attempt number) and onDialFailed. */
  dial(attempt: number, peer: NodeId, address: string): void;
}

export interface LinkListener {
  /** The handshake is done and the certificate accepted; `attempt` is set if this side dialled. */
  onOpened(channel: LinkChannel, attempt: number | undefined): void;
  onDialFailed(attempt: number, peer: NodeId, reason: CloseReason): void;
  /** One whole batch as the peer wrote it. The bytes belong to the receiver. */
  onBatch(channel: LinkChannel, batch: Uint8Array): void;
  onDrain(channel: LinkChannel): void;
  onClosed(channel: LinkChannel, reason: CloseReason): void;
}
