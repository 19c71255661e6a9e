/** Links whose every limit is a few bytes or one: slow, but never stuck, wrong or without bounds. */
import { beforeEach, describe, expect, it } from "vitest";
import type { LinkConfig } from "../../../core/link/config.ts";
import { echo, request, World } from "./world.ts";

let world: World;
beforeEach(() => {
  world = new World();
});

const TINY: Partial<LinkConfig> = {
  ...{ streamWindowBytes: 3, streamWindowBytesMax: 7, windowPoolBytes: 8 },
  ...{ promptBytes: 1, sendQueueBytes: 4, queuedBytesMax: 16_384 },
};
const BODY = "0123456789".repeat(300);

describe("windows of a few bytes", () => {
  it.each([
    ["both ends", TINY, TINY],
    ["the caller", TINY, {}],
    ["the receiver", {}, TINY],
  ])("carry bodies whole, both ways: %s", (_who, one, other) => {
    const a = world.node("a", { config: one });
    world.node("b", { config: other });
    const answers = Array.from({ length: 5 }, () => request(a, "b", BODY));
    world.run(60_000);
    for (const { text, words } of answers) {
      expect(words).toEqual(["head 200", "end x-trailer:1"]);
      expect(text).toBe(BODY);
    }
    expect(a.links.snapshot()).toMatchObject([{ state: "up", streams: 0 }]);
  });

  it("work over a channel that takes a few bytes at a time", () => {
    world.channelBytes = 64;
    const a = world.node("a", { config: TINY });
    world.node("b", { config: TINY });
    const answer = request(a, "b", BODY);
    world.run(60_000);
    expect(answer.text).toBe(BODY);
  });
});

describe("one stream and one call", () => {
  it("serve one at a time and refuse the others as surely not executed", () => {
    const config = { ...TINY, streamsMax: 1, callsMax: 1 };
    const a = world.node("a", { config });
    const b = world.node("b", {
      config,
      accept: echo,
      onCall: (_p, bytes, _l, done) => done(undefined, bytes),
    });
    request(a, "b");
    world.run(1_000);
    const calls: string[] = [];
    const both = [request(a, "b"), request(a, "b")];
    for (let at = 0; at < 2; at += 1) {
      a.links.call(b.id, "b", Buffer.of(at), 1_000, (error, reply) =>
        calls.push(
          error === undefined ? `reply ${reply?.[0]}` : `${error.short} ${error.executed}`,
        ),
      );
    }
    world.run(1_000);
    expect(both.map(({ words }) => words.at(-1)).sort()).toEqual([
      "end x-trailer:1",
      "error overloaded no",
    ]);
    expect(calls.sort()).toEqual(["overloaded no", "reply 0"]);
    const again = request(a, "b");
    world.run(1_000);
    expect(again.words).toEqual(["head 200", "end x-trailer:1"]);
  });

  it("and one link a peer: the older goes, its work fails, and the next request is served", () => {
    const config = { linksPerPeerMax: 1 };
    const a = world.node("a", { config });
    const b = world.node("b", { config });
    request(a, "b");
    world.run(50);
    b.dial(7, a.id, "a");
    world.run(50);
    const next = request(a, "b");
    world.run(200);
    expect(a.links.snapshot().length).toBeLessThanOrEqual(1);
    expect(next.words).toEqual(["head 200", "end x-trailer:1"]);
  });
});

describe("short times", () => {
  it("renew the link again and again without losing an exchange", () => {
    const config = { ageMaxMs: 40, pingIntervalMs: 10, pingTimeoutMs: 10, idleTimeoutMs: 100 };
    const a = world.node("a", { config });
    world.node("b", { config });
    const answers = [];
    for (let at = 0; at < 100; at += 1) {
      answers.push(request(a, "b"));
      world.run(7);
    }
    world.run(100);
    const ends = new Set(answers.map(({ words }) => words.join()));
    expect([...ends]).toEqual(["head 200,end x-trailer:1"]);
    expect(a.events.filter(({ kind }) => kind === "link_up").length).toBeGreaterThan(5);
  });
});
