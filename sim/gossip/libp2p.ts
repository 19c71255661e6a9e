/** libp2p's types as GossipSub's own signatures name them: the simulator knows no other package. */
import type { gossipsub } from "@libp2p/gossipsub";

export type Components = Parameters<ReturnType<typeof gossipsub>>[0];
export type Connection = Awaited<ReturnType<Components["connectionManager"]["openConnection"]>>;
export type Stream = Awaited<ReturnType<Connection["newStream"]>>;
export type StreamHandler = Parameters<Components["registrar"]["handle"]>[1];
export type Topology = Parameters<Components["registrar"]["register"]>[1];
export type Peer = Components["peerId"];
