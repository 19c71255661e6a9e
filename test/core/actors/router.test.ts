import { describe, expect, it } from "vitest";
import { defineActor } from "../../../core/actors/definition.ts";
import { encodeCall } from "../../../core/actors/wire.ts";
import { encode } from "../../../core/codec.ts";
import { nodeId } from "../../agent/views.ts";
import { Cluster } from "./cluster.ts";

function counters() {
  const lives: string[] = [];
  const Counter = defineActor("counter", (ctx) => {
    let total = 0;
    lives.push(ctx.self.key);
    return {
      add: async (by: number) => (total += by),
      fail: async () => {
        throw new RangeError("no");
      },
      hang: () => new Promise<never>(() => undefined),
      big: async () => "x".repeat(300_000),
      odd: async () => () => "a function",
      nothing: async () => undefined,
      slow: () =>
        new Promise<string>((resolve) => {
          release = () => resolve("done");
        }),
    };
  });
  let release: () => void = () => undefined;
  return { Counter, lives, release: () => release() };
}

/** Which of the nodes holds the key now. */
function holders(cluster: Cluster, key: string): string[] {
  return [...cluster.nodes.values()]
    .filter(({ actors }) =>
      [...actors.hostings.all()].some(({ service, backend }) =>
        [...backend.keys(service)].includes(key),
      ),
    )
    .map(({ name }) => name);
}

async function result(cluster: Cluster, promise: Promise<unknown>, ms = 500): Promise<unknown> {
  await cluster.clock.advance(ms);
  return await promise;
}

