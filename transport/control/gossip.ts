/** GossipSub with the settings of the mesh, and the way from its topics to the listener. */
import { hash } from "node:crypto";
import { type GossipSub, gossipsub, TopicValidatorResult } from "@libp2p/gossipsub";
import { gossipSettings } from "../../core/gossip/settings.ts";
import type { ControlListener } from "../../core/seams.ts";
import type { NodeId } from "../../core/types.ts";

const VERDICTS = {
  accept: TopicValidatorResult.Accept,
  ignore: TopicValidatorResult.Ignore,
  reject: TopicValidatorResult.Reject,
} as const;

export function gossipService(topics: readonly string[]): ReturnType<typeof gossipsub> {
  return gossipsub(gossipSettings(topics, (data) => hash("sha256", data, "buffer")));
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
