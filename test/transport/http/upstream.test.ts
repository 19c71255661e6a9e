import type net from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { GrapevineError } from "../../../core/errors.ts";
import type {
  ExchangeObserver,
  RawHeaders,
  RequestHead,
  ResponseHead,
} from "../../../core/exchange/contract.ts";
import { eventually, Rig } from "./rig.ts";

const HEAD: RequestHead = {
  kind: "http",
  method: "GET",
  path: "/",
  authority: "web.mesh",
  headers: ["Host", "web.mesh"],
  body: 0,
  upgrade: undefined,
  expectContinue: false,
};

class Heard implements ExchangeObserver {
  head: ResponseHead | undefined;
  informational: number[] = [];
  body = "";
  trailers: RawHeaders | undefined;
  error: GrapevineError | undefined;
  onRequestDrain(): void {}
  onInformational(head: ResponseHead): void {
    this.informational.push(head.status);
  }
  onHead(head: ResponseHead): void {
    this.head = head;
  }
  onBody(chunk: Uint8Array): void {
    this.body += Buffer.from(chunk).toString("latin1");
  }
  onEnd(trailers: RawHeaders): void {
    this.trailers = trailers;
  }
  onError(error: GrapevineError): void {
    this.error = error;
  }
  get isOver(): boolean {
    return this.trailers !== undefined || this.error !== undefined;
  }
}

let rig: Rig;
beforeEach(() => {
  rig = new Rig({ responseHeadIdleMs: 150, connectTimeoutMs: 1_000 });
});
afterEach(() => rig.close());

async function ask(name: string, head: Partial<RequestHead> = {}): Promise<Heard> {
  const heard = new Heard();
  const target = rig.targets.get(`default/${name}`);
  if (target === undefined) throw new Error("no such target");
  rig.upstreams.open(target, { ...HEAD, ...head }, heard).endBody([]);
  expect(heard.isOver).toBe(false);
  await eventually(() => heard.isOver);
  return heard;
}

/** A server that answers the nth request on each connection with the nth text. */
function scripted(...answers: (string | ((socket: net.Socket) => void))[]) {
  return (socket: net.Socket) => {
    let at = 0;
    socket.on("data", () => {
      const answer = answers[Math.min(at, answers.length - 1)];
      at += 1;
      if (typeof answer === "string") socket.write(answer, "latin1");
      else answer?.(socket);
    });
  };
}

const OK = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

