import fc from "fast-check";
import { beforeEach, describe, expect, it } from "vitest";
import type { GrapevineError } from "../../../core/errors.ts";
import type { NodeId } from "../../../core/types.ts";
import { CONTEXT, echo, Notes, OK, REQUEST, request, silent, World } from "./world.ts";

let world: World;
beforeEach(() => {
  world = new World();
});

describe("links between two nodes", () => {
  it("carry an exchange with body and trailers both ways, dialling on demand", () => {
    const a = world.node("a");
    world.node("b");
    const notes = request(a, "b");
    world.run(100);
    expect(notes.words).toEqual(["head 200", "end x-trailer:1"]);
    expect(notes.text).toBe("hello");
    expect(notes.head).toEqual(OK);
    expect(a.links.isUp("b" as NodeId)).toBe(true);
  });

  it("put a small request into one batch, and its answer too", () => {
    const a = world.node("a");
    const b = world.node("b");
    request(a, "b");
    world.run(100);
    const before = [a, b].map((node) => node.channels[0]?.sent.length ?? 0);
    const notes = request(a, "b");
    world.run(100);
    expect(notes.words).toContain("head 200");
    const after = [a, b].map((node) => node.channels[0]?.sent.length ?? 0);
    expect([after[0]! - before[0]!, after[1]! - before[1]!]).toEqual([1, 1]);
  });

  it("pass 1xx heads on before the head", () => {
    const a = world.node("a");
    world.node("b", {
      accept: (peer, context, head, observer) => {
        const exchange = echo(peer, context, head, observer);
        world.after(0, () =>
          observer.onInformational({ status: 103, reason: "", headers: [], body: 0 }),
        );
        return exchange;
      },
    });
    const notes = new Notes();
    const exchange = a.links.open("b" as NodeId, "b", CONTEXT, REQUEST, notes);
    world.run(10);
    exchange.endBody([]);
    world.run(10);
    expect(notes.words).toEqual(["info 103", "head 200", "end"]);
  });

  it("answer calls, and let late ones fail at their deadline", () => {
    const a = world.node("a");
    world.node("b", {
      onCall: (_peer, payload, _left, respond) => {
        if (payload[0] === 1) respond(undefined, Buffer.from([2]));
      },
    });
    const answers: string[] = [];
    const call = (first: number) =>
      a.links.call("b" as NodeId, "b", Buffer.from([first]), 500, (error, reply) =>
        answers.push(error?.short ?? `reply ${reply?.[0]}`),
      );
    call(1);
    call(9);
    world.run(400);
    expect(answers).toEqual(["reply 2"]);
    world.run(200);
    expect(answers).toEqual(["reply 2", "deadline_exceeded"]);
  });

  it("refuse calls where nobody takes them", () => {
    const a = world.node("a");
    world.node("b");
    const errors: unknown[] = [];
    a.links.call("b" as NodeId, "b", Buffer.alloc(1), 500, (error) => errors.push(error?.short));
    world.run(100);
    expect(errors).toEqual(["unsupported"]);
  });

  it("reset an exchange that the caller gives up", () => {
    const log: string[] = [];
    const a = world.node("a");
    world.node("b", { accept: silent(log) });
    const notes = new Notes();
    const exchange = a.links.open("b" as NodeId, "b", CONTEXT, REQUEST, notes);
    world.run(50);
    exchange.cancel({ short: "canceled", message: "", executed: "no" } as GrapevineError);
    exchange.writeBody(Buffer.alloc(10));
    world.run(50);
    expect(log).toEqual(["open r-1", "cancel r-1 canceled"]);
    expect(notes.words).toEqual([]);
    expect(a.links.snapshot()[0]?.streams).toBe(0);
  });

  it("never send an exchange that was given up while it waited", () => {
    const log: string[] = [];
    const a = world.node("a");
    world.node("b", { accept: silent(log) });
    const exchange = a.links.open("b" as NodeId, "b", CONTEXT, REQUEST, new Notes());
    exchange.cancel({ short: "canceled", message: "", executed: "no" } as GrapevineError);
    world.run(50);
    expect(log).toEqual([]);
  });

  it("forget a request's rest once the answer has ended", () => {
    const a = world.node("a");
    const b = world.node("b", {
      accept: (_peer, _context, _request, observer) => {
        world.after(0, () => {
          observer.onHead({ ...OK, status: 413 });
          observer.onEnd([]);
        });
        return { writeBody: () => true, endBody() {}, cancel() {}, pause() {}, resume() {} };
      },
    });
    const notes = new Notes();
    const exchange = a.links.open("b" as NodeId, "b", CONTEXT, REQUEST, notes);
    exchange.writeBody(Buffer.alloc(500_000));
    world.run(50);
    expect(notes.words).toEqual(["head 413", "end"]);
    expect([a, b].map((node) => node.links.snapshot()[0]?.streams)).toEqual([0, 0]);
  });

  it("keep the request's direction of a tunnel open after the answer's end", () => {
    const log: string[] = [];
    const a = world.node("a");
    world.node("b", {
      accept: (_peer, _context, _request, observer) => {
        world.after(0, () => {
          observer.onHead(OK);
          observer.onEnd([]);
        });
        return {
          writeBody: (chunk) => log.push(Buffer.from(chunk).toString()) > 0,
          endBody: () => log.push("end"),
          cancel: () => log.push("cancel"),
          pause() {},
          resume() {},
        };
      },
    });
    const notes = new Notes();
    const head = { ...REQUEST, kind: "tcp" } as const;
    const exchange = a.links.open("b" as NodeId, "b", CONTEXT, head, notes);
    world.run(50);
    expect(notes.words).toEqual(["head 200", "end"]);
    exchange.writeBody(Buffer.from("late"));
    exchange.endBody([]);
    world.run(50);
    expect(log).toEqual(["late", "end"]);
    expect(a.links.snapshot()[0]?.streams).toBe(0);
  });

  it("refuse a head that is too large, through the observer and later", () => {
    const a = world.node("a");
    world.node("b");
    request(a, "b");
    world.run(50);
    const notes = new Notes();
    const head = { ...REQUEST, headers: ["x", "y".repeat(200_000)] };
    a.links.open("b" as NodeId, "b", CONTEXT, head, notes);
    expect(notes.words).toEqual([]);
    world.run(50);
    expect(notes.words).toEqual(["error header_too_large no"]);
  });
});

