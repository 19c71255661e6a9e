import { describe, expect, it } from "vitest";
import { GossipRepair } from "../../../core/gossip/repair.ts";
import type { NodeId } from "../../../core/types.ts";

const PROTOCOL = "/meshsub/1.2.0";
const peer = "peer" as NodeId;

function scene(known: boolean, outbound: "open" | "closed") {
  const done: string[] = [];
  const stream = (direction: string, status: string) => ({
    ...{ direction, status, protocol: PROTOCOL },
    abort: () => done.push(`cut ${direction}`),
  });
  const connection = {
    remotePeer: peer,
    streams: [stream("inbound", "open"), stream("outbound", outbound)],
  };
  const repair = new GossipRepair<NodeId, typeof connection>(
    { protocols: [PROTOCOL], getSubscribers: () => (known ? [peer] : []) },
    ["documents"],
    () => [{ onConnect: () => done.push("introduce"), onDisconnect: () => done.push("forget") }],
  );
  const round = () => {
    done.length = 0;
    repair.round(new Map([[peer, [connection]]]));
    return [...done];
  };
  return { round };
}

describe("gossip repair", () => {
  it("introduces a peer again in each round and does nothing else while all is well", () => {
    const { round } = scene(true, "open");
    expect([round(), round(), round()]).toEqual([["introduce"], ["introduce"], ["introduce"]]);
  });

  it("forgets a peer whose outbound stream stays closed, and cuts its inbound ones", () => {
    const { round } = scene(true, "closed");
    expect(round()).toEqual(["introduce"]);
    expect(round()).toEqual(["forget", "cut inbound", "introduce"]);
  });

  it("asks a few times for subscriptions that it does not know, and then no more", () => {
    const { round } = scene(false, "open");
    const cuts = Array.from({ length: 20 }, () => round().includes("cut inbound"));
    expect(cuts.flatMap((isCut, at) => (isCut ? [at + 1] : []))).toEqual([2, 5, 12]);
  });
});
