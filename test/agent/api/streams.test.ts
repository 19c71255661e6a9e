import { mkdtempSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeEach, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import type { LocalApi } from "../../../agent/api/server.ts";
import { createLocalApi } from "../../../agent/api/server.ts";
import { callRaw } from "./client.ts";
import { createFakeNode } from "./fake-node.ts";

const folder = mkdtempSync(join(tmpdir(), "gv-ws-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let fake: ReturnType<typeof createFakeNode>;
let api: LocalApi;
let round = 0;
let socketPath = "";

beforeEach(async () => {
  fake = createFakeNode();
  round += 1;
  socketPath = join(folder, `${round}.sock`);
  const log = fake.log.component("api");
  const bufferedBytesMax = 64 * 1024;
  api = createLocalApi({ socketPath, node: fake.node, log, bufferedBytesMax });
  await api.start();
});
afterEach(async () => {
  await api.close();
  await fake.close();
});

/** A consumer that has connected, with what it has received so far. */
async function follow(path: string) {
  const socket = new WebSocket(`ws+unix://${socketPath}:${path}`);
  const received: Record<string, unknown>[] = [];
  socket.on("message", (data) => received.push(JSON.parse(String(data))));
  const closed = new Promise<number>((resolve) => socket.on("close", (code) => resolve(code)));
  await new Promise<void>((resolve, reject) => {
    socket.on("open", resolve);
    socket.on("error", reject);
  });
  return { socket, received, closed };
}

describe("the WebSockets", () => {
  it("sends events as they happen, and earlier ones where asked for", async () => {
    fake.node.events.publish("agent.ready", {});
    const late = await follow("/v1/events");
    const replay = await follow("/v1/events?replay=10");
    fake.node.events.publish("member.dead", { member: "b" });
    await expect
      .poll(() => replay.received.map((event) => event["type"]))
      .toEqual(["agent.ready", "member.dead"]);
    expect(late.received).toEqual([
      { seq: 2, time: expect.any(String), type: "member.dead", member: "b" },
    ]);
  });

  it("sends log lines of the level asked for, from before too", async () => {
    const before = await follow("/v1/logs?level=debug");
    fake.log.component("x").debug("first");
    fake.log.component("x").warn("second");
    const after = await follow("/v1/logs?level=warn&replay=10");
    fake.log.component("x").error("third");
    await expect.poll(() => after.received.map((line) => line["msg"])).toEqual(["second", "third"]);
    expect(before.received.map((line) => line["msg"])).toEqual(["first", "second", "third"]);
  });

  it("tells a slow consumer how much it missed, and keeps no more than the bound", async () => {
    const { socket, received } = await follow("/v1/events");
    socket.pause();
    const detail = "x".repeat(1_000);
    const before = process.memoryUsage().heapUsed;
    for (let at = 0; at < 50_000; at += 1) {
      fake.node.events.publish("link.opened", { detail });
      if (at % 1_000 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(40e6);
    socket.resume();
    await expect.poll(() => received.some((event) => event["type"] === "lagged")).toBe(true);
    fake.node.events.publish("agent.draining", {});
    await expect.poll(() => received.at(-1)?.["type"]).toBe("agent.draining");
    const missed = received.reduce((sum, event) => sum + Number(event["missed"] ?? 0), 0);
    const events = received.filter((event) => event["type"] !== "lagged").length;
    expect(missed).toBeGreaterThan(10_000);
    expect(missed + events).toBe(50_001);
  });

  it("stops feeding a consumer that went away", async () => {
    const { socket, closed } = await follow("/v1/logs?level=trace");
    const logger = fake.log.component("y");
    expect(logger.isLevelEnabled("trace")).toBe(true);
    socket.terminate();
    await closed;
    await expect.poll(() => logger.isLevelEnabled("trace")).toBe(false);
  });

  it("ends in order when the agent stops, also with a consumer that does not answer", async () => {
    const polite = await follow("/v1/events");
    const stuck = connect(socketPath);
    stuck.write(
      "GET /v1/events HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    );
    await new Promise((resolve) => stuck.once("data", resolve));
    const gone = new Promise((resolve) => stuck.once("close", resolve));
    await api.close();
    expect(await polite.closed).toBe(1001);
    await gone;
  });

  it("refuses other paths, wrong parameters and broken handshakes, and goes on", async () => {
    await expect(follow("/v1/status")).rejects.toThrow("404");
    await expect(follow("/v1/logs?level=loud")).rejects.toThrow("400");
    await expect(follow("/v1/events?replay=x")).rejects.toThrow("400");
    const broken = "GET /v1/events HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    expect(await callRaw(socketPath, broken)).toMatch(/^HTTP\/1\.1 400 /);
    await follow("/v1/events");
  });

  it("cuts a consumer that sends more than it may", async () => {
    const { socket, closed } = await follow("/v1/events");
    socket.send("x".repeat(100_000));
    expect(await closed).toBe(1009);
    await follow("/v1/events");
  });

  it("has room for a bounded number of consumers", async () => {
    for (let at = 0; at < 64; at += 1) await follow("/v1/events");
    await expect(follow("/v1/events")).rejects.toThrow("503");
  });
});
