import { describe, expect, it } from "vitest";
import { type ActorContext, defineActor } from "../../../core/actors/definition.ts";
import { settle } from "../../agent/virtual-clock.ts";
import { HostFixture } from "./fixture.ts";

const sleep = (fixture: () => HostFixture, ms: number) =>
  new Promise<void>((resolve) => {
    const { clock } = fixture();
    clock.at((clock.now() + ms) as ReturnType<typeof clock.now>, resolve);
  });

function counterFixture(options: { mailbox?: number; idleMs?: number } = {}) {
  let lives = 0;
  const stops: string[] = [];
  const contexts: ActorContext[] = [];
  const Counter = defineActor(
    "counter",
    (ctx) => {
      lives += 1;
      contexts.push(ctx);
      let total = 0;
      ctx.onStop(() => {
        stops.push(`${ctx.self.key} at ${total}`);
      });
      return {
        add: async (by: number) => {
          const before = total;
          await sleep(() => fixture, 10);
          total = before + by;
          return total;
        },
        read: async () => total,
        fail: async () => {
          throw Object.assign(new RangeError("too much"), { code: "E_MUCH" });
        },
        throwNow: () => {
          throw new TypeError("not even a promise");
        },
        hang: () => new Promise<never>(() => undefined),
        end: async () => ctx.stop(),
      };
    },
    options,
  );
  const fixture: HostFixture = new HostFixture([Counter]);
  return { fixture, stops, contexts, lives: () => lives };
}