describe("connections to a target", () => {
  it("are used again, and counted", async () => {
    let connections = 0;
    await rig.serveRaw("web", (socket) => {
      connections += 1;
      scripted(OK)(socket);
    });
    for (let round = 0; round < 3; round += 1) expect((await ask("web")).body).toBe("ok");
    expect(connections).toBe(1);
    expect(rig.upstreams.snapshot()).toMatchObject([{ active: 0, idle: 1 }]);
    const target = rig.targets.get("default/web");
    if (target !== undefined) rig.upstreams.closeTarget(target);
    await eventually(() => rig.upstreams.snapshot().length === 0);
  });

  it("are not used again after Connection: close, bytes too many, or an answer before the request's end", async () => {
    let connections = 0;
    const count = (serve: (socket: net.Socket) => void) => (socket: net.Socket) => {
      connections += 1;
      serve(socket);
    };
    await rig.serveRaw(
      "close",
      count(scripted(OK.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n"))),
    );
    await rig.serveRaw("excess", count(scripted(`${OK}HTTP/1.1 200 OK\r\n\r\nstolen`)));
    for (const name of ["close", "excess"]) {
      connections = 0;
      expect((await ask(name)).body).toBe("ok");
      expect((await ask(name)).body).toBe("ok");
      expect(connections).toBe(2);
    }
    await rig.serveRaw("early", scripted(OK));
    const heard = new Heard();
    const target = rig.targets.get("default/early") ?? { unix: "/none" };
    rig.upstreams
      .open(target, { ...HEAD, method: "POST", body: 10 }, heard)
      .writeBody(Buffer.from("12345"));
    await eventually(() => heard.isOver);
    expect(heard.body).toBe("ok");
    // Both connections before were closed as well, so nothing is left in the pools.
    await eventually(() => rig.upstreams.snapshot().length === 0);
  });

  it("are dropped when bytes come that nobody asked for", async () => {
    let peer: net.Socket | undefined;
    await rig.serveRaw("web", (socket) => {
      peer = socket;
      scripted(OK)(socket);
    });
    await ask("web");
    peer?.write("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil");
    await eventually(() => rig.upstreams.snapshot().length === 0);
    expect((await ask("web")).body).toBe("ok");
  });

  it("send a POST again, once, if the used connection was reset before anything was written", async () => {
    const peers: net.Socket[] = [];
    await rig.serveRaw("web", (socket) => {
      peers.push(socket);
      scripted(OK)(socket);
    });
    await ask("web");
    // The reset reaches this process's kernel at once, but its event loop only after the write.
    peers[0]?.resetAndDestroy();
    const heard = await ask("web", { method: "POST" });
    expect(heard.error).toBeUndefined();
    expect(heard.body).toBe("ok");
    expect(peers).toHaveLength(2);
  });

  it("say that a POST may have run when a used connection breaks before the answer", async () => {
    await rig.serveRaw(
      "web",
      scripted(OK, (socket) => socket.resetAndDestroy()),
    );
    await ask("web");
    const { error } = await ask("web", { method: "POST" });
    expect(error).toMatchObject({ short: "upstream_reset", executed: "unknown" });
  });
});

describe("answers", () => {
  it("may last until the connection ends", async () => {
    await rig.serveRaw(
      "web",
      scripted((socket) => socket.end("HTTP/1.0 200 OK\r\n\r\nall of it")),
    );
    const heard = await ask("web");
    expect(heard.head?.body).toBe("chunked");
    expect(heard.body).toBe("all of it");
    expect(heard.error).toBeUndefined();
  });

  it("may be preceded by informational ones and followed by trailers", async () => {
    const text =
      "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" +
      "2;x\r\nok\r\n0\r\nX-Sum: 1\r\n\r\n";
    await rig.serveRaw("web", scripted(text));
    const heard = await ask("web");
    expect(heard.informational).toEqual([103]);
    expect(heard.body).toBe("ok");
    expect(heard.trailers).toEqual(["X-Sum", "1"]);
  });

  it.each([
    ["HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"],
    ["HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nab"],
    ["HTTP/1.1 200 OK\r\nTransfer-Encoding: xchunked\r\n\r\n"],
    ["HTTP/1.1 200 OK\r\nX: a\r\n folded\r\n\r\n"],
    ["HTTP/1.1 200 OK\r\nX : a\r\n\r\n"],
    ["HTTP/1.1 200 OK\nContent-Length: 0\n\n"],
    ["HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n"],
    ["HTTP/2 200\r\n\r\n"],
    ["HTTP/1.1 20 OK\r\n\r\n"],
    ["SSH-2.0-OpenSSH\r\n"],
  ])("that are not valid are refused: %j", async (text) => {
    await rig.serveRaw(
      "web",
      scripted((socket) => socket.end(text, "latin1")),
    );
    const { error } = await ask("web");
    expect(["upstream_invalid", "upstream_reset"]).toContain(error?.short);
  });

  it("that end before their length are upstream_reset after the head", async () => {
    await rig.serveRaw(
      "web",
      scripted((socket) => socket.end("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc")),
    );
    const heard = await ask("web");
    expect(heard.head?.status).toBe(200);
    expect(heard.error?.short).toBe("upstream_reset");
  });

  it("that never come are idle_timeout, and the time counts from the last byte sent", async () => {
    await rig.serveRaw("web", () => {});
    const heard = new Heard();
    const target = rig.targets.get("default/web") ?? { unix: "/none" };
    const exchange = rig.upstreams.open(target, { ...HEAD, body: "chunked" }, heard);
    const begun = performance.now();
    for (let round = 0; round < 4; round += 1) {
      await new Promise((resolve) => setTimeout(resolve, 60));
      exchange.writeBody(Buffer.from("x"));
    }
    await eventually(() => heard.isOver);
    expect(performance.now() - begun).toBeGreaterThan(350);
    expect(heard.error?.short).toBe("idle_timeout");
  });
});

describe("requests", () => {
  it("that find nobody surely did not run", async () => {
    rig.targets.set("default/none", { unix: "/nonexistent/socket" });
    rig.targets.set("default/name", { host: "does-not-exist.invalid", port: 80 });
    rig.targets.set("default/port", { host: "127.0.0.1", port: 99_999 });
    for (const name of ["none", "name", "port"]) {
      expect((await ask(name)).error).toMatchObject({ short: "upstream_refused", executed: "no" });
    }
  });

  it("with a header that would become two are not written", async () => {
    await rig.serveRaw("web", scripted(OK));
    for (const value of ["a\r\nX: b", "a\nb", "\u010a", "a\0"]) {
      const { error } = await ask("web", { headers: ["Host", "web.mesh", "X-A", value] });
      expect(error).toMatchObject({ short: "bad_request", executed: "no" });
    }
  });

  it("carry exactly their headers, and only framing is added", async () => {
    let text = "";
    await rig.serveRaw("web", (socket) => {
      socket.on("data", (chunk) => {
        text += chunk.toString("latin1");
        if (text.endsWith("0\r\n\r\n")) socket.write(OK);
      });
    });
    const heard = new Heard();
    const headers = ["hOsT", "web.mesh", "X-Ä".replace("Ä", "a"), "\u00e4"];
    const target = rig.targets.get("default/web") ?? { unix: "/none" };
    const exchange = rig.upstreams.open(
      target,
      { ...HEAD, method: "PUT", headers, body: "chunked" },
      heard,
    );
    exchange.writeBody(Buffer.from("hello"));
    exchange.endBody([]);
    await eventually(() => heard.isOver);
    expect(text).toBe(
      "PUT / HTTP/1.1\r\nhOsT: web.mesh\r\nX-a: \u00e4\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    );
  });

  it("that are longer or shorter than announced end with an error and a closed connection", async () => {
    await rig.serveRaw("web", () => {});
    const { error } = await ask("web", { method: "POST", body: 5 });
    expect(error?.short).toBe("bad_request");
    await eventually(() => rig.upstreams.snapshot().length === 0);
  });

  it("that are cancelled hear nothing more", async () => {
    let isClosed = false;
    await rig.serveRaw("web", (socket) => {
      socket.resume().on("end", () => {
        isClosed = true;
      });
    });
    const heard = new Heard();
    const target = rig.targets.get("default/web") ?? { unix: "/none" };
    const exchange = rig.upstreams.open(target, HEAD, heard);
    await new Promise((resolve) => setTimeout(resolve, 20));
    exchange.cancel(new GrapevineError("canceled", "enough"));
    await eventually(() => rig.upstreams.snapshot().length === 0);
    expect(heard.isOver).toBe(false);
    await eventually(() => isClosed);
  });
});
