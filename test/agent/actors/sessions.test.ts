/** Programs at /v1/actors over a real socket: bounds, broken frames, and what becomes of keys. */
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { pino } from "pino";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import WebSocket from "ws";
import { ActorSessions } from "../../../agent/actors/sessions.ts";
import { connect } from "../../../agent/client/connect.ts";
import { Actors } from "../../../core/actors/actors.ts";
import { defineActor, tell } from "../../../core/actors/definition.ts";
import { encode } from "../../../core/codec.ts";
import { SeededRandom } from "../../../core/random.ts";
import { Services } from "../../../core/router/services.ts";
import { createRoutingPolicies } from "../../../policies/routing.ts";
import { SystemClock } from "../../../transport/clock.ts";
import { instanceView, memberView, meshView, nodeId } from "../views.ts";

const Echo = defineActor("echo", (ctx) => {
  let told = 0;
  return {
    say: async (word: unknown) => word,
    note: async () => {
      told += 1;
    },
    told: async () => told,
    other: async (key: string): Promise<unknown> => await ctx.actor(Echo, key).say(key),
  };
});

/** The part of an agent that serves actors, with a view of its own hostings. */
class Served {
  readonly directory = mkdtempSync(join(tmpdir(), "grapevine-sessions-"));
  readonly path = join(this.directory, "agent.sock");
  readonly actors: Actors;
  readonly sessions: ActorSessions;
  readonly warnings: string[] = [];
  #view = meshView({});
  readonly #server = createServer();

