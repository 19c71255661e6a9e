import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { ServiceKey } from "../../../core/types.ts";
import { eventually, RawClient, Rig } from "./rig.ts";

const GET = (path: string, extra = "") => `GET ${path} HTTP/1.1\r\nHost: web.mesh\r\n${extra}\r\n`;

let rig: Rig;
beforeEach(() => {
  rig = new Rig();
});
afterEach(() => rig.close());

const echoPath: Parameters<Rig["serve"]>[1] = (request, response) => {
  request.resume();
  request.on("end", () => response.end(`you asked ${request.method} ${request.url}\n`));
};

describe("requests through a proxy listener", () => {
  it("routes by Host, keeps header order and case, and names the request", async () => {
    let raw: string[] = [];
    await rig.serve("web", (request, response) => {
      raw = request.rawHeaders;
      response.setHeader("X-Mixed-Case", "yes").end("hello");
    });
    const { port } = await rig.listen();
    const client = new RawClient(port).send(
      GET("/a?b", "X-One: 1\r\nACCEPT: */*\r\ngrapevine-key: k\r\ngrapevine-spoof: x\r\n"),
    );
    const answer = await client.untilText("hello");
    expect(answer).toMatch(/^HTTP\/1\.1 200 OK\r\nX-Mixed-Case: yes\r\n/);
    expect(answer).toContain("grapevine-request-id: r-1\r\n");
    expect(raw.slice(0, 6)).toEqual(["Host", "web.mesh", "X-One", "1", "ACCEPT", "*/*"]);
    expect(raw.join()).not.toContain("grapevine");
    expect(raw.join()).toContain("x-forwarded-for,127.0.0.1,x-forwarded-proto,http,");
    expect(rig.seen[0]).toMatchObject({
      key: "k",
      destination: { service: "default/web", port: 80 },
    });
    client.socket.destroy();
  });

  it("answers pipelined requests in order on one connection", async () => {
    await rig.serve("web", (request, response) => {
      setTimeout(() => response.end(`[${request.url}]`), request.url === "/1" ? 30 : 0);
    });
    const { port } = await rig.listen();
    const client = new RawClient(port).send(
      GET("/1") + GET("/2") + GET("/3", "Connection: close\r\n"),
    );
    const text = await client.untilEnd();
    expect(text.match(/\[\/\d\]/g)).toEqual(["[/1]", "[/2]", "[/3]"]);
    expect(text.match(/HTTP\/1.1 200/g)).toHaveLength(3);
  });

  it("speaks HTTP/1.0: closes by default, and a body of unknown length ends with the connection", async () => {
    await rig.serve("web", (_request, response) => {
      response.write("part one, ");
      response.end("part two");
    });
    const { port } = await rig.listen();
    const text = await new RawClient(port)
      .send("GET / HTTP/1.0\r\nHost: web.mesh\r\n\r\n")
      .untilEnd();
    expect(text).not.toMatch(/transfer-encoding/i);
    expect(text).toMatch(/\r\n\r\npart one, part two$/);
  });

  it("keeps an HTTP/1.0 connection open when asked and when the length is known", async () => {
    await rig.serve("web", (_request, response) =>
      response.setHeader("Content-Length", 2).end("ok"),
    );
    const { port } = await rig.listen();
    const request = "GET / HTTP/1.0\r\nHost: web.mesh\r\nConnection: keep-alive\r\n\r\n";
    const client = new RawClient(port).send(request);
    expect(await client.untilText("ok")).toContain("Connection: keep-alive");
    client.send(request);
    await client.until(({ received }) => received.split("\r\n\r\nok").length === 3);
    client.socket.destroy();
  });

  it("gives HEAD the length of a GET and no body", async () => {
    await rig.serve("web", (_request, response) => response.setHeader("Content-Length", 7).end());
    const { port } = await rig.listen();
    const client = new RawClient(port).send(
      `HEAD / HTTP/1.1\r\nHost: web.mesh\r\n\r\n${GET("/x", "Connection: close\r\n")}`,
    );
    const text = await client.until(({ received }) => received.split("HTTP/1.1 200").length === 3);
    expect(text.split("HTTP/1.1 200")[1]).toMatch(/Content-Length: 7\r\n(.+\r\n)*\r\n$/);
    client.socket.destroy();
  });

  it("passes chunked bodies and trailers in both directions", async () => {
    let got = "";
    let trailers: NodeJS.Dict<string> = {};
    await rig.serve("web", (request, response) => {
      request.on("data", (chunk) => {
        got += chunk;
      });
      request.on("end", () => {
        trailers = request.trailers;
        response.setHeader("Trailer", "X-Sum");
        response.write("abc");
        response.addTrailers({ "X-Sum": "42" });
        response.end();
      });
    });
    const { port } = await rig.listen();
    const client = new RawClient(port).send(
      "POST / HTTP/1.1\r\nHost: web.mesh\r\nTransfer-Encoding: chunked\r\n\r\n" +
        "3;ext=1\r\none\r\n4\r\n two\r\n0\r\nX-Check: sum\r\n\r\n",
    );
    const text = await client.untilText("X-Sum: 42\r\n\r\n");
    expect(got).toBe("one two");
    expect(trailers).toEqual({ "x-check": "sum" });
    expect(text).toContain("Trailer: X-Sum");
    client.socket.destroy();
  });

  it("lets the instance answer Expect: 100-continue, and sends no body before", async () => {
    let bodyBytes = 0;
    const server = await rig.serve("web", () => {});
    server.on("checkContinue", (request, response) => {
      setTimeout(() => {
        expect(bodyBytes).toBe(0);
        response.writeContinue();
        request.on("data", (chunk) => {
          bodyBytes += chunk.length;
        });
        request.on("end", () => response.end("thanks"));
      }, 20);
    });
    const { port } = await rig.listen();
    const head =
      "POST / HTTP/1.1\r\nHost: web.mesh\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n";
    const client = new RawClient(port).send(head);
    await client.untilText("100 Continue\r\n\r\n");
    client.send("body");
    expect(await client.untilText("thanks")).not.toContain("Connection: close");
    expect(bodyBytes).toBe(4);
    client.socket.destroy();
  });

  it("closes after a final answer to a body that the client was never told to send", async () => {
    const server = await rig.serve("web", () => {});
    server.on("checkContinue", (_request, response) => response.writeHead(417).end());
    const { port } = await rig.listen();
    const head =
      "POST / HTTP/1.1\r\nHost: web.mesh\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n";
    const text = await new RawClient(port).send(head).untilEnd();
    expect(text).toMatch(/^HTTP\/1.1 417/);
    expect(text).toContain("Connection: close");
  });

  it("takes absolute form, and makes Host agree with it", async () => {
    let host: string | undefined;
    await rig.serve("web", (request, response) => {
      host = request.headers.host;
      response.end(request.url);
    });
    const { port } = await rig.listen();
    const client = new RawClient(port).send(
      "GET http://web.mesh/p?q HTTP/1.1\r\nHost: evil.example\r\n\r\n",
    );
    expect(await client.untilText("/p?q")).toContain("200 OK");
    expect(host).toBe("web.mesh");
    client.socket.destroy();
  });

  it("explains names that cannot be services, unknown ones, and itself as a host", async () => {
    const { port } = await rig.listen();
    const ask = async (host: string) =>
      new RawClient(port)
        .send(`GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`)
        .untilEnd();
    expect(await ask("a.b.c.d.mesh")).toMatch(
      /^HTTP\/1.1 404 [\s\S]*grapevine-error: unknown_service; /,
    );
    expect(await ask("nobody.mesh")).toMatch(/^HTTP\/1.1 404 [\s\S]*grapevine-request-id: r-/);
    expect(await ask(`127.0.0.1:${port}`)).toMatch(/^HTTP\/1.1 508 /);
    expect(await ask("")).toMatch(/^HTTP\/1.1 400 /);
  });

  it("tells which instance refused, and goes on with the connection", async () => {
    const server = await rig.serve("web", echoPath);
    await new Promise((resolve) => server.close(resolve));
    await rig.serve("up", echoPath);
    const { port } = await rig.listen();
    const client = new RawClient(port).send(GET("/"));
    await client.untilText("grapevine-error: upstream_refused; ");
    client.send("GET /still HTTP/1.1\r\nHost: up.mesh\r\n\r\n");
    await client.untilText("you asked GET /still");
    client.socket.destroy();
  });

  it("answers garbage with 400 and closes, whatever it is", async () => {
    const { port } = await rig.listen();
    const garbage = [
      "\x16\x03\x01\x02\x00\x01\x00",
      "GET /\r\n\r\n",
      "\0\0\0\0",
      "HELO x\r\n\r\n",
      "GET / HTTP/1.1\nHost: a\n\n",
    ];
    for (const bytes of garbage) {
      expect(await new RawClient(port).send(bytes).untilEnd()).toMatch(/^HTTP\/1.1 400 /);
    }
    expect(await new RawClient(port).send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").untilEnd()).toMatch(
      /^HTTP\/1.1 501 /,
    );
    expect(rig.events.every((event) => event.kind === "client_fault")).toBe(true);
    expect(rig.seen).toHaveLength(0);
  });
});