describe("calls of actors in a mesh", () => {
  it("reach one activation per key from every node, hosts or not", async () => {
    const { Counter, lives } = counters();
    const cluster = new Cluster("a", "b", "c", "d");
    cluster.host([Counter], "a", "b", "c");
    const keys = Array.from({ length: 30 }, (_, at) => `key-${at}`);
    for (const key of keys) {
      const all = [...cluster.nodes.values()].map((node) => node.call("counter", key, "add", [1]));
      await cluster.clock.advance(20);
      expect((await Promise.all(all)).sort()).toEqual([1, 2, 3, 4]);
      expect(holders(cluster, key).length).toBe(1);
    }
    expect(lives.sort()).toEqual([...keys].sort());
    const counts = ["a", "b", "c"].map(
      (name) => cluster.node(name).actors.activations()[0]?.activations ?? 0,
    );
    expect(Math.min(...counts)).toBeGreaterThan(0);
    expect(counts.reduce((sum, each) => sum + each, 0)).toBe(30);
  });

  it("bring home values, nothing, throws and refusals alike from near and far", async () => {
    const { Counter } = counters();
    const cluster = new Cluster("a", "b");
    cluster.host([Counter], "a");
    for (const name of ["a", "b"]) {
      const node = cluster.node(name);
      expect(await result(cluster, node.call("counter", "k", "nothing"))).toBeUndefined();
      await expect(result(cluster, node.call("counter", "k", "fail"))).rejects.toMatchObject({
        name: "RangeError",
        message: "no",
        executed: "unknown",
      });
      await expect(result(cluster, node.call("counter", "k", "gone"))).rejects.toMatchObject({
        short: "unknown_method",
        executed: "no",
      });
    }
  });

  it("say who hosts nothing, and are recorded whenever they fail", async () => {
    const { Counter } = counters();
    const cluster = new Cluster("a", "b");
    const b = cluster.node("b");
    await expect(result(cluster, b.call("counter", "k", "add", [1]))).rejects.toMatchObject({
      short: "not_hosted",
      executed: "no",
    });
    cluster.host([Counter], "a");
    for (let round = 0; round < 20; round += 1) {
      await result(cluster, b.call("counter", "k", "add", [1]), 3);
    }
    await expect(result(cluster, b.call("counter", "k", "fail"))).rejects.toThrow();
    const outcomes = b.records.map(({ outcome, error }) => error ?? outcome);
    expect(outcomes[0]).toBe("not_hosted");
    expect(outcomes.at(-1)).toBe("handler_error");
    const successes = outcomes.filter((outcome) => outcome === "answered").length;
    expect(successes).toBeGreaterThan(0);
    expect(successes).toBeLessThan(5);
    expect(b.records.at(-1)).toMatchObject({
      kind: "actor",
      authority: "counter",
      key: "k",
      method: "fail",
      attempts: [{ instance: "a", agentName: "a", outcome: "answered" }],
    });
  });

  it("never walk past an owner that cannot be reached: they fail fast, then at once", async () => {
    const { Counter, lives } = counters();
    const cluster = new Cluster("a", "b", "c");
    cluster.host([Counter], "a", "b");
    const c = cluster.node("c");
    const key = Array.from({ length: 50 }, (_, at) => `k${at}`).find((each) => {
      const state = cluster.node("c").view;
      return state !== undefined && each !== "";
    }) as string;
    await result(cluster, c.call("counter", key, "add", [1]));
    const [owner = ""] = holders(cluster, key);
    cluster.cut.add(`c ${owner}`);
    const codes: string[] = [];
    for (let round = 0; round < 8; round += 1) {
      const error = await result(cluster, c.call("counter", key, "add", [1]), 5).catch(
        (thrown: { short: string; executed: string }) => thrown,
      );
      expect(error).toMatchObject({ executed: "no" });
      codes.push((error as { short: string }).short);
    }
    expect(codes[0]).toBe("unreachable");
    expect(codes.at(-1)).toBe("circuit_open");
    expect(lives).toEqual([key]);
  });

  it("follow the receiver's view when theirs is older, and yield to it", async () => {
    const { Counter } = counters();
    const cluster = new Cluster("a", "b", "c");
    cluster.host([Counter], "a");
    const c = cluster.node("c");
    const keys = Array.from({ length: 20 }, (_, at) => `k${at}`);
    for (const key of keys) await result(cluster, c.call("counter", key, "add", [1]), 5);
    cluster.node("b").actors.host([Counter], "b", "");
    cluster.agree({ seenBy: ["a", "b"] });
    await cluster.clock.advance(5);
    const before = c.sent;
    for (const key of keys) {
      const total = await result(cluster, c.call("counter", key, "add", [1]), 10);
      expect(holders(cluster, key).length).toBe(1);
      expect(total).toBe(holders(cluster, key)[0] === "a" ? 2 : 1);
    }
    expect(c.sent - before).toBeGreaterThan(keys.length);
    expect(new Set(keys.flatMap((key) => holders(cluster, key)))).toEqual(new Set(["a", "b"]));
  });

  it("wait for views to meet, and give up after two forwards", async () => {
    const { Counter } = counters();
    const cluster = new Cluster("a", "b");
    cluster.host([Counter], "a");
    // a has withdrawn and knows it; b still sends there.
    const [hosting] = [...cluster.node("a").actors.hostings.all()];
    if (hosting !== undefined) cluster.node("a").actors.hostings.remove(hosting);
    cluster.agree({ seenBy: ["a"] });
    const b = cluster.node("b");
    await expect(result(cluster, b.call("counter", "k", "add", [1]))).rejects.toMatchObject({
      short: "not_owner",
      executed: "no",
      retryable: true,
    });
    const waiting = b.call("counter", "k", "add", [1]);
    await cluster.clock.advance(20);
    cluster.node("b").actors.host([Counter], "b", "");
    cluster.agree();
    expect(await result(cluster, waiting)).toBe(1);
  });

  it("go to the next host while the owner leaves, and lose nothing that waits there", async () => {
    const { Counter, release } = counters();
    const cluster = new Cluster("a", "b", "c");
    cluster.host([Counter], "a", "b");
    const c = cluster.node("c");
    await result(cluster, c.call("counter", "k", "add", [1]));
    const [owner = ""] = holders(cluster, "k");
    const running = c.call("counter", "k", "slow");
    await cluster.clock.advance(3);
    const waiting = c.call("counter", "k", "add", [5]);
    const near = cluster.node(owner).call("counter", "k", "add", [5]);
    await cluster.clock.advance(3);
    let isDrained = false;
    cluster.agree({ leaving: [owner] });
    cluster.node(owner).actors.drain(() => {
      isDrained = true;
    });
    release();
    await cluster.clock.advance(50);
    expect(await running).toBe("done");
    expect(isDrained).toBe(true);
    expect([await waiting, await near].sort()).toEqual([10, 5].sort());
    expect(holders(cluster, "k")).not.toContain(owner);
  });

  it("avoid an owner whose link says that it leaves, before the view does", async () => {
    const { Counter } = counters();
    const cluster = new Cluster("a", "b", "c");
    cluster.host([Counter], "a", "b");
    const c = cluster.node("c");
    await result(cluster, c.call("counter", "k", "add", [1]));
    const [owner = ""] = holders(cluster, "k");
    cluster.draining.add(owner);
    cluster.agree({ leaving: [owner], seenBy: ["a", "b"] });
    expect(await result(cluster, c.call("counter", "k", "add", [1]))).toBe(1);
    expect(holders(cluster, "k")).not.toContain(owner);
  });

  it("carry the time that is left, and end when it is over", async () => {
    const { Counter } = counters();
    const cluster = new Cluster("a", "b");
    cluster.host([Counter], "a");
    const b = cluster.node("b");
    const stuck = b.call("counter", "k", "hang", [], { timeoutMs: 5_000 });
    await cluster.clock.advance(10);
    const behind = b.call("counter", "k", "add", [1], { timeoutMs: 200 });
    await cluster.clock.advance(300);
    await expect(behind).rejects.toMatchObject({ short: "deadline_exceeded", executed: "no" });
    await cluster.clock.advance(5_000);
    await expect(stuck).rejects.toMatchObject({ executed: "unknown" });
  });

  it("may be one-way", async () => {
    const { Counter } = counters();
    const cluster = new Cluster("a", "b");
    cluster.host([Counter], "a");
    const b = cluster.node("b");
    b.call("counter", "k", "add", [1], { oneWay: true });
    b.call("counter", "k", "fail", [], { oneWay: true });
    expect(await result(cluster, b.call("counter", "k", "add", [1]))).toBe(2);
  });

  it("refuse what cannot be sent, and results that cannot", async () => {
    const { Counter } = counters();
    const cluster = new Cluster("a", "b");
    cluster.host([Counter], "a");
    const b = cluster.node("b");
    const call = (method: string, ...args: unknown[]) =>
      result(cluster, b.call("counter", "k", method, args));
    await expect(call("add", () => 1)).rejects.toMatchObject({ short: "bad_request" });
    await expect(call("add", "x".repeat(300_000))).rejects.toThrow(/262144 at most/);
    await expect(call("x".repeat(200))).rejects.toThrow(/128 bytes/);
    await expect(call("big")).rejects.toMatchObject({ short: "upstream_invalid" });
    await expect(call("odd")).rejects.toMatchObject({ short: "upstream_invalid" });
  });

  it("are refused, not believed, when a peer sends nonsense", () => {
    const cluster = new Cluster("a");
    const errors: (string | undefined)[] = [];
    const { router } = cluster.node("a").actors;
    router.onCall(nodeId("x"), Uint8Array.of(1, 2, 3), 100, (error) => errors.push(error?.short));
    const head = { service: "default/actor--counter" as never, key: "k", method: "add" };
    const rest = { oneWay: false, forwards: 0, ringVersion: 1 };
    router.onCall(nodeId("x"), encodeCall({ ...head, ...rest }, encode([])), 0, (error, reply) =>
      errors.push(error?.short ?? `answer ${reply?.[0]}`),
    );
    expect(errors).toEqual(["bad_request", "answer 2"]);
  });
});