describe("an actor", () => {
  it("runs one turn at a time, in the order of arrival, and loses no increment", async () => {
    const { fixture, lives } = counterFixture();
    const results = Array.from({ length: 100 }, () => fixture.call("counter", "k", "add", 1));
    await fixture.clock.advance(1_500);
    expect(await Promise.all(results)).toEqual(Array.from({ length: 100 }, (_, at) => at + 1));
    expect(lives()).toBe(1);
  });

  it("lives once per key, and keys do not wait for each other", async () => {
    const { fixture, lives } = counterFixture();
    const results = ["a", "b", "c"].map((key) => fixture.call("counter", key, "add", 1));
    await fixture.clock.advance(15);
    expect(await Promise.all(results)).toEqual([1, 1, 1]);
    expect(lives()).toBe(3);
  });

  it("answers a throw with name, message and code, and goes on", async () => {
    const { fixture } = counterFixture();
    await expect(fixture.call("counter", "k", "fail")).rejects.toMatchObject({
      name: "RangeError",
      message: "too much",
      code: "E_MUCH",
      executed: "unknown",
    });
    await expect(fixture.call("counter", "k", "throwNow")).rejects.toMatchObject({
      name: "TypeError",
    });
    expect(await fixture.call("counter", "k", "read")).toBe(0);
  });

  it("has its own methods and nothing that every object has", async () => {
    const { fixture } = counterFixture();
    for (const name of ["toString", "constructor", "__proto__", "hasOwnProperty", "gone"]) {
      await expect(fixture.call("counter", "k", name)).rejects.toMatchObject({
        short: "unknown_method",
        executed: "no",
      });
    }
  });

  it("may be made of a class", async () => {
    class Greeter {
      readonly #word = "hello";
      async greet(name: string) {
        return `${this.#word} ${name}`;
      }
    }
    const fixture = new HostFixture([defineActor("greeter", () => new Greeter())]);
    expect(await fixture.call("greeter", "k", "greet", "you")).toBe("hello you");
    await expect(fixture.call("greeter", "k", "constructor")).rejects.toThrow(/no method/);
  });

  it("refuses the newest when its mailbox is full, and serves those before", async () => {
    const { fixture } = counterFixture({ mailbox: 3 });
    const results = Array.from({ length: 6 }, () => fixture.call("counter", "k", "add", 1));
    await fixture.clock.advance(200);
    const ended = await Promise.allSettled(results);
    expect(ended.map(({ status }) => status).join(" ")).toBe(
      "fulfilled fulfilled fulfilled rejected rejected rejected",
    );
    await expect(results[5]).rejects.toMatchObject({ short: "overloaded", executed: "no" });
  });

  it("tells a call that waited in vain from one that ran too long", async () => {
    const { fixture } = counterFixture();
    const stuck = fixture.start("counter", "k", "hang", [], 200).result;
    const behind = fixture.start("counter", "k", "add", [1], 300).result;
    await fixture.clock.advance(400);
    await expect(stuck).rejects.toMatchObject({ short: "deadline_exceeded", executed: "unknown" });
    await expect(behind).rejects.toMatchObject({ short: "deadline_exceeded", executed: "no" });
    await expect(behind).rejects.toThrow(/waited behind 0 others and hang, running for \d+ ms/);
  });

  it("does not run a call that was given up while it waited", async () => {
    const { fixture } = counterFixture();
    const first = fixture.call("counter", "k", "add", 1);
    const second = fixture.start("counter", "k", "add", [10]);
    second.call.giveUp("not wanted");
    await fixture.clock.advance(50);
    expect(await first).toBe(1);
    await expect(second.result).rejects.toMatchObject({ short: "canceled", executed: "no" });
    expect(await fixture.call("counter", "k", "read")).toBe(1);
    expect(fixture.host.inFlight).toBe(0);
  });

  it("is passivated after its idle time and begins anew with the next message", async () => {
    const { fixture, stops, lives } = counterFixture({ idleMs: 1_000 });
    const first = fixture.call("counter", "k", "add", 5);
    await fixture.clock.advance(900);
    expect(await first).toBe(5);
    expect(await fixture.call("counter", "k", "read")).toBe(5);
    await fixture.clock.advance(900);
    expect(stops).toEqual([]);
    await fixture.clock.advance(300);
    expect(stops).toEqual(["k at 5"]);
    expect(fixture.passivated).toEqual(["k"]);
    expect(await fixture.call("counter", "k", "read")).toBe(0);
    expect(lives()).toBe(2);
  });

  it("hands what arrives while it stops to the next activation", async () => {
    let lives = 0;
    const Slow = defineActor("slow", (ctx) => {
      lives += 1;
      const life = lives;
      ctx.onStop(() => sleep(() => fixture, 500));
      return { which: async () => life, end: async () => ctx.stop() };
    });
    const fixture: HostFixture = new HostFixture([Slow]);
    expect(await fixture.call("slow", "k", "which")).toBe(1);
    await fixture.call("slow", "k", "end");
    const later = [fixture.call("slow", "k", "which"), fixture.call("slow", "k", "which")];
    await fixture.clock.advance(400);
    expect(lives).toBe(1);
    await fixture.clock.advance(200);
    expect(await Promise.all(later)).toEqual([2, 2]);
  });

  it("ends although its onStop never does", async () => {
    const Stubborn = defineActor("stubborn", (ctx) => {
      ctx.onStop(() => new Promise(() => undefined));
      return { end: async () => ctx.stop() };
    });
    const fixture = new HostFixture([Stubborn]);
    await fixture.call("stubborn", "k", "end");
    await fixture.clock.advance(4_000);
    expect(fixture.host.activations).toBe(1);
    await fixture.clock.advance(1_500);
    expect(fixture.host.activations).toBe(0);
  });

  it("fails every waiting call when its factory throws, and is tried again by the next", async () => {
    let tries = 0;
    const Late = defineActor("late", () => {
      tries += 1;
      if (tries === 1) throw new Error("no database yet");
      return { ping: async () => "pong" };
    });
    const fixture = new HostFixture([Late]);
    const both = [fixture.call("late", "k", "ping"), fixture.call("late", "k", "ping")];
    for (const each of both) {
      await expect(each).rejects.toMatchObject({ short: "actor_failed", executed: "no" });
    }
    expect(await fixture.call("late", "k", "ping")).toBe("pong");
    expect(fixture.host.inFlight).toBe(0);
  });

  it("takes timers as turns, coalesces those that are late, and ends them with itself", async () => {
    const ticks: number[] = [];
    const Clocked = defineActor("clocked", (ctx) => {
      let cancel = () => {};
      return {
        start: async () => {
          ctx.after(50, () => ticks.push(-1));
          cancel = ctx.every(100, () => ticks.push(ctx.now()));
          ctx.after(60, () => {
            throw new Error("timer broke");
          });
        },
        block: () => sleep(() => fixture, 1_000),
        cancel: async () => cancel(),
        end: async () => ctx.stop(),
      };
    });
    const fixture: HostFixture = new HostFixture([Clocked]);
    await fixture.call("clocked", "k", "start");
    await fixture.clock.advance(350);
    expect(ticks.length).toBe(4);
    expect(fixture.failures).toEqual(["clocked/k: timer broke"]);
    const blocked = fixture.call("clocked", "k", "block");
    await fixture.clock.advance(1_000);
    await blocked;
    await settle();
    expect(ticks.length).toBe(5);
    await fixture.call("clocked", "k", "end");
    await fixture.clock.advance(1_000);
    expect(ticks.length).toBe(5);
    expect(fixture.clock.pending).toBeLessThanOrEqual(2);
  });

  it("has a signal that is aborted when it stops", async () => {
    const { fixture, contexts } = counterFixture();
    await fixture.call("counter", "k", "read");
    const signal = contexts[0]?.signal;
    expect(signal?.aborted).toBe(false);
    await fixture.call("counter", "k", "end");
    expect(signal?.aborted).toBe(true);
    expect(contexts[0]?.random()).toBeLessThan(1);
    expect(contexts[0]?.actor({ name: "x" } as never, "y")).toBe("x/y");
  });
});

