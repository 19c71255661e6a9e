/**
 * How GossipSub is set up for a mesh of known members, for production and for the simulator's second
 * tier alike. Documents carry their own signatures, which outlive a message, so GossipSub's are off;
 * many agents may share one address, so its score for that is off; a publish goes to the topic's mesh
 * and not to everybody; a slow reader loses its gossip stream instead of taking memory; and libp2p
 * may not dial or exchange peers by itself.
 */
import { DOCUMENT_BYTES_MAX } from "../limits.ts";

export const HEARTBEAT_MS = 1_000;
/** A document with its envelope and GossipSub's own framing. */
const MESSAGE_BYTES_MAX = DOCUMENT_BYTES_MAX + 8 * 1024;
/** What may wait for one slow peer. */
const OUTBOUND_BYTES_MAX = 4 * 1024 * 1024;
const MESSAGE_ID_BYTES = 20;

/** Between two rounds of the transport's upkeep, of which gossip repair is a part. */
export const UPKEEP_MS = 5_000;

/** The options of GossipSub; `sha256` gives the ids of messages. */
export function gossipSettings(
  topics: readonly string[],
  sha256: (data: Uint8Array) => Uint8Array,
) {
  return {
    globalSignaturePolicy: "StrictNoSign" as const,
    msgIdFn: (message: { readonly data: Uint8Array }) =>
      sha256(message.data).subarray(0, MESSAGE_ID_BYTES),
    msgIdToStrFn: (id: Uint8Array) => Buffer.from(id).toString("latin1"),
    heartbeatInterval: HEARTBEAT_MS,
    floodPublish: false,
    fallbackToFloodsub: false,
    doPX: false,
    allowPublishToZeroTopicPeers: true,
    ignoreDuplicatePublishError: true,
    allowedTopics: [...topics],
    maxInboundDataLength: 4 * MESSAGE_BYTES_MAX,
    maxOutboundBufferSize: OUTBOUND_BYTES_MAX,
    // A peer that replaces its stream has two of them for a moment.
    maxInboundStreams: 4,
    maxOutboundStreams: 4,
    scoreParams: {
      IPColocationFactorWeight: 0,
      // Penalties for promises broken under load would silence honest, busy members.
      behaviourPenaltyWeight: 0,
      topics: Object.fromEntries(topics.map((topic) => [topic, topicScore()])),
    },
  };
}

/** The one thing that counts against a member: messages that the listener called forged. */
function topicScore() {
  return {
    topicWeight: 1,
    timeInMeshWeight: 0,
    timeInMeshQuantum: 1_000,
    timeInMeshCap: 1,
    firstMessageDeliveriesWeight: 0,
    firstMessageDeliveriesDecay: 0.5,
    firstMessageDeliveriesCap: 1,
    meshMessageDeliveriesWeight: 0,
    meshMessageDeliveriesDecay: 0.5,
    meshMessageDeliveriesCap: 1,
    meshMessageDeliveriesThreshold: 1,
    meshMessageDeliveriesWindow: 10,
    meshMessageDeliveriesActivation: 1_000,
    meshFailurePenaltyWeight: 0,
    meshFailurePenaltyDecay: 0.5,
    invalidMessageDeliveriesWeight: -1,
    invalidMessageDeliveriesDecay: 0.9,
  };
}
