/** What HTTP looks like after two agents: byte for byte what the RFCs let a proxy change. */
import { createHash } from "node:crypto";
import * as http from "node:http";
import * as net from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type AgentProcess, eventually, Fleet, get } from "./fleet.ts";

const fleet = new Fleet();
const closers: (() => void)[] = [];
let client: AgentProcess;
/** What the raw instance received, whole, by path. */
const received = new Map<string, string>();

/** Raw answers by path; the instance writes them as they stand. */
const ANSWERS: Record<string, string> = {
  "/headers":
    "HTTP/1.1 200 Quite Fine\r\nX-CaSe: 1\r\nb: 2\r\nB: 3\r\nSet-Cookie: a=1\r\nset-cookie: b=2\r\n" +
    "Connection: X-Hop\r\nX-Hop: gone\r\nContent-Length: 2\r\n\r\nok",
  "/trailers":
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n" +
    "5\r\nhello\r\n0\r\nX-Sum: abc\r\n\r\n",
  "/head": 'HTTP/1.1 200 OK\r\nContent-Length: 12345\r\nETag: "x"\r\n\r\n',
  "/early":
    "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
  "/two-lengths": "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nokk",
};

function answer(socket: net.Socket): void {
  let text = "";
  socket.setEncoding("latin1").on("data", (part: string) => {
    text += part;
    const path = /^[A-Z]+ (\S+)/.exec(text)?.[1] ?? "";
    const isWhole = /transfer-encoding: chunked/i.test(text)
      ? /\r\n0\r\n(?:[^\r\n]+\r\n)*\r\n$/.test(text)
      : text.includes("\r\n\r\n");
    if (!isWhole) return;
    received.set(path, text);
    text = "";
    socket.write(ANSWERS[path] ?? "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "latin1");
  });
  socket.on("error", () => {});
}

/** Writes bytes to the client agent's proxy; everything that comes back until it closes. */
function raw(text: string): Promise<string> {
  const [host, port] = client.proxy.split(":");
  const socket = net.connect({ host, port: Number(port) });
  let back = "";
  socket.setEncoding("latin1").on("data", (part: string) => {
    back += part;
  });
  socket.write(text, "latin1");
  return new Promise((resolve, reject) => {
    socket.on("error", reject);
    socket.on("close", () => resolve(back));
  });
}

const ask = (path: string, fields = "", method = "GET", rest = "") =>
  raw(
    `${method} http://raw.mesh${path} HTTP/1.1\r\nHost: raw.mesh\r\n${fields}` +
      `Connection: close\r\n\r\n${rest}`,
  );

beforeAll(async () => {
  client = await fleet.agent("client");
  const host = await fleet.agent("host", { join: client.bind });
  const server = net.createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  closers.push(() => server.close());
  const echo = await fleet.server((request, response) => void request.pipe(response));
  const tcp = net.createServer({ allowHalfOpen: true }, (socket) => void socket.pipe(socket));
  await new Promise<void>((resolve) => tcp.listen(0, "127.0.0.1", resolve));
  closers.push(() => tcp.close());
  const portOf = (each: net.Server) => (each.address() as net.AddressInfo).port;
  const put = (name: string, port: number, more: object = {}) =>
    fleet.api(host, "PUT", `/v1/services/default/${name}/one`, { ports: [{ port, ...more }] });
  await put("raw", portOf(server));
  await put("echo", echo);
  await fleet.api(host, "PUT", "/v1/services/default/db/one", {
    ports: [{ port: portOf(tcp), servicePort: 5432 }],
    protocol: "tcp",
  });
  const known = async () =>
    ((await fleet.api(client, "GET", "/v1/services")) as { name: string }[]).length;
  await eventually("the client's agent knows all", 5_000, known, (count) => count === 3);
});

afterAll(async () => {
  for (const close of closers) close();
  await fleet[Symbol.asyncDispose]();
});

describe("a request through two agents", () => {
  it("keeps target, names, case and order, and loses only what is for one hop", async () => {
    await ask(
      "/fields?q=%20%2f",
      "X-MiXed: V\r\nx-a: 1\r\nX-A: 2\r\nKeep-Alive: 5\r\nProxy-Authorization: secret\r\n" +
        "X-Forwarded-For: 9.9.9.9\r\ngrapevine-key: k\r\ngrapevine-forged: x\r\n",
    );
    const lines = (received.get("/fields?q=%20%2f") ?? "").split("\r\n");
    expect(lines.slice(0, 6)).toEqual([
      "GET /fields?q=%20%2f HTTP/1.1",
      "Host: raw.mesh",
      "X-MiXed: V",
      "x-a: 1",
      "X-A: 2",
      "X-Forwarded-For: 9.9.9.9, 127.0.0.1",
    ]);
    expect(lines.slice(6).join("\n")).toMatch(
      /^x-forwarded-proto: http\nx-forwarded-host: raw.mesh\ntraceparent: 00-[^\n]*\n\n$/,
    );
  });

  it("carries a chunked body with trailers", async () => {
    const fields = "Transfer-Encoding: chunked\r\nTrailer: X-T\r\n";
    await ask("/chunked", fields, "POST", "3\r\nabc\r\n2\r\nde\r\n0\r\nX-T: v\r\n\r\n");
    expect(received.get("/chunked")).toMatch(/3\r\nabc\r\n2\r\nde\r\n0\r\nX-T: v\r\n\r\n$/);
  });

  it("may be pipelined, and of HTTP/1.0", async () => {
    const first = "GET http://raw.mesh/one HTTP/1.1\r\nHost: raw.mesh\r\n\r\n";
    const back = await raw(`${first}GET http://raw.mesh/two HTTP/1.0\r\n\r\n`);
    expect(back.match(/HTTP\/1.1 200/g)).toHaveLength(2);
    expect(await raw("GET http://raw.mesh/trailers HTTP/1.0\r\n\r\n")).toMatch(/\r\n\r\nhello$/);
  });

  it("that two parsers could read differently reaches no instance", async () => {
    const both = "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n";
    expect(await ask("/smuggled", both, "POST", "0\r\n\r\nG")).toMatch(/^HTTP\/1.1 400 /);
    expect(received.has("/smuggled")).toBe(false);
  });
});

describe("an answer through two agents", () => {
  it("keeps reason, names, case and order, and loses only what is for one hop", async () => {
    const [head = ""] = (await ask("/headers")).split("\r\n\r\n");
    expect(head.split("\r\n").slice(0, 7)).toEqual([
      "HTTP/1.1 200 Quite Fine",
      "X-CaSe: 1",
      "b: 2",
      "B: 3",
      "Set-Cookie: a=1",
      "set-cookie: b=2",
      "Content-Length: 2",
    ]);
    expect(head).not.toContain("X-Hop");
  });

  it("keeps trailers, early hints, and the length that a HEAD was told", async () => {
    expect(await ask("/trailers")).toMatch(/5\r\nhello\r\n0\r\nX-Sum: abc\r\n\r\n$/);
    expect(await ask("/early")).toMatch(/^HTTP\/1.1 103 [\s\S]*HTTP\/1.1 200 OK[\s\S]*ok$/);
    expect(await ask("/head", "", "HEAD")).toMatch(
      /Content-Length: 12345\r\nETag: "x"[\s\S]*\r\n\r\n$/,
    );
  });

  it("that is no valid HTTP is a 502 that says so", async () => {
    expect(await ask("/two-lengths")).toMatch(/^HTTP\/1.1 502 [\s\S]*: upstream_invalid; /);
  });
});

describe("large bodies", () => {
  it("stream both ways at once and arrive as they were", async () => {
    const [host, port] = client.proxy.split(":");
    const piece = Buffer.alloc(256 * 1024, "grapevine");
    const pieces = 256;
    const sent = createHash("sha256");
    const outgoing = http.request({ host, port, method: "POST", path: "http://echo.mesh/" });
    const digest = new Promise<string>((resolve, reject) => {
      outgoing.on("error", reject);
      outgoing.on("response", (response) => {
        const back = createHash("sha256");
        response.on("data", (part: Buffer) => back.update(part));
        response.on("end", () => resolve(back.digest("hex")));
        response.on("error", reject);
      });
    });
    for (let count = 0; count < pieces; count += 1) {
      sent.update(piece);
      if (!outgoing.write(piece)) await new Promise((resolve) => outgoing.once("drain", resolve));
    }
    outgoing.end();
    expect(await digest).toBe(sent.digest("hex"));
  });
});

describe("CONNECT", () => {
  it("leads to a TCP service, half-closed ends included", async () => {
    const [host, port] = client.proxy.split(":");
    const socket = net.connect({ host, port: Number(port), allowHalfOpen: true });
    let back = "";
    socket.setEncoding("latin1").on("data", (part: string) => {
      back += part;
    });
    socket.write("CONNECT db.mesh:5432 HTTP/1.1\r\nHost: db.mesh:5432\r\n\r\nping");
    socket.end();
    await new Promise((resolve) => socket.on("end", resolve));
    expect(back).toMatch(/^HTTP\/1.1 200 [\s\S]*\r\n\r\nping$/);
  });
});

describe("a service whose last agent is gone", () => {
  it("is a 503 that says so, not an unknown name", async () => {
    const last = await fleet.agent("last", { join: client.bind });
    await fleet.api(last, "PUT", "/v1/services/default/lone/one", { ports: [{ port: 9 }] });
    const status = async () =>
      String((await get(client, "http://lone.mesh/")).headers["grapevine-error"]);
    await eventually("it is known", 5_000, status, (error) => !error.startsWith("unknown_service"));
    last.child.kill("SIGKILL");
    await eventually("it is down", 8_000, status, (error) => /^no_instance; .*dead/.test(error));
  });
});