  constructor() {
    const clock = new SystemClock({ unref: true });
    const random = new SeededRandom(1);
    const policies = createRoutingPolicies(random);
    this.actors = new Actors({
      ...{ self: nodeId("a"), clock, random },
      soon: queueMicrotask,
      later: setImmediate,
      view: () => this.#view,
      services: new Services(policies),
      judgeError: policies.judgeError,
      send: () => undefined,
      onRecord: () => undefined,
      onChange: () => this.#onChange(),
      onTimerFailed: () => undefined,
      reference: () => undefined,
    });
    const log = pino({ level: "warn" }, { write: (line: string) => this.warnings.push(line) });
    this.sessions = new ActorSessions({ actors: this.actors, clock, agentName: "a", log });
    this.#server.on("upgrade", (request, socket, head) =>
      this.sessions.accept(request, socket, head),
    );
  }

  listen(): Promise<void> {
    return new Promise((resolve) => this.#server.listen(this.path, resolve));
  }

  async close(): Promise<void> {
    await this.sessions.close();
    this.actors.stop();
    await new Promise((resolve) => this.#server.close(resolve));
    rmSync(this.directory, { recursive: true, force: true });
  }

  #onChange(): void {
    const instances = this.actors.hostings
      .entries()
      .map(({ name, id }) => instanceView(name, id, "a", { protocol: "actor", ports: [] }));
    const members = [memberView("a", { self: true })];
    this.#view = meshView({ members, instances, version: this.#view.version + 1 });
    this.actors.onView(this.#view);
  }

  /** A bare WebSocket, and the code with which it was closed. */
  async raw(): Promise<{ socket: WebSocket; closed: Promise<number> }> {
    const socket = new WebSocket(`ws+unix:${this.path}:/v1/actors`);
    const closed = new Promise<number>((resolve) => socket.once("close", resolve));
    await new Promise((resolve) => socket.once("open", resolve));
    socket.on("error", () => undefined);
    return { socket, closed };
  }
}

describe("programs at /v1/actors", () => {
  let agent: Served;
  beforeEach(async () => {
    agent = new Served();
    await agent.listen();
  });
  afterEach(() => agent.close());

  it("call what others host, and each other", async () => {
    await using host = await connect({ socket: agent.path, actors: [Echo] });
    await using caller = await connect({ socket: agent.path });
    expect([host.instance, caller.instance]).toEqual(["a-1", ""]);
    const value = { text: "é", list: [1, null, true], bytes: new Uint8Array([1, 2]) };
    expect(await caller.actor(Echo, "k").say(value)).toMatchObject({
      text: "é",
      list: [1, null, true],
    });
    expect(await caller.actor(Echo, "k").say(undefined)).toBeUndefined();
    expect(await host.actor(Echo, "k").other("far")).toBe("far");
    caller.actor(Echo, "k")[tell].note();
    expect(await caller.actor(Echo, "k").told()).toBe(1);
    expect(agent.actors.activations()).toMatchObject([{ instance: "a-1", activations: 2 }]);
  });

  it("share a type's keys, each under its own name", async () => {
    await using first = await connect({ socket: agent.path, actors: [Echo] });
    await using second = await connect({ socket: agent.path, actors: [Echo] });
    expect([first.instance, second.instance]).toEqual(["a-1", "a-2"]);
    for (let at = 0; at < 40; at += 1) await first.actor(Echo, `${at}`).say(at);
    const counts = agent.actors.activations().map(({ activations }) => activations);
    expect(counts[0]).toBeGreaterThan(5);
    expect(counts[1]).toBeGreaterThan(5);
    await second.close();
    for (let at = 0; at < 40; at += 1) expect(await first.actor(Echo, `${at}`).say(at)).toBe(at);
  });

  it("leave no hosting and no pending call behind when they break off", async () => {
    const { socket: host } = await agent.raw();
    host.send(frame(4, 1, encode({ types: ["echo"] })));
    await new Promise((resolve) => host.once("message", resolve));
    await using caller = await connect({ socket: agent.path });
    const waiting = caller.actor(Echo, "k").say(1);
    await new Promise((resolve) => host.once("message", resolve));
    host.terminate();
    await expect(waiting).rejects.toMatchObject({ short: "link_reset", executed: "unknown" });
    expect([...agent.actors.hostings.all()]).toEqual([]);
    await expect(caller.actor(Echo, "k").say(1)).rejects.toMatchObject({ short: "not_hosted" });
  });

  it("are cut off when they send what is no frame, and nobody else notices", async () => {
    await using host = await connect({ socket: agent.path, actors: [Echo] });
    const text = await agent.raw();
    text.socket.send("hello");
    await text.closed;
    const short = await agent.raw();
    short.socket.send(Buffer.from([0, 0, 0, 9, 1]));
    await short.closed;
    expect(agent.warnings.length).toBe(2);
    expect(await host.actor(Echo, "k").say("still here")).toBe("still here");
  });

  it("are refused with a reason when they offer nonsense", async () => {
    const bodies = [
      { types: "echo" },
      { types: ["No"] },
      { types: ["echo"], instance: "Not A Label" },
      null,
    ];
    for (const body of bodies) {
      const { socket } = await agent.raw();
      const answer = new Promise<Buffer>((resolve) => socket.once("message", resolve));
      socket.send(frame(4, 1, encode(body)));
      expect((await answer)[4]).toBe(3);
      socket.terminate();
    }
    expect([...agent.actors.hostings.all()]).toEqual([]);
  });

  it("cannot harm the agent with any bytes", async () => {
    const bytes = fc.uint8Array({ maxLength: 64 });
    const type = fc.integer({ min: 0, max: 9 });
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(type, bytes), { maxLength: 8 }), async (frames) => {
        const { socket } = await agent.raw();
        socket.send(Buffer.concat(frames.map(([kind, body]) => frame(kind, 1, body))));
        await new Promise<void>((resolve) => {
          socket.once("close", () => resolve());
          socket.once("pong", () => resolve());
          socket.ping();
        });
        socket.terminate();
      }),
      { numRuns: 40 },
    );
    await using host = await connect({ socket: agent.path, actors: [Echo] });
    expect(await host.actor(Echo, "k").say(1)).toBe(1);
  });
});

function frame(type: number, id: number, body: Uint8Array): Buffer {
  const head = Buffer.alloc(9);
  head.writeUInt32BE(5 + body.length, 0);
  head[4] = type;
  head.writeUInt32BE(id, 5);
  return Buffer.concat([head, body]);
}
