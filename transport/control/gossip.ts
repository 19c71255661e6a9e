/**
 * GossipSub, set up for a mesh of known members. Documents carry their own signatures, which
 * outlive a message, so GossipSub's are off; many agents may share one address, so its score for
 * that is off; a publish goes to the topic's mesh and not to everybody; a slow reader loses its
 * gossip stream instead of taking memory; and libp2p may not dial or exchange peers by itself.
 */
import { hash } from "node:crypto";
import { type GossipSub, gossipsub, StrictNoSign, TopicValidatorResult } from "@libp2p/gossipsub";
import { DOCUMENT_BYTES_MAX } from "../../core/limits.ts";
import type { ControlListener } from "../../core/seams.ts";
import type { NodeId } from "../../core/types.ts";

const HEARTBEAT_MS = 1_000;
/** A document with its envelope and GossipSub's own framing. */
const MESSAGE_BYTES_MAX = DOCUMENT_BYTES_MAX + 8 * 1024;
/** What may wait for one slow peer. */
const OUTBOUND_BYTES_MAX = 4 * 1024 * 1024;
const MESSAGE_ID_BYTES = 20;

const VERDICTS = {
  accept: TopicValidatorResult.Accept,
  ignore: TopicValidatorResult.Ignore,
  reject: TopicValidatorResult.Reject,
} as const;

export function gossipService(topics: readonly string[]): ReturnType<typeof gossipsub> {
  return gossipsub({
    globalSignaturePolicy: StrictNoSign,
    msgIdFn: (message) => hash("sha256", message.data, "buffer").subarray(0, MESSAGE_ID_BYTES),
    msgIdToStrFn: (id) => Buffer.from(id).toString("latin1"),
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
  });
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

/** Subscribes and hands every message to `judge`, once per message id. */
export function bridgeTopics(
  gossip: GossipSub,
  topics: readonly string[],
  judge: ControlListener["onPublished"],
): void {
  for (const topic of topics) {
    gossip.topicValidators.set(
      topic,
      (from, message) => VERDICTS[judge(topic, from.toString() as NodeId, message.data)],
    );
    gossip.subscribe(topic);
  }
}
