/**
 * The ControlTransport seam over libp2p: dials, accepted connections, packets and broadcast, as
 * events of peers. Every dial ends in one onConnected (with the dialled address) or one
 * onDialFailed; a peer that was connected already is then reported as connected once more, and
 * nothing else repeats: onDisconnected comes once, when the last connection to a peer is gone.
 */
import { lookup } from "node:dns/promises";
import type { Connection, MessageStream, Stream } from "@libp2p/interface";
import { assert } from "../../core/assert.ts";
import { GrapevineError } from "../../core/errors.ts";
import { UPKEEP_MS } from "../../core/gossip/settings.ts";
import { CONTROL_DIALS_MAX, CONTROL_PACKET_BYTES_MAX } from "../../core/limits.ts";
import type { CloseReason, ControlListener, ControlTransport } from "../../core/seams.ts";
import type { NodeId } from "../../core/types.ts";
import {
  formatHostPort,
  fromMultiaddrText,
  isLoopback,
  parseHostPort,
  reachableHost,
} from "../addresses.ts";
import { noiseCrypto } from "../crypto/noise-crypto.ts";
import type { NodeIdentity } from "../identity/node-identity.ts";
import { type ChannelListener, ControlChannel } from "./channel.ts";
import { bridgeTopics } from "./gossip.ts";
import { ListenerQueue } from "./listener-queue.ts";
import { abortConnection, type ControlNode, createControlNode } from "./node.ts";
import { PeerTable } from "./peers.ts";
import { type HandshakeFailure, reasonOf } from "./reasons.ts";
import type { CertificateCheck, ProvedPeer } from "./secure-channel.ts";

const PROTOCOL = "/grapevine/control/1";
const DIAL_MS_MAX = 5_000;
/** A connection without a control stream for this long is of no use. */
const IDLE_CONNECTION_MS_MAX = 10_000;
/** Failed inbound handshakes reported one by one between two rounds of upkeep; the rest counted. */
const FAILURES_REPORTED_MAX = 20;

export type ControlEvent =
  /** An inbound connection did not become a peer: garbage, another trust domain, a refusal. */
  | {
      readonly kind: "handshake_failed";
      readonly address: string;
      readonly peer: NodeId | undefined;
      readonly reason: CloseReason;
    }
  /** So many more of those, not reported one by one. */
  | { readonly kind: "handshakes_failed"; readonly count: number }
  | { readonly kind: "packets_dropped"; readonly peer: NodeId; readonly count: number }
  | { readonly kind: "certificate_refused"; readonly peer: NodeId; readonly detail: string }
  | { readonly kind: "publish_failed"; readonly topic: string; readonly detail: string };

export interface ControlTransportOptions {
  readonly identity: NodeIdentity;
  /** HOST:PORT to listen on; port 0 picks a free one. */
  readonly bind: string;
  /** HOST:PORT that others dial, if it is not the bound one; port 0 means the bound port. */
  readonly advertise?: string;
  readonly check: CertificateCheck;
  /** Topics of the epidemic broadcast, at least all that are published to. */
  readonly topics: readonly string[];
  readonly report: (event: ControlEvent) => void;
  /** Default 5 s: gossip repair, expired certificates, connections without use. */
  readonly upkeepMs?: number;
}

export interface ControlSnapshot {
  readonly address: string;
  readonly advertised: string;
  readonly dialing: number;
  readonly connections: readonly {
    readonly peer: NodeId;
    readonly dialer: boolean;
    readonly remote: string;
    readonly queuedBytes: number;
    readonly expiresWallMs: number;
  }[];
  /** Members that take each topic, as far as this node knows. */
  readonly subscribers: Readonly<Record<string, number>>;
}

export interface RunningControlTransport extends ControlTransport {
  /** HOST:PORT that it listens on, with the real port. */
  readonly address: string;
  /** HOST:PORT that others should dial. */
  readonly advertised: string;
  /** Uses a renewed certificate in new handshakes, and shows it to the peers that are connected. */
  renewCertificate(certificate: Uint8Array): void;
  /** Judges all open connections again, after roots or revocations have changed. */
  recheck(): void;
  snapshot(): ControlSnapshot;
  /** Says goodbye to every peer and stops to listen. The listener hears nothing of it. */
  stop(): Promise<void>;
}

/** Listens when it returns. Throws `config_invalid` or `address_in_use`. */
export async function createControlTransport(
  options: ControlTransportOptions,
): Promise<RunningControlTransport> {
  const transport = new Libp2pControlTransport(options);
  await transport.listen();
  return transport;
}

