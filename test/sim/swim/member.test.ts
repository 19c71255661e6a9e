import { describe, expect, it } from "vitest";
import { Awareness } from "../../../sim/swim/awareness.ts";
import { Broadcasts } from "../../../sim/swim/broadcasts.ts";
import { LIFEGUARD, pushPullMs, retransmitLimit, SWIM } from "../../../sim/swim/config.ts";
import { SwimMember } from "../../../sim/swim/member.ts";
import { type Message, packetOf } from "../../../sim/swim/messages.ts";
import { TestSeat } from "./seat.ts";

function memberOf(config = LIFEGUARD, members = 10) {
  const seat = new TestSeat(0);
  const member = new SwimMember(config, seat, seat);
  member.start(Array.from({ length: members }, (_, node) => node));
  const hear = (from: number, ...messages: Message[]) => member.receive(packetOf(from, messages));
  /** Runs until the first ping has left; its target and number. */
  const untilPing = () => {
    while (seat.said("ping").length === 0) seat.run(1);
    const { to, packet } = seat.sent.find(({ packet: { messages } }) =>
      messages.some(({ kind }) => kind === "ping"),
    ) as (typeof seat.sent)[number];
    const ping = packet.messages[0] as Extract<Message, { kind: "ping" }>;
    return { to, seq: ping.seq };
  };
  return { seat, member, hear, untilPing };
}

describe("a probe", () => {
  it("that is answered leaves the target alone", () => {
    const { seat, hear, untilPing, member } = memberOf();
    const { to, seq } = untilPing();
    hear(to, { kind: "ack", seq });
    seat.run(900);
    expect(seat.said("indirect")).toEqual([]);
    expect(member.table.get(to)?.mode).toBe("alive");
  });

  it("without an answer goes through three others and a stream after half a second", () => {
    const { seat, untilPing, member } = memberOf();
    const { to } = untilPing();
    seat.run(499);
    expect(seat.said("indirect")).toEqual([]);
    seat.run(1);
    const helpers = seat.said("indirect");
    expect(new Set(helpers).size).toBe(3);
    expect(helpers).not.toContain(to);
    expect(seat.streamPings.map((ping) => ping.to)).toEqual([to]);
    seat.run(500);
    expect(member.table.get(to)?.mode).toBe("suspect");
  });

  it("that only a stream gets through is no suspicion", () => {
    const { seat, untilPing, member } = memberOf();
    const { to } = untilPing();
    seat.run(600);
    seat.streamPings[0]?.onAck();
    seat.run(400);
    expect(member.table.get(to)?.mode).toBe("alive");
  });

  it("counts helpers that do not even say no against this member's own health", () => {
    const { seat, hear, untilPing, member } = memberOf();
    const { seq } = untilPing();
    seat.run(600);
    hear(seat.said("indirect")[0] as number, { kind: "nack", seq });
    seat.run(400);
    expect(member.awareness.score).toBe(2);
  });

  it("of a member with bad health lasts longer", () => {
    const { seat, untilPing, member } = memberOf();
    member.awareness.apply(3);
    const { to } = untilPing();
    seat.run(3_900);
    expect(member.table.get(to)?.mode).toBe("alive");
    seat.run(200);
    expect(member.table.get(to)?.mode).toBe("suspect");
  });

  it("of a suspect tells it so in the same packet with Lifeguard only", () => {
    for (const config of [SWIM, LIFEGUARD]) {
      const { seat, member, untilPing } = memberOf(config, 2);
      member.table.suspect({ node: 1, incarnation: 1, from: 1 });
      member.table.broadcasts.take(1_400, 1);
      untilPing();
      expect(seat.said("suspect")).toEqual(config.buddy ? [1] : []);
    }
  });
});

describe("a helper", () => {
  it("passes the answer on, or says no after half a second", () => {
    const { seat, hear } = memberOf();
    hear(3, { kind: "indirect", seq: 77, target: 4, wantsNack: true });
    const ping = seat.sent[0]?.packet.messages[0] as Extract<Message, { kind: "ping" }>;
    expect(seat.sent[0]?.to).toBe(4);
    hear(4, { kind: "ack", seq: ping.seq });
    expect(seat.said("ack")).toEqual([3]);
    hear(3, { kind: "indirect", seq: 78, target: 5, wantsNack: true });
    seat.run(499);
    expect(seat.said("nack")).toEqual([]);
    seat.run(1);
    expect(seat.said("nack")).toEqual([3]);
  });
});

describe("what a member hears", () => {
  it("is worked off with lives before accusations", () => {
    const { seat, member, hear } = memberOf();
    hear(
      3,
      { kind: "suspect", node: 5, incarnation: 1, from: 3 },
      { kind: "alive", node: 5, incarnation: 2, from: 5 },
    );
    seat.run(0);
    expect(member.table.get(5)?.mode).toBe("alive");
    expect(seat.modes).toEqual([]);
  });
});

describe("rumours", () => {
  it("go out with those sent least first, each as often as the limit says", () => {
    const broadcasts = new Broadcasts();
    broadcasts.add({ kind: "suspect", node: 1, incarnation: 1, from: 9 });
    expect(broadcasts.take(1_400, 2)).toHaveLength(1);
    broadcasts.add({ kind: "dead", node: 2, incarnation: 1, from: 9 });
    expect(broadcasts.take(70, 2).map(({ node }) => node)).toEqual([2]);
    expect(broadcasts.take(1_400, 2).map(({ node }) => node)).toEqual([2, 1]);
    expect(broadcasts.size).toBe(0);
  });

  it("about the same member take each other's place", () => {
    const broadcasts = new Broadcasts();
    broadcasts.add({ kind: "suspect", node: 1, incarnation: 1, from: 9 });
    broadcasts.add({ kind: "alive", node: 1, incarnation: 2, from: 1 });
    expect(broadcasts.take(1_400, 2).map(({ kind }) => kind)).toEqual(["alive"]);
  });

  it("are sent 4 * ceil(log10(n + 1)) times, and tables go round every 90 s at 100 members", () => {
    expect([10, 100, 1_000].map((members) => retransmitLimit(SWIM, members))).toEqual([8, 12, 16]);
    expect([32, 100, 1_000].map((members) => pushPullMs(SWIM, members))).toEqual([
      30_000, 90_000, 180_000,
    ]);
  });
});

describe("local health", () => {
  it("stays between 0 and 7 and stretches the interval up to eight times", () => {
    const awareness = new Awareness(8);
    awareness.apply(-1);
    expect(awareness.scale(1_000)).toBe(1_000);
    awareness.apply(20);
    expect(awareness.scale(1_000)).toBe(8_000);
  });
});
