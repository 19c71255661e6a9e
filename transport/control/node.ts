/**
 * libp2p as the control plane uses it, and nothing more of it: it listens, does handshakes and
 * carries streams. It never dials by itself, keeps no addresses of others, does not probe or close
 * connections (the failure detector does), and its limits fit many agents on one address.
 */

import type { GossipSub } from "@libp2p/gossipsub";
import { identify } from "@libp2p/identify";
import type {
  Connection,
  ConnectionProtector,
  PeerId,
  PrivateKey,
  StreamHandler,
} from "@libp2p/interface";
import { tcp } from "@libp2p/tcp";
import { yamux } from "@libp2p/yamux";
import { type Multiaddr, multiaddr } from "@multiformats/multiaddr";
import { createLibp2p, type Libp2pOptions } from "libp2p";
import { GrapevineError } from "../../core/errors.ts";
import { GossipRepair } from "../../core/gossip/repair.ts";
import { HANDSHAKES_MAX, MEMBERS_MAX } from "../../core/limits.ts";
import {
  formatHostPort,
  fromMultiaddrText,
  type HostPort,
  parseHostPort,
  toMultiaddrText,
} from "../addresses.ts";
import { coalesceWrites } from "./coalesce.ts";
import { gossipService } from "./gossip.ts";
import { quietLogger } from "./quiet-logger.ts";
import { type SecureChannelOptions, secureChannel } from "./secure-channel.ts";
import { Strangers } from "./strangers.ts";

const HANDSHAKE_MS_MAX = 5_000;
/** GossipSub opens its streams one after the other: one silent peer must not hold up the rest. */
const STREAM_NEGOTIATION_MS_MAX = 3_000;
const STREAMS_PER_CONNECTION_MAX = 64;
/** Above the packet limit, since a paused stream that fills its buffer is reset. */
const STREAM_WINDOW_BYTES_MAX = 1024 * 1024;
const READ_BUFFER_BYTES_MAX = 4 * 1024 * 1024;
const WRITE_BUFFER_BYTES_MAX = 16 * 1024 * 1024;

/** An agent bound to [::] is reached by IPv4 as well, as other daemons are. */
const LISTEN_OPTIONS = { noDelay: true, ipv6Only: false };

/** libp2p's parts, as it hands them to a service. */
type Components = Parameters<NonNullable<Libp2pOptions["services"]>[string]>[0];

export interface ControlNodeOptions {
  readonly privateKey: PrivateKey;
  readonly bind: HostPort;
  readonly topics: readonly string[];
  readonly secure: SecureChannelOptions;
  /** Called for each raw connection, before its handshake. */
  readonly onRawConnection: (connection: Parameters<typeof coalesceWrites>[0]) => void;
}

export interface ControlNode {
  readonly gossip: GossipSub;
  /** The real port after listening. */
  readonly port: number;
  /** Dials once; the signal ends the attempt, and must not fire after that. */
  dial(address: HostPort, signal: AbortSignal): Promise<Connection>;
  handle(protocol: string, handler: StreamHandler): Promise<void>;
  connections(): Connection[];
  readonly repair: GossipRepair<PeerId, Connection>;
  stop(): Promise<void>;
}

