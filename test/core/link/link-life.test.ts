import { beforeEach, describe, expect, it } from "vitest";
import type { NodeId } from "../../../core/types.ts";
import { CONTEXT, Notes, OK, REQUEST, request, silent, World } from "./world.ts";

let world: World;
beforeEach(() => {
  world = new World();
});

describe("two links at once", () => {
  it("become one, dialled by the smaller id, and lose no exchange", () => {
    const a = world.node("a");
    const b = world.node("b");
    const notes = [request(a, "b"), request(b, "a"), request(a, "b")];
    world.run(200);
    for (const { words } of notes) expect(words).toEqual(["head 200", "end x-trailer:1"]);
    expect(a.links.snapshot()).toMatchObject([{ state: "up", dialer: true }]);
    expect(b.links.snapshot()).toMatchObject([{ state: "up", dialer: false }]);
    expect(a.events.filter((event) => event.kind === "link_up")).toHaveLength(2);
  });

  it("let the loser finish its streams first", () => {
    const a = world.node("a");
    const held: Notes[] = [];
    const answers: (() => void)[] = [];
    const b = world.node("b");
    const slow = world.node("c", {
      accept: (_peer, _context, _request, observer) => {
        answers.push(() => {
          observer.onHead(OK);
          observer.onEnd([]);
        });
        return { writeBody: () => true, endBody() {}, cancel() {}, pause() {}, resume() {} };
      },
    });
    held.push(request(a, "c"), request(b, "c"));
    world.run(10);
    // c dials a as well, as if it knew of no link: a's stays, for "a" is smaller.
    slow.dial(999, "a" as NodeId, "a");
    world.run(10);
    expect(a.links.snapshot().filter((link) => link.state === "up")).toHaveLength(1);
    for (const answer of answers) answer();
    world.run(50);
    expect(held.map((notes) => notes.words)).toEqual([
      ["head 200", "end"],
      ["head 200", "end"],
    ]);
    expect(a.links.snapshot()).toMatchObject([{ state: "up", dialer: true }]);
  });
});

describe("a peer that goes away", () => {
  it("fails what it may have seen as unknown, at once when its sockets break", () => {
    const a = world.node("a");
    const b = world.node("b", { accept: silent([]) });
    const notes = request(a, "b");
    const errors: string[] = [];
    world.run(50);
    a.links.call("b" as NodeId, "b", Buffer.alloc(1), 5000, (error) =>
      errors.push(`${error?.short} ${error?.executed}`),
    );
    world.run(0);
    b.kill();
    world.run(2);
    expect(notes.words).toEqual(["error link_reset unknown"]);
    expect(errors).toEqual(["link_reset unknown"]);
    expect(a.links.snapshot()).toEqual([]);
  });

  it("fails what never left this node as surely not executed", () => {
    const a = world.node("a");
    world.node("b", { accept: silent([]) });
    const first = request(a, "b");
    world.run(50);
    const second = request(a, "b");
    a.links.failPeer("b" as NodeId, "declared dead");
    expect(first.words).toEqual(["error link_reset unknown"]);
    expect(second.words).toEqual(["error link_reset no"]);
  });

  it("fails what waits for the link, and dials again only after a pause", () => {
    world.refused.add("b");
    const a = world.node("a", { config: { backoffMs: 100, backoffMsMax: 1000 } });
    const first = request(a, "b");
    world.run(10);
    expect(first.words).toEqual(["error unreachable no"]);
    const second = request(a, "b");
    world.run(10);
    expect(second.words).toEqual(["error unreachable no"]);
    expect(a.events).toHaveLength(1);
    world.run(100);
    world.refused.clear();
    world.node("b");
    const third = request(a, "b");
    world.run(10);
    expect(third.words).toContain("head 200");
  });

  it("is tried at once at a new address", () => {
    world.refused.add("b");
    const a = world.node("a");
    request(a, "b");
    world.run(5);
    const b = world.node("b2");
    const notes = new Notes();
    a.links.open(b.id, "b2", CONTEXT, REQUEST, notes).endBody([]);
    world.run(20);
    expect(notes.words).toContain("end");
  });

  it("is found out by a ping when it only falls silent", () => {
    const a = world.node("a", { config: { pingIntervalMs: 1000, pingTimeoutMs: 500 } });
    world.node("b", { accept: silent([]) });
    const notes = request(a, "b");
    world.run(50);
    world.frozen = true;
    world.run(1000);
    expect(notes.words).toEqual([]);
    world.run(600);
    expect(notes.words).toEqual(["error link_reset unknown"]);
  });

  it("stays linked while it answers pings, and the round trip is known", () => {
    const a = world.node("a", { config: { pingIntervalMs: 1000, pingTimeoutMs: 500 } });
    world.node("b", { accept: silent([]) });
    request(a, "b");
    world.run(10_000);
    expect(a.links.snapshot()).toMatchObject([{ state: "up", rttMs: 2 }]);
  });

  it("lets a call that waits for its link fail at its deadline", () => {
    const a = world.node("a", { config: { helloTimeoutMs: 5000 } });
    world.frozen = true;
    world.node("b");
    const errors: string[] = [];
    a.links.call("b" as NodeId, "b", Buffer.alloc(1), 300, (error) =>
      errors.push(`${error?.short} ${error?.executed}`),
    );
    world.run(400);
    expect(errors).toEqual(["deadline_exceeded no"]);
    world.run(5000);
    expect(a.links.snapshot()).toEqual([]);
  });
});