interface Dial {
  readonly address: string;
  readonly expect: NodeId | undefined;
  failure: HandshakeFailure | undefined;
}

class Libp2pControlTransport implements RunningControlTransport, ChannelListener {
  address = "";
  advertised = "";
  readonly #options: ControlTransportOptions;
  readonly #events = new ListenerQueue();
  readonly #peers = new PeerTable();
  /** Dials under way, by the abort signal that libp2p carries to the handshake. */
  readonly #dials = new Map<AbortSignal, Dial>();
  /** By a connection's timeline, the one object that raw and upgraded connection share. */
  readonly #proved = new WeakMap<object, ProvedPeer>();
  readonly #failures = new WeakMap<object, { peer: NodeId | undefined; reason: CloseReason }>();
  readonly #started = Promise.withResolvers<void>();
  #node: ControlNode | undefined;
  #certificate: Uint8Array;
  #upkeep: NodeJS.Timeout | undefined;
  #failuresReported = 0;
  #failuresCounted = 0;
  #stopped = false;

  constructor(options: ControlTransportOptions) {
    this.#options = options;
    this.#certificate = options.identity.certificate;
  }

  async listen(): Promise<void> {
    const { identity, topics, check } = this.#options;
    const bind = parseHostPort(this.#options.bind);
    if (bind === undefined) throw notAnAddress("--bind", this.#options.bind);
    const advertise = parseHostPort(this.#options.advertise ?? this.#options.bind);
    if (advertise === undefined) throw notAnAddress("--advertise", this.#options.advertise ?? "");
    if (identity.dev && !(isLoopback(bind.host) && isLoopback(advertise.host))) {
      throw new GrapevineError(
        "config_invalid",
        `--dev refuses ${formatHostPort(bind.host, bind.port)}: everybody knows the development ` +
          `authority's key, so the address must be loopback. Use --identity for other addresses`,
      );
    }
    const node = await createControlNode({
      privateKey: identity.privateKey,
      bind: { host: await resolved(bind.host), port: bind.port },
      topics,
      secure: {
        self: identity.id,
        trustDomain: identity.trustDomain,
        crypto: noiseCrypto(),
        certificate: () => this.#certificate,
        check,
        expected: (signal) => this.#dialOf(signal)?.expect,
        onProved: (connection, proved) => this.#proved.set(connection.timeline, proved),
        onFailed: (connection, peer, failure, signal) => {
          this.#failures.set(connection.timeline, { peer, reason: failure.reason });
          const dial = this.#dialOf(signal);
          if (dial !== undefined) dial.failure = failure;
        },
      },
      onRawConnection: (connection) => this.#watchHandshake(connection),
    });
    this.#node = node;
    this.address = formatHostPort(bind.host, node.port);
    const port = this.#options.advertise === undefined ? 0 : advertise.port;
    this.advertised = formatHostPort(reachableHost(advertise.host), port === 0 ? node.port : port);
    await node.handle(PROTOCOL, (stream, connection) => this.#accept(stream, connection));
    bridgeTopics(
      node.gossip,
      topics,
      (topic, from, message) =>
        this.#events.ask((listener) => listener.onPublished(topic, from, message)) ?? "ignore",
    );
    this.#upkeep = setInterval(() => this.#runUpkeep(), this.#options.upkeepMs ?? UPKEEP_MS);
    this.#upkeep.unref();
  }

  start(listener: ControlListener): void {
    this.#events.start(listener);
    this.#started.resolve();
  }

  dial(address: string, expect: NodeId | undefined): void {
    this.#events.during(() => {
      const connected = expect === undefined ? undefined : this.#peers.lastHeard(expect);
      if (connected !== undefined) {
        this.#tellConnected(connected, address);
        return;
      }
      void this.#dial(address, expect);
    });
  }

  isConnected(peer: NodeId): boolean {
    return this.#peers.lastHeard(peer) !== undefined;
  }

  send(peer: NodeId, packet: Uint8Array): void {
    assert(packet.length <= CONTROL_PACKET_BYTES_MAX, "a control packet within its limit");
    this.#events.during(() => this.#peers.lastHeard(peer)?.send(packet));
  }

  hangUp(peer: NodeId): void {
    this.#events.during(() => {
      for (const channel of this.#peers.of(peer)) void channel.close("hung up");
    });
  }

  publish(topic: string, message: Uint8Array): void {
    if (this.#stopped) return;
    assert(this.#options.topics.includes(topic), `a topic that was named at the start: ${topic}`);
    this.#events.during(() => {
      this.#node?.gossip.publish(topic, message).catch((error: unknown) => {
        const detail = error instanceof Error ? error.message : String(error);
        this.#options.report({ kind: "publish_failed", topic, detail });
      });
    });
  }

