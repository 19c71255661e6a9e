import { createHash, randomBytes } from "node:crypto";
import net from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { eventually, portOf, RawClient, Rig } from "./rig.ts";

let rig: Rig;
beforeEach(() => {
  rig = new Rig();
});
afterEach(() => rig.close());

const echo = (socket: net.Socket) => socket.pipe(socket);

describe("CONNECT", () => {
  it("is a raw tunnel to a tcp service, half-close included", async () => {
    await rig.serveRaw("db", echo, "tcp");
    const { port } = await rig.listen();
    const client = new RawClient(port).send(
      "CONNECT db.mesh:5432 HTTP/1.1\r\nHost: db.mesh\r\n\r\nearly ",
    );
    await client.untilText("early ");
    client.send("late");
    client.socket.end();
    const text = await client.untilEnd();
    expect(text).toMatch(
      /^HTTP\/1\.1 200 Connection Established\r\ngrapevine-request-id: r-1\r\n\r\nearly late$/,
    );
    expect(rig.seen[0]).toMatchObject({ head: { kind: "tcp" }, destination: { port: 5432 } });
    await eventually(() => rig.upstreams.snapshot().length === 0);
  });

  it("reads the requests inside a tunnel to an http service one by one", async () => {
    await rig.serve("web", (request, response) => response.end(`[${request.url}]`));
    const { port } = await rig.listen();
    const client = new RawClient(port).send(
      "CONNECT web.mesh:80 HTTP/1.1\r\nHost: web.mesh:80\r\n\r\n",
    );
    await client.untilText("Established\r\n\r\n");
    client.send(
      "GET /1 HTTP/1.1\r\nHost: web.mesh\r\n\r\nGET /2 HTTP/1.1\r\nHost: web.mesh\r\nConnection: close\r\n\r\n",
    );
    expect(await client.untilEnd()).toMatch(/\[\/1\][\s\S]*\[\/2\]$/);
    expect(rig.seen.map(({ head }) => head.path)).toEqual(["/1", "/2"]);
  });

  it("passes TLS inside a tunnel to an http service on as it is", async () => {
    await rig.serveRaw("web", echo, "http");
    const { port } = await rig.listen();
    const client = new RawClient(port).send(
      "CONNECT web.mesh:443 HTTP/1.1\r\nHost: x\r\n\r\n\x16\x03\x01",
    );
    await client.untilText("\r\n\r\n\x16\x03\x01");
    expect(rig.seen).toMatchObject([{ head: { kind: "tcp" }, destination: { port: 443 } }]);
    client.socket.destroy();
  });

  it("says why it cannot connect", async () => {
    const { port } = await rig.listen();
    const text = await new RawClient(port)
      .send("CONNECT no.mesh:1 HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\n")
      .untilEnd();
    expect(text).toMatch(/^HTTP\/1.1 404 [\s\S]*Connection: close/);
    expect(text.match(/HTTP\/1.1/g)).toHaveLength(1);
  });

  it("resets the client when the far side resets", async () => {
    await rig.serveRaw(
      "db",
      (socket) => socket.once("data", () => socket.resetAndDestroy()),
      "tcp",
    );
    const { port } = await rig.listen();
    const client = new RawClient(port).send("CONNECT db.mesh:1 HTTP/1.1\r\nHost: x\r\n\r\nhi");
    await client.until(({ isClosed }) => isClosed);
    expect(client.error?.code).toBe("ECONNRESET");
  });
});

describe("Upgrade", () => {
  it("carries a WebSocket both ways, and both closes", async () => {
    const server = await rig.serve("chat", () => {});
    const sockets = new WebSocketServer({ server });
    sockets.on("connection", (socket) => {
      socket.send("welcome");
      socket.on("message", (data) => socket.send(`you said ${data}`));
    });
    const { port } = await rig.listen();
    const client = new WebSocket(`ws://127.0.0.1:${port}/room`, { headers: { Host: "chat.mesh" } });
    const heard: string[] = [];
    client.on("message", (data) => heard.push(String(data)));
    await new Promise((resolve) => client.once("open", resolve));
    client.send("hi");
    await eventually(() => heard.length === 2);
    expect(heard).toEqual(["welcome", "you said hi"]);
    client.close(1000);
    await new Promise((resolve) => client.once("close", resolve));
    await eventually(() => rig.upstreams.snapshot().length === 0);
  });

  it("goes on with HTTP when the instance does not switch", async () => {
    await rig.serve("web", (request, response) => response.end(`plain ${request.url}`));
    const { port } = await rig.listen();
    const client = new RawClient(port).send(
      "GET /1 HTTP/1.1\r\nHost: web.mesh\r\nConnection: Upgrade\r\nUpgrade: foo\r\n\r\n",
    );
    await client.untilText("plain /1");
    client.send("GET /2 HTTP/1.1\r\nHost: web.mesh\r\n\r\n");
    await client.untilText("plain /2");
    client.socket.destroy();
  });
});

describe("a forwarded tcp port", () => {
  it("carries much data both ways unchanged", async () => {
    await rig.serveRaw("db", echo, "tcp");
    const { port } = await rig.forward("default/db");
    const sent = randomBytes(4 * 1024 * 1024);
    const hash = createHash("sha256");
    const client = net.connect({ port, host: "127.0.0.1" });
    client.end(sent);
    for await (const chunk of client) hash.update(chunk);
    expect(hash.digest("hex")).toBe(createHash("sha256").update(sent).digest("hex"));
  });

  it("hears a server that speaks first, and resets where nobody listens", async () => {
    const server = await rig.serveRaw("db", (socket) => socket.end("220 ready\r\n"), "tcp");
    const { port } = await rig.forward("default/db");
    const client = new RawClient(port);
    expect(await client.untilEnd()).toBe("220 ready\r\n");
    client.socket.end();
    expect(portOf(server)).toBeGreaterThan(0);
    const lost = new RawClient((await rig.forward("default/none")).port);
    await lost.until(({ isClosed }) => isClosed);
    expect(lost.error?.code).toBe("ECONNRESET");
  });
});
