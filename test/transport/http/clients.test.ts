/** Clients that people use, and bodies larger than any buffer, through listener and upstreams. */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import net from "node:net";
import { Readable } from "node:stream";
import { promisify } from "node:util";
import { ProxyAgent, request } from "undici";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { eventually, RawClient, Rig } from "./rig.ts";

const run = promisify(execFile);
const MiB = 1024 * 1024;

let rig: Rig;
beforeEach(() => {
  rig = new Rig();
});
afterEach(() => rig.close());

/** Answers with the length and hash of what was sent. */
async function serveDigest(): Promise<void> {
  await rig.serve("web", async (incoming, response) => {
    const hash = createHash("sha256");
    let length = 0;
    for await (const chunk of incoming) {
      hash.update(chunk);
      length += chunk.length;
    }
    response.end(`${incoming.method} ${length} ${hash.digest("hex")}`);
  });
}

function* blocks(count: number): Generator<Buffer> {
  for (let at = 0; at < count; at += 1) yield Buffer.alloc(MiB, at);
}

function digestOf(count: number): string {
  const hash = createHash("sha256");
  for (const block of blocks(count)) hash.update(block);
  return hash.digest("hex");
}

describe("curl", () => {
  const curl = async (port: number, ...rest: string[]) =>
    (await run("curl", ["-sS", "-m", "10", "-x", `http://127.0.0.1:${port}`, ...rest])).stdout;

  it("goes through the proxy with http_proxy and with a CONNECT tunnel", async () => {
    await rig.serve("web", (incoming, response) =>
      response.end(`${incoming.method} ${incoming.url}`),
    );
    const { port } = await rig.listen();
    expect(await curl(port, "http://web.mesh/a")).toBe("GET /a");
    expect(await curl(port, "-p", "http://web.mesh/b")).toBe("GET /b");
    expect(await curl(port, "-0", "http://web.mesh/c")).toBe("GET /c");
    expect(await curl(port, "-I", "http://web.mesh/d")).toContain("grapevine-request-id: r-4");
  });

  it("uploads with Expect: 100-continue", async () => {
    await serveDigest();
    const { port } = await rig.listen();
    const upload = ["-H", "Expect: 100-continue", "--data-binary", "@-", "http://web.mesh/"];
    const child = execFile("curl", [
      "-sS",
      "-m",
      "10",
      "-x",
      `http://127.0.0.1:${port}`,
      ...upload,
    ]);
    let text = "";
    child.stdout?.on("data", (chunk) => {
      text += chunk;
    });
    if (child.stdin !== null) Readable.from(blocks(2)).pipe(child.stdin);
    await new Promise((resolve) => child.on("close", resolve));
    expect(text).toBe(`POST ${2 * MiB} ${digestOf(2)}`);
  });
});

describe("undici", () => {
  it("streams a chunked upload through a tunnel, and again on the same connection", async () => {
    await serveDigest();
    const { port } = await rig.listen();
    const dispatcher = new ProxyAgent({ uri: `http://127.0.0.1:${port}`, proxyTunnel: true });
    for (let round = 0; round < 2; round += 1) {
      const body = Readable.from(blocks(3));
      const answer = await request("http://web.mesh/", { method: "PUT", body, dispatcher });
      expect(await answer.body.text()).toBe(`PUT ${3 * MiB} ${digestOf(3)}`);
    }
    await dispatcher.destroy();
  });
});

describe("large bodies", () => {
  it("wait for a slow reader instead of filling memory", async () => {
    const total = 64 * MiB;
    let written = 0;
    await rig.serve("web", (_incoming, response) => {
      response.setHeader("Content-Length", total);
      const block = Buffer.alloc(MiB / 4);
      const fill = () => {
        while (written < total) {
          written += block.length;
          if (!response.write(block)) return response.once("drain", fill);
        }
        return response.end();
      };
      fill();
    });
    const { port } = await rig.listen();
    const client = net.connect(port, "127.0.0.1");
    client.write("GET / HTTP/1.1\r\nHost: web.mesh\r\nConnection: close\r\n\r\n");
    await new Promise((resolve) => client.once("readable", resolve));
    let before = -1;
    while (before !== written) {
      before = written;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    // What the kernel's socket buffers hold, four of them, and a little of our own.
    expect(written).toBeLessThan(total / 2);
    let received = 0;
    for await (const chunk of client) received += chunk.length;
    expect(received).toBeGreaterThan(total);
  });

  it("wait for an instance that reads slowly", async () => {
    let socket: net.Socket | undefined;
    await rig.serveRaw("web", (opened) => {
      opened.pause();
      socket = opened;
    });
    const { port } = await rig.listen();
    const client = new RawClient(port);
    const total = 48 * MiB;
    client.send(`POST / HTTP/1.1\r\nHost: web.mesh\r\nContent-Length: ${total}\r\n\r\n`);
    const upload = Readable.from(blocks(48)).pipe(client.socket);
    let before = -1;
    while (before !== upload.bytesWritten - upload.writableLength || socket === undefined) {
      before = upload.bytesWritten - upload.writableLength;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    expect(before).toBeLessThan(total / 2);
    let received = 0;
    socket.on("data", (chunk) => {
      received += chunk.length;
    });
    socket.resume();
    await eventually(() => received > total, 4_000);
    socket.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    await client.untilText("\r\n\r\nok");
    client.socket.destroy();
  });
});