  renewCertificate(certificate: Uint8Array): void {
    this.#certificate = certificate;
    for (const channel of this.#peers.all()) channel.sendCertificate(certificate);
  }

  recheck(): void {
    this.#events.during(() => {
      for (const channel of this.#peers.all()) this.#judgeAgain(channel);
    });
  }

  snapshot(): ControlSnapshot {
    const gossip = this.#node?.gossip;
    return {
      address: this.address,
      advertised: this.advertised,
      dialing: this.#dials.size,
      connections: this.#peers.all().map((channel) => ({
        peer: channel.peer,
        dialer: channel.address !== undefined,
        remote: channel.address ?? remoteOf(channel.connection),
        queuedBytes: channel.queuedBytes(),
        expiresWallMs: channel.expiresWallMs,
      })),
      subscribers: Object.fromEntries(
        this.#options.topics.map((topic) => [topic, gossip?.getSubscribers(topic).length ?? 0]),
      ),
    };
  }

  async stop(): Promise<void> {
    if (this.#stopped) return;
    this.#stopped = true;
    clearInterval(this.#upkeep);
    this.#started.resolve();
    await Promise.all(this.#peers.all().map((channel) => channel.close("the agent stops")));
    await this.#node?.stop();
  }

  onChannelPacket(channel: ControlChannel, packet: Uint8Array): void {
    this.#peers.onHeard(channel);
    this.#tell((listener) => listener.onPacket(channel.peer, packet));
  }

  onChannelCertificate(channel: ControlChannel, certificate: Uint8Array): void {
    const verdict = this.#options.check(channel.peer, certificate);
    if (!verdict.ok) {
      const { peer } = channel;
      this.#options.report({ kind: "certificate_refused", peer, detail: verdict.reason });
      return;
    }
    channel.certificate = certificate;
    channel.expiresWallMs = verdict.expiresWallMs;
  }

  onChannelClosed(channel: ControlChannel, reason: CloseReason): void {
    if (!this.#peers.remove(channel)) return;
    this.#tell((listener) => listener.onDisconnected(channel.peer, reason));
  }

  async #dial(address: string, expect: NodeId | undefined): Promise<void> {
    const target = parseHostPort(address);
    const fail = (reason: CloseReason) =>
      this.#tell((listener) => listener.onDialFailed(address, expect, reason));
    if (target === undefined || target.port === 0) {
      fail({ kind: "unreachable", detail: `"${address}" is not HOST:PORT` });
      return;
    }
    if (this.#options.identity.dev && !isLoopback(target.host)) {
      fail({ kind: "unreachable", detail: `--dev refuses ${address}: it is not loopback` });
      return;
    }
    if (this.#dials.size >= CONTROL_DIALS_MAX) {
      fail({ kind: "unreachable", detail: `${CONTROL_DIALS_MAX} dials are under way already` });
      return;
    }
    const abort = new AbortController();
    const dial: Dial = { address, expect, failure: undefined };
    this.#dials.set(abort.signal, dial);
    const timer = setTimeout(() => abort.abort(), DIAL_MS_MAX);
    try {
      await this.#started.promise;
      const node = this.#node;
      if (node === undefined || this.#stopped) return;
      const connection = await node.dial(target, abort.signal);
      await this.#openChannel(connection, address, abort.signal);
    } catch (error) {
      fail(dialFailure(error, dial, abort.signal.aborted));
    } finally {
      // The signal stays tied to the socket: it must never fire once the connection is up.
      clearTimeout(timer);
      this.#dials.delete(abort.signal);
    }
  }

  async #openChannel(connection: Connection, address: string, signal: AbortSignal): Promise<void> {
    try {
      const stream = await connection.newStream([PROTOCOL], { signal });
      this.#addChannel(connection, stream, address);
    } catch (error) {
      abortConnection(connection, error instanceof Error ? error : new Error(String(error)));
      throw error;
    }
  }

  async #accept(stream: Stream, connection: Connection): Promise<void> {
    await this.#started.promise;
    if (this.#stopped) stream.abort(new Error("the agent stops"));
    else this.#addChannel(connection, stream, undefined);
  }

  #addChannel(connection: Connection, stream: Stream, address: string | undefined): void {
    const proved = this.#proved.get(connection.timeline);
    assert(proved !== undefined, "an upgraded connection has passed the handshake");
    const channel = new ControlChannel(connection, stream, proved, address, this);
    const { first, surplus } = this.#peers.add(channel);
    if (first || address !== undefined) this.#tellConnected(channel, address);
    if (surplus !== undefined) void surplus.close("a newer connection has taken over");
    channel.open();
    this.#node?.repair.introduce(connection);
  }

  #tellConnected(channel: ControlChannel, address: string | undefined): void {
    const { peer, certificate } = channel;
    this.#tell((listener) => listener.onConnected(peer, certificate, address));
  }

  #tell(event: (listener: ControlListener) => void): void {
    if (!this.#stopped) this.#events.deliver(event);
  }

  #dialOf(signal: AbortSignal | undefined): Dial | undefined {
    return signal === undefined ? undefined : this.#dials.get(signal);
  }

  /** An inbound connection that ends before its handshake is done is told to the operator. */
  #watchHandshake(connection: MessageStream): void {
    if (connection.direction !== "inbound") return;
    connection.addEventListener("close", (event) => {
      // The handshake that waits on this connection learns of its end in this turn, after us.
      setImmediate(() => this.#reportHandshake(connection, event.error));
    });
  }

  #reportHandshake(connection: MessageStream, error: Error | undefined): void {
    if (this.#stopped || this.#proved.has(connection.timeline)) return;
    this.#failuresCounted += 1;
    if (this.#failuresReported >= FAILURES_REPORTED_MAX) return;
    this.#failuresReported += 1;
    const known = this.#failures.get(connection.timeline);
    const why = error?.message ?? "it closed without a word";
    this.#options.report({
      kind: "handshake_failed",
      address: remoteOf(connection),
      peer: known?.peer,
      reason: known?.reason ?? { kind: "rejected", detail: `not a Grapevine agent: ${why}` },
    });
  }

  #runUpkeep(): void {
    this.#events.during(() => {
      const now = Date.now();
      for (const channel of this.#peers.all()) {
        const { peer } = channel;
        const count = channel.takeDropped();
        if (count > 0) this.#options.report({ kind: "packets_dropped", peer, count });
        if (channel.expiresWallMs <= now) this.#judgeAgain(channel);
      }
      this.#repairGossip();
      this.#closeUnused(now);
    });
    const unreported = this.#failuresCounted - this.#failuresReported;
    if (unreported > 0) this.#options.report({ kind: "handshakes_failed", count: unreported });
    this.#failuresCounted = 0;
    this.#failuresReported = 0;
  }

  /** The check has the last word on an expired certificate, and says it in its words. */
  #judgeAgain(channel: ControlChannel): void {
    const verdict = this.#options.check(channel.peer, channel.certificate);
    if (verdict.ok) channel.expiresWallMs = verdict.expiresWallMs;
    else void channel.close(`certificate refused: ${verdict.reason}`);
  }

  #repairGossip(): void {
    const peers = this.#peers.peers().map((peer) => {
      const connections = this.#peers.of(peer).map((channel) => channel.connection);
      return [peer, connections] as const;
    });
    this.#node?.repair.round(new Map(peers));
  }

  #closeUnused(now: number): void {
    const used = new Set(this.#peers.all().map((channel) => channel.connection));
    for (const connection of this.#node?.connections() ?? []) {
      if (used.has(connection) || connection.timeline.open > now - IDLE_CONNECTION_MS_MAX) continue;
      abortConnection(connection, new Error("no control stream was opened"));
    }
  }
}

