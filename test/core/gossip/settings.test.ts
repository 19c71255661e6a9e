import { describe, expect, it } from "vitest";
import { gossipSettings } from "../../../core/gossip/settings.ts";
import { sha256 } from "../../../core/trust/sha256.ts";

const settings = gossipSettings(["documents"], sha256);

describe("the settings of the broadcast", () => {
  it("name a message by what it says, so that two publishers of one document send one message", () => {
    const data = new Uint8Array([1, 2, 3]);
    const id = settings.msgIdFn({ data });
    expect(id).toHaveLength(20);
    expect(settings.msgIdFn({ data: new Uint8Array(data) })).toEqual(id);
    expect(settings.msgIdToStrFn(id)).toHaveLength(20);
  });

  it("count nothing against a member but forged messages", () => {
    const { topicWeight, invalidMessageDeliveriesWeight, ...rest } = settings.scoreParams.topics[
      "documents"
    ] as Record<string, number>;
    expect((topicWeight as number) * (invalidMessageDeliveriesWeight as number)).toBeLessThan(0);
    const weights = Object.entries(rest).filter(([name]) => name.endsWith("Weight"));
    expect(weights.map(([, weight]) => weight)).toEqual([0, 0, 0, 0]);
    expect(settings.scoreParams.IPColocationFactorWeight).toBe(0);
  });
});