describe("bounds", () => {
  it("refuse more streams than the peer takes, as overloaded and not executed", () => {
    const a = world.node("a");
    world.node("b", { accept: silent([]), config: { streamsMax: 2 } });
    const notes = [request(a, "b"), request(a, "b"), request(a, "b")];
    world.run(50);
    expect(notes.map(({ words }) => words)).toEqual([[], [], ["error overloaded no"]]);
  });

  it("refuse more waiters than may wait for a link", () => {
    const a = world.node("a", { config: { waitingMax: 1 } });
    world.node("b");
    const notes = [request(a, "b"), request(a, "b")];
    world.run(50);
    expect(notes.map(({ words }) => words.at(-1))).toEqual([
      "end x-trailer:1",
      "error overloaded no",
    ]);
  });

  it("close a link whose peer breaks the protocol, and say why on both sides", () => {
    const a = world.node("a");
    const b = world.node("b");
    request(a, "b");
    world.run(50);
    a.channels[0]?.write(Buffer.from([19, 0, 0, 1, 0, 0, 0, 99, 1]));
    world.run(50);
    expect(b.events.at(-1)).toMatchObject({ kind: "link_down" });
    expect(JSON.stringify(b.events.at(-1))).toContain("stream 99, which was never opened");
    expect(JSON.stringify(a.events.at(-1))).toContain("stream 99, which was never opened");
  });

  it("hold against any bytes: a batch never throws", () => {
    const type = fc.constantFrom(1, 2, 3, 4, 5, 6, 8, 9, 10, 16, 17, 18, 19, 20, 21, 22, 50, 200);
    const frame = fc
      .tuple(type, fc.nat(5), fc.uint8Array({ maxLength: 60 }))
      .map(([kind, id, body]) =>
        Buffer.concat([Buffer.of(kind, 0, 0, body.length, 0, 0, 0, id), body]),
      );
    const batch = fc.oneof(
      fc.uint8Array({ maxLength: 80 }),
      fc.array(frame, { maxLength: 6 }).map((frames) => Buffer.concat(frames)),
    );
    fc.assert(
      fc.property(batch, fc.boolean(), (bytes, greeted) => {
        world = new World();
        const a = world.node("a");
        const b = world.node("b", {
          onCall: (_p, _b, _l, respond) => respond(undefined, undefined),
        });
        const notes = request(a, "b");
        world.run(greeted ? 50 : 1);
        const pending = request(a, "b");
        b.channels[0]?.deliver(bytes);
        a.channels[0]?.deliver(bytes);
        world.run(50);
        for (const { words } of [notes, pending]) {
          expect(words.filter((word) => /^(end|error)/.test(word)).length).toBeLessThan(2);
        }
      }),
      { numRuns: 400 },
    );
  });

  it("let frames pass that are unknown but marked optional", () => {
    const a = world.node("a");
    world.node("b");
    request(a, "b");
    world.run(50);
    a.channels[0]?.write(Buffer.from([0x80 | 60, 0, 0, 1, 0, 0, 0, 0, 1]));
    const notes = request(a, "b");
    world.run(50);
    expect(notes.words).toContain("head 200");
  });

  it("close a peer that needs a newer protocol, with the remedy", () => {
    const a = world.node("a");
    const b = world.node("b");
    a.dial(1, b.id, "b");
    world.run(1);
    const hello = Buffer.alloc(28);
    hello.set([1, 0, 0, 20]);
    hello.writeUInt16BE(9, 8);
    hello.writeUInt16BE(8, 10);
    b.channels[0]?.other.write(hello);
    world.run(0);
    b.channels[0]?.deliver(hello);
    expect(JSON.stringify(b.events)).toContain("needs link protocol 8");
  });

  it("dial a peer that never says hello only after pauses", () => {
    const config = { helloTimeoutMs: 100, backoffMs: 1000, backoffMsMax: 1000 };
    const a = world.node("a", { config });
    world.node("b");
    world.frozen = true;
    const first = request(a, "b");
    world.run(200);
    expect(first.words).toEqual(["error unreachable no"]);
    const dials = a.channels.length;
    const second = request(a, "b");
    world.run(200);
    expect(second.words).toEqual(["error unreachable no"]);
    expect(a.channels.length).toBe(dials);
  });
});