function dialFailure(error: unknown, dial: Dial, aborted: boolean): CloseReason {
  if (dial.failure !== undefined) return dial.failure.reason;
  if (aborted) return { kind: "timeout", detail: `no answer within ${DIAL_MS_MAX} ms` };
  const reason = reasonOf(error, "rejected");
  if (reason.kind === "reset") {
    return {
      kind: "reset",
      detail:
        "it closed the connection before the handshake: it stops, has too much to do, or is not " +
        `a Grapevine control port (${reason.detail})`,
    };
  }
  if (reason.kind !== "rejected") return reason;
  return {
    kind: "rejected",
    detail: `what answers there is not a Grapevine control port: ${reason.detail}`,
  };
}

function remoteOf(connection: object): string {
  const { remoteAddr } = connection as Partial<Pick<Connection, "remoteAddr">>;
  const text = remoteAddr?.toString() ?? "";
  return fromMultiaddrText(text) ?? text;
}

function notAnAddress(flag: string, text: string): GrapevineError {
  return new GrapevineError("config_invalid", `${flag} ${text}: not HOST:PORT or [IPv6]:PORT`);
}

/** libp2p listens on addresses only. */
async function resolved(host: string): Promise<string> {
  try {
    return (await lookup(host)).address;
  } catch (cause) {
    throw new GrapevineError("config_invalid", `--bind: "${host}" has no address`, { cause });
  }
}