describe("connections that end early", () => {
  it("cancels the request when the client aborts", async () => {
    let asked = false;
    let aborted = false;
    await rig.serve("web", (_request, response) => {
      asked = true;
      response.on("close", () => {
        aborted = true;
      });
    });
    const { port } = await rig.listen();
    const client = new RawClient(port).send(GET("/"));
    await eventually(() => asked);
    client.socket.resetAndDestroy();
    await eventually(() => rig.canceled.length === 1 && aborted);
    expect(rig.canceled[0]?.short).toBe("canceled");
  });

  it("cancels when the client closes in the middle of its body", async () => {
    await rig.serve("web", (request) => request.resume());
    const { port } = await rig.listen();
    const client = new RawClient(port).send(
      "POST / HTTP/1.1\r\nHost: web.mesh\r\nContent-Length: 9\r\n\r\nabc",
    );
    await eventually(() => rig.seen.length === 1);
    client.socket.end();
    await eventually(() => rig.canceled.length === 1);
  });

  it("still answers a client that only ended its side, and gives up on one that went away", async () => {
    await rig.serve("web", (request, response) => {
      if (request.url === "/soon") setTimeout(() => response.end("here"), 20);
    });
    const { port } = await rig.listen({ limits: { halfCloseGraceMs: 200 } });
    const half = new RawClient(port).send(GET("/soon"));
    half.socket.end();
    expect(await half.untilEnd()).toMatch(/here$/);
    const gone = new RawClient(port).send(GET("/never"));
    gone.socket.end();
    await gone.until(({ isClosed }) => isClosed);
    await eventually(() => rig.canceled.length === 1);
  });

  it("breaks off a chunked answer without its terminator when the instance dies", async () => {
    await rig.serveRaw("web", (socket) => {
      socket.once("data", () => {
        socket.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
        setTimeout(() => socket.destroy(), 30);
      });
    });
    const { port } = await rig.listen();
    const text = await new RawClient(port).send(GET("/")).untilEnd();
    expect(text).toMatch(/3\r\nabc\r\n$/);
  });

  it("resets an HTTP/1.0 client whose answer breaks off, as a regular end would lie", async () => {
    await rig.serveRaw("web", (socket) => {
      socket.once("data", () => {
        socket.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
        setTimeout(() => socket.destroy(), 30);
      });
    });
    const { port } = await rig.listen();
    const client = new RawClient(port).send("GET / HTTP/1.0\r\nHost: web.mesh\r\n\r\n");
    await client.until(({ isClosed }) => isClosed);
    expect(client.error?.code).toBe("ECONNRESET");
  });

  it("gives an answer that comes before the end of a large upload, then closes", async () => {
    await rig.serve("web", (_request, response) => response.writeHead(413).end("too much"));
    const { port } = await rig.listen();
    const client = new RawClient(port).send(
      `POST / HTTP/1.1\r\nHost: web.mesh\r\nContent-Length: 9000000\r\n\r\n${"x".repeat(600_000)}`,
    );
    expect(await client.untilEnd()).toMatch(/413 Payload Too Large[\s\S]*too much/);
  });

  it("cancels what is running when the rest of the request is not HTTP", async () => {
    await rig.serve("web", (request) => request.resume());
    const { port } = await rig.listen();
    const client = new RawClient(port).send(
      "POST / HTTP/1.1\r\nHost: web.mesh\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
    );
    await eventually(() => rig.seen.length === 1);
    client.send("nonsense\r\n");
    expect(await client.untilEnd()).toMatch(/^HTTP\/1.1 400 [\s\S]*a chunk size that is not/);
    expect(rig.canceled).toHaveLength(1);
    expect(rig.canceled[0]?.short).toBe("bad_request");
  });

  it("reads away a small body that nobody wanted, and keeps the connection", async () => {
    const { port } = await rig.listen();
    await rig.serve("web", echoPath);
    const client = new RawClient(port).send(
      "POST / HTTP/1.1\r\nHost: nobody.mesh\r\nContent-Length: 9\r\n\r\nabc",
    );
    await client.untilText("404 Not Found");
    client.send(`defghi${GET("/next")}`);
    await client.untilText("you asked GET /next");
    client.socket.destroy();
  });
});