/** Listens when it returns. Throws `address_in_use` or `config_invalid`. */
export async function createControlNode(options: ControlNodeOptions): Promise<ControlNode> {
  let captured: Components | undefined;
  const strangers = new Strangers();
  const capture = (components: Components) => {
    captured = components;
    return {};
  };
  const node = await createLibp2p({
    start: false,
    privateKey: options.privateKey,
    logger: quietLogger,
    nodeInfo: { name: "grapevine", version: "1", userAgent: "grapevine" },
    addresses: { listen: [toMultiaddrText(options.bind)] },
    ...connectionStack(options, strangers),
    connectionMonitor: { enabled: false },
    connectionManager: {
      maxConnections: MEMBERS_MAX,
      inboundConnectionThreshold: MEMBERS_MAX,
      // Strangers are turned away with more thought, and sooner.
      maxIncomingPendingConnections: 2 * HANDSHAKES_MAX,
      reconnectRetries: 0,
      inboundUpgradeTimeout: HANDSHAKE_MS_MAX,
      inboundStreamProtocolNegotiationTimeout: STREAM_NEGOTIATION_MS_MAX,
      outboundStreamProtocolNegotiationTimeout: STREAM_NEGOTIATION_MS_MAX,
    },
    // Without addresses of others, nothing in libp2p can dial on its own.
    peerStore: { addressFilter: () => false },
    services: {
      identify: identify({ maxObservedAddresses: 1, timeout: STREAM_NEGOTIATION_MS_MAX }),
      gossip: gossipService(options.topics),
      capture,
    },
  });
  const components = captured;
  if (components === undefined) throw new Error("libp2p did not hand over its parts");
  try {
    await node.start();
  } catch (cause) {
    await stopped(node);
    throw listenError(options.bind, cause);
  }
  const { gossip } = node.services;
  return {
    gossip,
    port: listeningPort(components, options.bind),
    dial: (address, signal) => dialOnce(components, multiaddr(toMultiaddrText(address)), signal),
    handle: (protocol, handler) => node.handle(protocol, handler, { maxInboundStreams: 1 }),
    connections: () => node.getConnections(),
    repair: new GossipRepair(gossip, options.topics, () =>
      gossip.protocols.flatMap((protocol) => components.registrar.getTopologies(protocol)),
    ),
    stop: async () => {
      strangers.close();
      await node.stop();
    },
  };
}

/** What a connection is made of, from the socket up. */
function connectionStack(options: ControlNodeOptions, strangers: Strangers) {
  const { secure } = options;
  return {
    transports: [
      tcp({
        inboundSocketInactivityTimeout: 0,
        outboundSocketInactivityTimeout: 0,
        backlog: 511,
        listenOpts: LISTEN_OPTIONS,
      }),
    ],
    connectionProtector: (): ConnectionProtector => ({
      protect: async (connection, protection) => {
        options.onRawConnection(connection);
        await strangers.admit(connection, protection);
        coalesceWrites(connection);
        return connection;
      },
    }),
    connectionEncrypters: [
      secureChannel({
        ...secure,
        onProved: (connection, proved) => {
          strangers.onProved(connection);
          secure.onProved(connection, proved);
        },
      }),
    ],
    streamMuxers: [
      yamux({
        enableKeepAlive: false,
        maxInboundStreams: STREAMS_PER_CONNECTION_MAX,
        maxOutboundStreams: STREAMS_PER_CONNECTION_MAX,
        streamOptions: {
          maxStreamWindowSize: STREAM_WINDOW_BYTES_MAX,
          maxReadBufferLength: READ_BUFFER_BYTES_MAX,
          maxWriteBufferLength: WRITE_BUFFER_BYTES_MAX,
        },
      }),
    ],
  };
}

/**
 * Cuts a connection. libp2p's own abort() throws if the encrypted stream closed just before, and
 * then leaves the socket open; called again it skips the part that failed.
 */
export function abortConnection(connection: Connection, error: Error): void {
  try {
    connection.abort(error);
  } catch {
    connection.abort(error);
  }
}

/** Past libp2p's dial queue, which would join unrelated dials and remember addresses. */
async function dialOnce(
  components: Components,
  address: Multiaddr,
  signal: AbortSignal,
): Promise<Connection> {
  return await components.transportManager.dial(address, { signal });
}

/** After a failed start, what stop() may throw says nothing new. */
async function stopped(node: { stop(): Promise<void> | void }): Promise<void> {
  try {
    await node.stop();
  } catch {}
}

function listeningPort(components: Components, bind: HostPort): number {
  const [first] = components.transportManager.getAddrs();
  const address = first === undefined ? undefined : fromMultiaddrText(first.toString());
  return (address === undefined ? undefined : parseHostPort(address)?.port) ?? bind.port;
}

function listenError(bind: HostPort, cause: unknown): GrapevineError {
  const text = cause instanceof Error ? cause.message : String(cause);
  const address = formatHostPort(bind.host, bind.port);
  if (text.includes("EADDRINUSE")) {
    return new GrapevineError(
      "address_in_use",
      `--bind ${address}: another process listens there; stop it or choose another port`,
      { cause },
    );
  }
  const [why = text] =
    /\b(?:EADDRNOTAVAIL|EACCES|EINVAL|ENOTFOUND|EAFNOSUPPORT)[^\n]*/.exec(text) ?? [];
  return new GrapevineError("config_invalid", `--bind ${address}: cannot listen there: ${why}`, {
    cause,
  });
}