describe("what an agent offers", () => {
  it("is bounded, unique and named", () => {
    const { Counter } = counters();
    const { actors } = new Cluster("a").node("a");
    actors.host([Counter], "a", "");
    expect(() => actors.host([Counter], "a", "")).toThrow(/hosted on this agent already/);
    expect(actors.hostings.freeId("a", ["default/actor--counter" as never])).toBe("a-1");
    for (let at = 1; at < 256; at += 1) actors.host([Counter], `a-${at}`, "");
    expect(() => actors.host([Counter], "more", "")).toThrow(/at most 256/);
    expect(actors.hostings.entries().length).toBe(256);
  });

  it("keeps its keys when the ring changes elsewhere, thousands of them", async () => {
    const { Counter } = counters();
    const cluster = new Cluster("a", "b");
    cluster.host([Counter], "a");
    const a = cluster.node("a");
    const calls = Array.from({ length: 5_000 }, (_, at) => a.call("counter", `${at}`, "add", [1]));
    await cluster.clock.advance(10);
    await Promise.all(calls);
    cluster.node("b").actors.host([Counter], "b", "");
    cluster.agree();
    await cluster.clock.advance(50);
    const kept = a.actors.activations()[0]?.activations ?? 0;
    expect(kept).toBeGreaterThan(2_300);
    expect(kept).toBeLessThan(2_700);
    expect(a.actors.snapshot()[0]).toMatchObject({ activated: 5_000, waiting: 0 });
    a.actors.stop();
    expect(a.actors.inbound).toBe(0);
  });
});