describe("a process that hosts actors", () => {
  it("sends back what waits for a key that it has lost, after the running turn", async () => {
    const { fixture, stops } = counterFixture();
    const running = fixture.call("counter", "k", "add", 1);
    fixture.call("counter", "k", "add", 1);
    await settle();
    fixture.host.release("default/actor--counter" as never, "k");
    expect(fixture.homeless).toEqual([]);
    await fixture.clock.advance(20);
    expect(await running).toBe(1);
    expect(fixture.homeless.length).toBe(1);
    expect(stops).toEqual(["k at 1"]);
    expect(fixture.host.inFlight).toBe(0);
  });

  it("drains: running turns end, what waits and what comes goes elsewhere", async () => {
    const { fixture } = counterFixture();
    const running = fixture.call("counter", "k", "add", 1);
    fixture.call("counter", "k", "add", 1);
    await settle();
    let isDrained = false;
    fixture.host.drain(() => {
      isDrained = true;
    });
    fixture.call("counter", "other", "read");
    expect(isDrained).toBe(false);
    await fixture.clock.advance(20);
    expect(await running).toBe(1);
    expect(isDrained).toBe(true);
    expect(fixture.homeless.map(({ target }) => target.key).sort()).toEqual(["k", "other"]);
    fixture.host.reopen();
    expect(await fixture.call("counter", "k", "read")).toBe(0);
  });

  it("bounds its activations", async () => {
    const Tiny = defineActor("tiny", () => ({ ping: async () => "pong" }));
    const fixture = new HostFixture([Tiny], { activationsMax: 2 });
    expect(await fixture.call("tiny", "a", "ping")).toBe("pong");
    expect(await fixture.call("tiny", "b", "ping")).toBe("pong");
    await expect(fixture.call("tiny", "c", "ping")).rejects.toMatchObject({ short: "overloaded" });
    expect(fixture.host.snapshot()).toMatchObject([{ activations: 2, activated: 2, busy: 0 }]);
  });

  it("lets I/O have its turn while actors call each other without end", async () => {
    const Busy = defineActor("busy", () => ({ ping: async () => undefined }));
    const fixture = new HostFixture([Busy]);
    let isOver = false;
    const loop = (async () => {
      while (!isOver) await fixture.call("busy", "k", "ping");
    })();
    await new Promise<void>((resolve) => setImmediate(resolve));
    isOver = true;
    await loop;
    expect(isOver).toBe(true);
  });

  it("ends everything at once when it is stopped", async () => {
    const { fixture } = counterFixture();
    const stuck = fixture.call("counter", "k", "hang");
    await settle();
    fixture.host.stop();
    await expect(stuck).rejects.toMatchObject({ executed: "unknown" });
    expect(fixture.host.activations).toBe(0);
  });
});

describe("defineActor", () => {
  it("refuses bad names and bounds", () => {
    const create = () => ({ ping: async () => "pong" });
    expect(() => defineActor("Counter", create)).toThrow(/does not name an actor type/);
    expect(() => defineActor("counter", create, { mailbox: 0 })).toThrow(/mailbox/);
    expect(() => defineActor("counter", create, { idleMs: 0 })).toThrow(/idleMs/);
    expect(defineActor("shop/cart", create)).toMatchObject({ mailbox: 1_000, idleMs: 120_000 });
  });
});
