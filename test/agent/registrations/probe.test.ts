import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import type { ServerHttp2Stream } from "node:http2";
import { createServer as createServer2 } from "node:http2";
import { type AddressInfo, createServer as createTcpServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import type { ProbeResult } from "../../../agent/registrations/probe.ts";
import { probe } from "../../../agent/registrations/probe.ts";
import { decodeStatus, encodeRequest } from "../../../agent/registrations/probe-grpc.ts";
import type { LocalTarget } from "../../../agent/registrations/registration.ts";
import { readRegistration } from "../../../agent/registrations/schema.ts";
import type { ServiceProtocol } from "../../../core/types.ts";

const folder = mkdtempSync(join(tmpdir(), "gv-probe-"));

afterAll(() => rmSync(folder, { recursive: true, force: true }));
const servers: (() => void)[] = [];
afterEach(() => {
  for (const close of servers.splice(0)) close();
});

async function listen(server: Server, path?: string): Promise<LocalTarget> {
  await new Promise<void>((resolve) => {
    if (path === undefined) server.listen(0, "127.0.0.1", resolve);
    else server.listen(path, resolve);
  });
  servers.push(() => server.close());
  if (path !== undefined) return { unix: path };
  return { host: "127.0.0.1", port: (server.address() as AddressInfo).port };
}

async function run(
  check: Record<string, unknown>,
  target: LocalTarget,
  protocol: ServiceProtocol = "http",
  timeoutMs = 3_000,
): Promise<ProbeResult> {
  const read = readRegistration({ name: "web", ports: [{ port: 1 }], check });
  if (!read.ok || read.registration.check === undefined) throw new Error(JSON.stringify(read));
  const { check: spec } = read.registration;
  const controller = new AbortController();
  const timer = setTimeout(
    () => controller.abort(new Error("no answer within the time")),
    timeoutMs,
  );
  try {
    const task = { spec, target, protocol, service: "default/web", instance: "one" };
    return await probe(task, controller.signal);
  } finally {
    clearTimeout(timer);
  }
}

/** An address where nothing listens. */
async function deadTarget(): Promise<LocalTarget> {
  const server = createTcpServer();
  const target = await listen(server);
  await new Promise((resolve) => server.close(resolve));
  return target;
}

describe("the HTTP check", () => {
  const http = { type: "http", path: "/up?deep=1" };

  it("passes on 2xx and 3xx, fails on 4xx and 5xx, and says which", async () => {
    const seen: (string | undefined)[] = [];
    const answers = [200, 204, 302, 404, 503];
    const server = createServer((request, response) => {
      seen.push(`${request.method} ${request.url} ${request.headers.host}`);
      response.writeHead(answers.shift() ?? 500).end("body");
    });
    const target = await listen(server);
    const results = [];
    for (let at = 0; at < 5; at += 1) results.push(await run(http, target));
    expect(results).toEqual([
      { ok: true, message: "HTTP 200 OK" },
      { ok: true, message: "HTTP 204 No Content" },
      { ok: true, message: "HTTP 302 Found" },
      { ok: false, message: "HTTP 404 Not Found" },
      { ok: false, message: "HTTP 503 Service Unavailable" },
    ]);
    expect(seen[0]).toMatch(/^GET \/up\?deep=1 127\.0\.0\.1:\d+$/);
  });

  it("does not wait for a body without end", async () => {
    const server = createServer((_request, response) => {
      response.writeHead(200);
      const timer = setInterval(() => response.write("more"), 5);
      response.on("close", () => clearInterval(timer));
    });
    expect(await run(http, await listen(server))).toMatchObject({ ok: true });
  });

  it("reaches an instance on a Unix socket", async () => {
    const server = createServer((_request, response) => response.end());
    const target = await listen(server, join(folder, "http.sock"));
    expect(await run(http, target)).toMatchObject({ ok: true });
  });

  it("speaks HTTP/2 to an h2c service", async () => {
    const server = createServer2();
    server.on("stream", (stream: ServerHttp2Stream, headers) => {
      stream.respond({ ":status": headers[":path"] === "/up?deep=1" ? 200 : 404 });
      stream.end("ok");
    });
    expect(await run(http, await listen(server), "h2c")).toMatchObject({ ok: true });
  });

  it("says that nothing listens, that nobody answers, or that it is not HTTP", async () => {
    expect(await run(http, await deadTarget())).toMatchObject({
      ok: false,
      message: expect.stringContaining("nothing listens there"),
    });
    expect(await run(http, { unix: join(folder, "gone.sock") })).toMatchObject({
      message: expect.stringContaining("no such socket"),
    });
    const silent = await listen(createTcpServer((socket) => socket.on("error", () => undefined)));
    expect(await run(http, silent, "http", 50)).toMatchObject({
      message: expect.stringContaining("no answer within the time"),
    });
    const garbage = await listen(createTcpServer((socket) => socket.end("hello\r\n\r\n")));
    expect(await run(http, garbage)).toMatchObject({ ok: false });
  });
});

describe("the TCP check", () => {
  it("passes where something accepts, on TCP and on a Unix socket", async () => {
    const accept = () => createTcpServer((socket) => socket.on("error", () => undefined));
    expect(await run({ type: "tcp" }, await listen(accept()))).toMatchObject({ ok: true });
    const unix = await listen(accept(), join(folder, "tcp.sock"));
    expect(await run({ type: "tcp" }, unix)).toMatchObject({ ok: true });
    expect(await run({ type: "tcp" }, await deadTarget())).toMatchObject({ ok: false });
  });
});

describe("the gRPC check", () => {
  /** grpc.health.v1 as a server sees it, answering with `status` or an error code. */
  function health(answer: { status?: number; code?: number; trailersOnly?: boolean }) {
    const asked: string[] = [];
    const server = createServer2();
    server.on("stream", (stream: ServerHttp2Stream, headers) => {
      const chunks: Buffer[] = [];
      stream.on("data", (chunk: Buffer) => chunks.push(chunk));
      stream.on("end", () => {
        const message = Buffer.concat(chunks).subarray(5);
        asked.push(`${headers[":path"]} ${headers["te"]} ${message.subarray(2).toString()}`);
        const code = `${answer.code ?? 0}`;
        const head = { ":status": 200, "content-type": "application/grpc" };
        if (answer.trailersOnly)
          return stream.respond({ ...head, "grpc-status": code }, { endStream: true });
        stream.respond(head, { waitForTrailers: true });
        stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": code }));
        const body = answer.status === undefined ? [] : [8, answer.status];
        stream.end(Buffer.from([0, 0, 0, 0, body.length, ...body]));
      });
    });
    return { server, asked };
  }

  it("passes on SERVING alone, and asks for the service it was given", async () => {
    const serving = health({ status: 1 });
    const target = await listen(serving.server);
    expect(await run({ type: "grpc", service: "shop.Orders" }, target)).toEqual({
      ok: true,
      message: "SERVING",
    });
    expect(serving.asked).toEqual(["/grpc.health.v1.Health/Check trailers shop.Orders"]);
    const stopping = await listen(health({ status: 2 }).server);
    expect(await run({ type: "grpc" }, stopping)).toEqual({ ok: false, message: "NOT_SERVING" });
    const unset = await listen(health({}).server);
    expect(await run({ type: "grpc" }, unset)).toEqual({ ok: false, message: "UNKNOWN" });
  });

  it("explains a server without the health service, and one that does not know the service", async () => {
    const without = await listen(health({ code: 12, trailersOnly: true }).server);
    expect(await run({ type: "grpc" }, without)).toMatchObject({
      ok: false,
      message: expect.stringContaining("does not offer grpc.health.v1.Health"),
    });
    const unknown = await listen(health({ code: 5 }).server);
    expect(await run({ type: "grpc", service: "x" }, unknown)).toMatchObject({
      message: expect.stringContaining("does not know this service"),
    });
  });

  it("fails against a server that speaks HTTP/1, or nothing, or closes", async () => {
    const http1 = await listen(createServer((_request, response) => response.end()));
    expect(await run({ type: "grpc" }, http1)).toMatchObject({ ok: false });
    const silent = await listen(createTcpServer((socket) => socket.on("error", () => undefined)));
    expect(await run({ type: "grpc" }, silent, "grpc", 50)).toMatchObject({
      message: expect.stringContaining("no answer within the time"),
    });
    const closing = await listen(createTcpServer((socket) => socket.destroy()));
    expect(await run({ type: "grpc" }, closing)).toMatchObject({ ok: false });
    expect(await run({ type: "grpc" }, await deadTarget())).toMatchObject({
      message: expect.stringContaining("nothing listens there"),
    });
  });

  it("encodes and decodes as protobuf does", () => {
    expect([...encodeRequest("")]).toEqual([0, 0, 0, 0, 0]);
    expect([...encodeRequest("ab")]).toEqual([0, 0, 0, 0, 4, 10, 2, 97, 98]);
    expect([...encodeRequest("x".repeat(200))].slice(0, 8)).toEqual([0, 0, 0, 0, 203, 10, 200, 1]);
    const decode = (...message: number[]) =>
      decodeStatus(Uint8Array.from([0, 0, 0, 0, message.length, ...message]));
    expect(decode(8, 1)).toBe(1);
    expect(decode()).toBe(0);
    expect(decode(18, 2, 9, 9, 8, 3)).toBe(3);
    expect(decode(8)).toBeUndefined();
    expect(decode(18, 9, 1)).toBeUndefined();
    expect(decodeStatus(Uint8Array.from([1, 0, 0, 0, 0]))).toBeUndefined();
    expect(decodeStatus(new Uint8Array(3))).toBeUndefined();
  });
});

describe("the exec check", () => {
  const target = { host: "127.0.0.1", port: 8080 };
  const exec = (command: unknown, timeoutMs?: number) =>
    run({ type: "exec", command }, target, "http", timeoutMs);

  it("passes on exit code 0, and keeps what the program said", async () => {
    expect(await exec("echo fine")).toEqual({ ok: true, message: "exit code 0: fine" });
    expect(await exec("echo broken >&2; exit 3")).toEqual({
      ok: false,
      message: "exit code 3: broken",
    });
    expect(await exec(["/bin/sh", "-c", "exit 0"])).toEqual({ ok: true, message: "exit code 0" });
    expect(await exec("kill -9 $$")).toEqual({ ok: false, message: "killed by SIGKILL" });
  });

  it("tells the program what it checks", async () => {
    const { message } = await exec(
      "echo $GRAPEVINE_SERVICE $GRAPEVINE_INSTANCE $GRAPEVINE_ADDRESS",
    );
    expect(message).toBe("exit code 0: default/web one 127.0.0.1:8080");
  });

  it("fails if there is no such program", async () => {
    expect(await exec(["/no/such/program"])).toMatchObject({
      ok: false,
      message: expect.stringContaining("cannot start /no/such/program"),
    });
  });

  it("keeps a bounded part of endless output", async () => {
    const { ok, message } = await exec("head -c 1000000 /dev/zero | tr '\\0' 'x'");
    expect(ok).toBe(true);
    expect(message.length).toBeLessThan(300);
  });

  it("ends the program and all its children when the time is over", async () => {
    const file = join(folder, "pids");
    const command = `sleep 60 & echo $! > ${file}; echo $$ >> ${file}; wait`;
    const result = await exec(command, 300);
    expect(result).toEqual({ ok: false, message: "no answer within the time" });
    const pids = readFileSync(file, "utf8").trim().split("\n").map(Number);
    expect(pids).toHaveLength(2);
    for (const pid of pids) await expect.poll(() => isRunning(pid)).toBe(false);
  });

  it("counts children that it leaves running as a hang, and ends them", async () => {
    const file = join(folder, "left");
    const result = await exec(`sleep 60 & echo $! > ${file}; exit 0`, 300);
    expect(result.ok).toBe(false);
    const pid = Number(readFileSync(file, "utf8"));
    await expect.poll(() => isRunning(pid)).toBe(false);
  });
});

function isRunning(pid: number): boolean {
  try {
    // A zombie that nobody collects is not running.
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}
