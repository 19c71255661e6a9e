import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeEach, describe, expect, it } from "vitest";
import type { LocalApi } from "../../../agent/api/server.ts";
import { createLocalApi } from "../../../agent/api/server.ts";
import { call, callRaw } from "./client.ts";
import { createFakeNode } from "./fake-node.ts";

const folder = mkdtempSync(join(tmpdir(), "gv-api-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let fake: ReturnType<typeof createFakeNode>;
let api: LocalApi;
let round = 0;
let socketPath = "";

beforeEach(async () => {
  fake = createFakeNode();
  round += 1;
  socketPath = join(folder, `${round}.sock`);
  api = createLocalApi({ socketPath, node: fake.node, log: fake.log.component("api") });
  await api.start();
});
afterEach(async () => {
  await api.close();
  await fake.close();
});

const get = (path: string) => call(socketPath, "GET", path);
const put = (path: string, body: unknown) => call(socketPath, "PUT", path, body);
const post = (path: string, body?: unknown) => call(socketPath, "POST", path, body);
const remove = (path: string, body?: unknown) => call(socketPath, "DELETE", path, body);
const ports = [{ port: 8080 }];

describe("what the API shows", () => {
  it("lists members as the contract says, itself first", async () => {
    const { status, headers, json } = await get("/v1/members");
    expect([status, headers["content-type"]]).toEqual([200, "application/json"]);
    expect(json.map((member: { name: string }) => member.name)).toEqual(["a", "b", "c"]);
    const keys =
      "name id status leaving self bind link zone region epoch incarnation version sinceMs";
    expect(Object.keys(json[0])).toEqual(keys.split(" "));
    expect(json[1]).toMatchObject({ status: "suspect", self: false, sinceMs: expect.any(Number) });
    expect(json[1].sinceMs).toBeLessThan(10_000);
  });

  it("lists services with their instances as the contract says", async () => {
    const { json } = await get("/v1/services");
    expect(json.map((service: { name: string }) => service.name)).toEqual(["api", "web"]);
    expect(json[1]).toMatchObject({ namespace: "default", protocol: "http", ports: [80, 81] });
    const [instance] = json[1].instances;
    const keys = "id agent address version weight tags health ageMs breaker zone conflict";
    expect(Object.keys(instance)).toEqual(keys.split(" "));
    expect(instance).toMatchObject({ id: "one", agent: "b", breaker: "open", health: "passing" });
    expect(json[0].instances[0]).toMatchObject({
      agent: "id-b",
      conflict: true,
      health: "failing",
    });
  });

  it("shows one service, or says who was asked", async () => {
    expect((await get("/v1/services/default/web")).json.instances).toHaveLength(2);
    const { status, headers, json } = await get("/v1/services/default/nothing");
    expect([status, headers["content-type"]]).toEqual([404, "application/problem+json"]);
    expect(json).toEqual({
      type: "urn:grapevine:error:not_found",
      title: "Not found",
      status: 404,
      detail: "default/nothing is not offered by the only agent that is alive",
      code: "ERR_GRAPEVINE_NOT_FOUND",
      remedy: "see what is offered: `grapevine services`, or GET /v1/services",
    });
    expect((await get("/v1/services/Default/web")).json.detail).toContain("not a DNS label");
  });

  it("shows what a check of its own instance found", async () => {
    const check = { type: "ttl", ttlMs: 60_000 };
    await put("/v1/services/default/web/two", { ports, check });
    await post("/v1/services/default/web/two/fail", { message: "out of disk" });
    const { json } = await get("/v1/services/default/web");
    expect(json.instances[1].check).toEqual({
      type: "ttl",
      message: "out of disk",
      checkedAgoMs: expect.any(Number),
    });
    expect(json.instances[0].check).toBeUndefined();
  });

  it("shows the agent's status", async () => {
    const { json } = await get("/v1/status");
    expect(json).toMatchObject({
      pid: process.pid,
      name: "a",
      uptimeMs: 12,
      ready: true,
      members: { alive: 1, suspect: 1, dead: 1, left: 0 },
      services: 2,
      links: 2,
    });
  });

  it("shows records, newest first, and one by its id", async () => {
    const all = await get("/v1/requests?last=1000");
    expect(all.json.map((record: { id: string }) => record.id)).toEqual([
      "0000000000000002",
      "0000000000000001",
    ]);
    expect((await get("/v1/requests?last=1")).json).toHaveLength(1);
    expect((await get("/v1/requests/0000000000000001")).json.service).toBe("default/web");
    expect((await get("/v1/requests/ffff")).status).toBe(404);
    expect((await get("/v1/requests?last=0")).json.detail).toContain("from 1 to 1000");
    expect((await get("/v1/requests?lst=5")).json.detail).toContain('did you mean "last"');
    expect((await get("/v1/requests?last=1&last=2")).json.detail).toContain("given twice");
  });

  it("answers HEAD like GET, without the body", async () => {
    const { status, headers, text } = await call(socketPath, "HEAD", "/v1/status");
    expect([status, text]).toEqual([200, ""]);
    expect(Number(headers["content-length"])).toBeGreaterThan(100);
  });
});

describe("registering over the socket", () => {
  it("registers, updates, reports and deregisters an instance", async () => {
    const path = "/v1/services/shop/web/one";
    const body = {
      ports: [{ port: 8080, servicePort: 80 }],
      check: { type: "ttl" },
      leaseMs: 9_000,
    };
    const created = await put(path, body);
    expect(created.status).toBe(201);
    expect(created.json).toEqual({
      namespace: "shop",
      name: "web",
      id: "one",
      protocol: "http",
      address: "127.0.0.1:8080",
      ports: [{ servicePort: 80, address: "127.0.0.1:8080" }],
      version: "",
      weight: 1,
      tags: {},
      health: "failing",
      origin: "api",
      ageMs: expect.any(Number),
      leaseMs: 9_000,
      check: { type: "ttl", message: "not checked yet", checkedAgoMs: null },
    });
    expect((await put(path, { ...body, weight: 5 })).status).toBe(200);
    expect((await post(`${path}/pass`)).json).toMatchObject({ health: "passing", weight: 5 });
    expect((await post(`${path}/fail`, { message: "busy" })).json.check.message).toBe("busy");
    expect((await remove(path)).json).toMatchObject({ id: "one" });
    const again = await remove(path);
    expect([again.status, again.json.code]).toEqual([404, "ERR_GRAPEVINE_NOT_FOUND"]);
  });

  it("chooses the id where it is asked to", async () => {
    const { json } = await put("/v1/services/default/web/_", { ports });
    expect(json.id).toBe("a-8080");
  });

  it("lists every mistake of a body with its path", async () => {
    const { status, json } = await put("/v1/services/default/web/one", {
      prots: [],
      weight: "3",
      name: "other",
    });
    expect(status).toBe(400);
    expect(json.code).toBe("ERR_GRAPEVINE_INVALID_ARGUMENT");
    expect(json.problems).toEqual([
      { path: "name", message: "belongs into the path alone" },
      { path: "prots", message: 'unknown field; did you mean "ports"?' },
      { path: "", message: expect.stringContaining("where does it listen") },
      { path: "weight", message: "must be a whole number, not a text" },
    ]);
    expect(json.detail).toContain("prots: unknown field");
  });

  it("refuses names that are no DNS labels, and bodies that are no objects", async () => {
    expect((await put("/v1/services/default/Web/one", { ports })).json.detail).toContain('"Web"');
    expect((await put("/v1/services/default/web/a.b", { ports })).json.detail).toContain('"a.b"');
    expect((await put("/v1/services/default/web/%ff", { ports })).status).toBe(400);
    expect((await put("/v1/services/default/web/one", [])).status).toBe(400);
    expect((await put("/v1/services/default/web/one", undefined)).json.detail).toContain("needed");
    const exec = await put("/v1/services/default/web/one", {
      ports,
      check: { type: "exec", command: "true" },
    });
    expect([exec.status, exec.json.code]).toEqual([403, "ERR_GRAPEVINE_FORBIDDEN"]);
  });

  it("says where a body stops being JSON", async () => {
    const { status, json } = await put("/v1/services/default/web/one", '{"ports":\n  [}');
    expect(status).toBe(400);
    expect(json.detail).toBe('the body is not valid JSON: unexpected "}" at line 2, column 4');
    const bytes = "PUT /v1/services/default/web/one HTTP/1.1\r\nContent-Length: 2\r\n\r\n\xff\xfe";
    expect(await callRaw(socketPath, `${bytes}GET / HTTP/1.0\r\n\r\n`)).toContain(
      "400 Bad Request",
    );
  });

  it("does not read a body without end", async () => {
    const large = await put("/v1/services/default/web/one", "x".repeat(70_000));
    expect([large.status, large.json.code]).toEqual([413, "ERR_GRAPEVINE_TOO_LARGE"]);
    const head = "PUT /v1/services/default/web/one HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
    const chunk = `4000\r\n${"x".repeat(0x4000)}\r\n`;
    const answer = await callRaw(socketPath, head + chunk.repeat(8));
    expect(answer).toContain("413 ");
  });
});

describe("commands", () => {
  it("joins, and says why it could not", async () => {
    expect((await post("/v1/join", { address: "10.0.0.1:7946" })).status).toBe(200);
    expect((await post("/v1/join", { address: "[::1]:7946" })).status).toBe(200);
    expect(fake.state.calls).toEqual(["join 10.0.0.1:7946", "join [::1]:7946"]);
    const failed = await post("/v1/join", { address: "10.0.0.1:1" });
    expect([failed.status, failed.json.detail]).toEqual([502, "10.0.0.1:1 is silent"]);
    expect((await post("/v1/join", { address: "nowhere" })).json.detail).toContain("HOST:PORT");
    expect((await post("/v1/join")).status).toBe(400);
    expect((await post("/v1/join", {})).json.detail).toContain("missing");
  });

  it("keeps forwards", async () => {
    const forward = { service: "shop/web", listen: "127.0.0.1:9000" };
    const made = await put("/v1/forwards", forward);
    expect([made.status, made.json]).toEqual([201, { ...forward, port: null }]);
    expect((await put("/v1/forwards", { ...forward, port: 81 })).status).toBe(200);
    expect((await get("/v1/forwards")).json).toEqual([{ ...forward, port: 81 }]);
    expect((await put("/v1/forwards", { service: "web", listen: "x" })).status).toBe(400);
    expect((await remove("/v1/forwards?service=shop/web")).json).toHaveLength(1);
    await put("/v1/forwards", forward);
    expect((await remove("/v1/forwards", forward)).json).toHaveLength(1);
    expect((await remove("/v1/forwards")).json.detail).toContain("service: is missing");
  });

  it("reloads and forgets", async () => {
    expect((await post("/v1/reload")).json).toEqual({ changed: ["logLevel"], ignored: [] });
    expect((await remove("/v1/members/old%20one")).json).toEqual({
      id: "id-old one",
      name: "old one",
    });
  });

  it("answers a leave before it closes", async () => {
    const left = Promise.withResolvers<void>();
    fake.state.leave = left.promise;
    const answer = post("/v1/leave");
    await new Promise((resolve) => setTimeout(resolve, 30));
    left.resolve();
    await left.promise;
    await api.close();
    expect((await answer).json).toEqual({ left: true });
  });

  it("does not show what is not meant for the caller", async () => {
    const { status, text } = await remove("/v1/members/bug");
    expect(status).toBe(500);
    expect(text).not.toContain("secret");
  });
});

describe("requests that are wrong", () => {
  it("names the methods of a path, and the path that was meant", async () => {
    const posted = await post("/v1/members");
    expect([posted.status, posted.headers["allow"]]).toEqual([405, "GET, HEAD"]);
    expect((await get("/v1/services/a/b/c")).headers["allow"]).toBe("PUT, DELETE");
    const missing = await get("/v1/memebrs");
    expect([missing.status, missing.json.remedy]).toEqual([404, "did you mean /v1/members?"]);
    expect((await get("/")).status).toBe(404);
    expect((await get("/v1/events")).status).toBe(426);
  });

  it("answers garbage with a problem and goes on", async () => {
    expect(await callRaw(socketPath, "garbage\r\n\r\n")).toMatch(
      /^HTTP\/1\.1 400 .*problem\+json/s,
    );
    const huge = `GET / HTTP/1.1\r\nx: ${"y".repeat(20_000)}\r\n\r\n`;
    expect(await callRaw(socketPath, huge)).toMatch(/^HTTP\/1\.1 431 /);
    const h2c = "GET /v1/status HTTP/1.1\r\nConnection: close, Upgrade\r\nUpgrade: h2c\r\n\r\n";
    expect(await callRaw(socketPath, h2c)).toMatch(/^HTTP\/1\.1 200 /);
    expect((await get("/v1/status")).status).toBe(200);
  });
});
