import { request } from "node:http";
import { connect } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import type { AdminListener, Readiness } from "../../../agent/telemetry/admin.ts";
import { createAdminListener } from "../../../agent/telemetry/admin.ts";
import { Registry } from "../../../agent/telemetry/metrics.ts";

const open: AdminListener[] = [];
afterEach(async () => {
  for (const listener of open.splice(0)) await listener.close();
});

async function start(host = "127.0.0.1", port = 0) {
  const registry = new Registry();
  registry.counter("a_total", "A.").with().increment();
  const state: { readiness: Readiness } = { readiness: { ready: true, reasons: [] } };
  const readiness = () => state.readiness;
  const listener = await createAdminListener({ host, port, registry, readiness });
  open.push(listener);
  return { listener, state, port: Number(listener.address.split(":").at(-1)) };
}

interface Answer {
  status: number;
  headers: Record<string, unknown>;
  body: string;
}

function ask(
  port: number,
  path: string,
  headers: Record<string, string> = {},
  method = "GET",
  host = "127.0.0.1",
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const outgoing = request({ host, port, path, method, headers, agent: false }, (response) => {
      let body = "";
      response.on("data", (chunk) => {
        body += chunk;
      });
      response.on("end", () => {
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body });
      });
    });
    outgoing.on("error", reject);
    outgoing.end();
  });
}

describe("the admin listener", () => {
  it("serves metrics, health and an index", async () => {
    const { port } = await start();
    expect(await ask(port, "/metrics?x=1")).toMatchObject({
      status: 200,
      headers: { "content-type": "text/plain; version=0.0.4; charset=utf-8" },
      body: "# HELP a_total A.\n# TYPE a_total counter\na_total 1\n",
    });
    expect(await ask(port, "/healthz")).toMatchObject({ status: 200, body: "ok\n" });
    expect((await ask(port, "/")).body).toContain("/metrics");
    const head = await ask(port, "/metrics", {}, "HEAD");
    expect([head.status, head.body, head.headers["content-length"]]).toEqual([200, "", "51"]);
  });

  it("is ready only while the agent takes work", async () => {
    const { port, state } = await start();
    expect(await ask(port, "/readyz")).toMatchObject({ status: 200, body: "ready\n" });
    state.readiness = { ready: false, reasons: ["draining"] };
    expect(await ask(port, "/readyz")).toMatchObject({
      status: 503,
      body: "not ready: draining\n",
    });
  });

  it("refuses what it does not serve and methods that change things", async () => {
    const { port } = await start();
    expect((await ask(port, "/secret")).status).toBe(404);
    const posted = await ask(port, "/metrics", {}, "POST");
    expect([posted.status, posted.headers["allow"]]).toEqual([405, "GET, HEAD"]);
  });

  it("cannot be read by a web page: rebound names and foreign origins are refused", async () => {
    const { port } = await start();
    const statusOf = async (headers: Record<string, string>) =>
      (await ask(port, "/metrics", headers)).status;
    expect(await statusOf({ host: "evil.example" })).toBe(403);
    expect(await statusOf({ host: `evil.example:${port}` })).toBe(403);
    expect(await statusOf({ host: "127.0.0.1.evil.example" })).toBe(403);
    expect(await statusOf({ host: "a@127.0.0.1" })).toBe(403);
    expect(await statusOf({ host: "localhost" })).toBe(200);
    expect(await statusOf({ host: `LOCALHOST:${port}` })).toBe(200);
    expect(await statusOf({ host: `10.1.2.3:${port}` })).toBe(200);
    expect(await statusOf({ host: `[::1]:${port}` })).toBe(200);
    const own = `127.0.0.1:${port}`;
    expect(await statusOf({ host: own, origin: `http://${own}` })).toBe(200);
    expect(await statusOf({ host: own, origin: "https://evil.example" })).toBe(403);
    expect(await statusOf({ host: own, origin: "null" })).toBe(403);
  });

  it("serves the name that it was bound to", async () => {
    const { port } = await start("localhost");
    expect((await ask(port, "/healthz", {}, "GET", "localhost")).status).toBe(200);
  });

  it("names the remedy when its address is taken", async () => {
    const { port } = await start();
    await expect(start("127.0.0.1", port)).rejects.toMatchObject({
      short: "address_in_use",
      message: expect.stringContaining("--admin"),
    });
  });

  it("goes on after garbage", async () => {
    const { port } = await start();
    await new Promise<void>((resolve) => {
      const socket = connect(port, "127.0.0.1", () => socket.write("\u0000garbage\r\n\r\n"));
      socket.on("error", () => undefined);
      socket.on("close", () => resolve());
      socket.resume();
    });
    expect((await ask(port, "/healthz")).status).toBe(200);
  });
});