describe("a link's end in order", () => {
  it("comes when it has been idle for long", () => {
    const config = { idleTimeoutMs: 20_000, pingIntervalMs: 1000 };
    const a = world.node("a", { config });
    const b = world.node("b");
    request(a, "b");
    world.run(19_000);
    expect(a.up).toBe(true);
    world.run(5_000);
    expect([a.links.snapshot(), b.links.snapshot()]).toEqual([[], []]);
    const notes = request(a, "b");
    world.run(50);
    expect(notes.words).toContain("head 200");
  });

  it("comes when the peer's certificate expires, to streams too", () => {
    const a = world.node("a");
    const b = world.node("b", { accept: silent([]) });
    b.expiresWallMs = world.wall() + 7_000;
    const notes = request(a, "b");
    world.run(6_900);
    expect(a.up).toBe(true);
    world.run(200);
    expect(notes.words).toEqual(["error link_reset unknown"]);
    expect(a.events.at(-1)).toMatchObject({
      kind: "link_down",
      reason: { detail: "the peer's certificate has expired" },
    });
  });

  it("leaves an aged link to its last stream while new ones take a fresh handshake", () => {
    const a = world.node("a", { config: { ageMaxMs: 60_000, pingIntervalMs: 1000 } });
    const answers: (() => void)[] = [];
    world.node("b", {
      accept: (_peer, _context, _request, observer) => {
        answers.push(() => {
          observer.onHead(OK);
          observer.onEnd([]);
        });
        return { writeBody: () => true, endBody() {}, cancel() {}, pause() {}, resume() {} };
      },
    });
    const old = request(a, "b");
    world.run(62_000);
    const fresh = request(a, "b");
    world.run(50);
    expect(a.links.snapshot().map((link) => link.state)).toEqual(["retiring", "up"]);
    for (const answer of answers) answer();
    world.run(2_000);
    expect(old.words).toEqual(["head 200", "end"]);
    expect(fresh.words).toEqual(["head 200", "end"]);
    expect(a.links.snapshot().map((link) => link.state)).toEqual(["up"]);
  });
});

describe("draining", () => {
  it("refuses new work as not executed, finishes old work, and knows when all were told", () => {
    const a = world.node("a");
    const answers: (() => void)[] = [];
    const b = world.node("b", {
      accept: (_peer, _context, _request, observer) => {
        answers.push(() => {
          observer.onHead(OK);
          observer.onEnd([]);
        });
        return { writeBody: () => true, endBody() {}, cancel() {}, pause() {}, resume() {} };
      },
    });
    const old = request(a, "b");
    world.run(50);
    let drained = false;
    b.links.drain(world.now(), () => {
      drained = true;
    });
    const crossing = request(a, "b");
    world.run(50);
    expect(drained).toBe(true);
    expect(crossing.words).toEqual(["error draining no"]);
    const late = request(a, "b");
    world.run(50);
    expect(late.words).toEqual(["error draining no"]);
    for (const answer of answers) answer();
    world.run(50);
    expect(old.words).toEqual(["head 200", "end"]);
    b.links.stop();
    world.run(50);
    expect(a.links.snapshot()).toEqual([]);
  });

  it("waits no longer than its bound for a peer that does not acknowledge", () => {
    const a = world.node("a");
    const b = world.node("b");
    request(a, "b");
    world.run(50);
    world.frozen = true;
    let drainedAt = 0;
    b.links.drain(world.now(), () => {
      drainedAt = world.now();
    });
    world.run(3000);
    expect(drainedAt).toBe(2050);
  });

  it("is over at once where there are no links", () => {
    const a = world.node("a");
    let drained = false;
    a.links.drain(world.now(), () => {
      drained = true;
    });
    expect(drained).toBe(false);
    world.run(1);
    expect(drained).toBe(true);
  });
});