describe("a listener of one service", () => {
  it("sends everything there, whatever the Host says or does not say", async () => {
    await rig.serve("web", (request, response) => response.end(`host=${request.headers.host}`));
    const mode = { kind: "service", service: "default/web" as ServiceKey, port: 8080 } as const;
    const { port } = await rig.listen({ mode, name: "forward" });
    const old = await new RawClient(port).send("GET / HTTP/1.0\r\n\r\n").untilEnd();
    expect(old).toMatch(/host=$/);
    const text = await new RawClient(port)
      .send("GET / HTTP/1.1\r\nHost: localhost:9000\r\nConnection: close\r\n\r\n")
      .untilEnd();
    expect(text).toMatch(/host=localhost:9000$/);
    expect(rig.seen[1]).toMatchObject({ listener: "forward", destination: { port: 8080 } });
    const refused = await new RawClient(port)
      .send("CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n")
      .untilEnd();
    expect(refused).toMatch(/^HTTP\/1.1 501 /);
  });

  it("says when its port is taken", async () => {
    const { port } = await rig.listen();
    await expect(rig.listen({ port })).rejects.toMatchObject({ short: "address_in_use" });
  });
});

describe("bounds in time and number", () => {
  it("answers 408 to a head that never ends, and closes idle connections", async () => {
    const { port } = await rig.listen({ limits: { headTimeoutMs: 60, idleTimeoutMs: 120 } });
    const slow = new RawClient(port).send("GET / HT");
    expect(await slow.untilEnd()).toMatch(/^HTTP\/1.1 408 /);
    expect(await new RawClient(port).untilEnd()).toBe("");
  });

  it("turns clients away beyond its connection limit, with a reason", async () => {
    const { port } = await rig.listen({ limits: { connectionsMax: 1 } });
    const first = new RawClient(port).send("GET");
    await eventually(() => first.socket.readyState === "open");
    expect(await new RawClient(port).send(GET("/")).untilEnd()).toMatch(
      /503 [\s\S]*grapevine-error: overloaded; /,
    );
    expect(rig.events).toMatchObject([{ kind: "over_capacity" }]);
    first.socket.destroy();
  });

  it("drains: idle connections close, an answer in flight is finished with Connection: close", async () => {
    let finish: (() => void) | undefined;
    await rig.serve("web", (_request, response) => {
      finish = () => response.end("done");
    });
    const listener = await rig.listen();
    const idle = new RawClient(listener.port);
    const busy = new RawClient(listener.port).send(GET("/"));
    await eventually(() => finish !== undefined && listener.connections() === 2);
    const drained = listener.drain();
    idle.socket.on("end", () => idle.socket.end());
    busy.socket.on("end", () => busy.socket.end());
    await idle.untilEnd();
    finish?.();
    expect(await busy.untilEnd()).toMatch(/Connection: close[\s\S]*done$/);
    await drained;
    expect(listener.connections()).toBe(0);
  });

  it("retires: still takes connections, but each answer is the last on its own", async () => {
    await rig.serve("web", (_request, response) => response.end("done"));
    const listener = await rig.listen();
    listener.retire();
    for (const _ of [1, 2]) {
      const client = new RawClient(listener.port).send(GET("/"));
      client.socket.on("end", () => client.socket.end());
      expect(await client.untilEnd()).toMatch(/Connection: close[\s\S]*done$/);
    }
  });
});
