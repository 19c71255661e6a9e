import { connect } from "node:net";
import { generateKeyPair } from "@libp2p/crypto/keys";
import { peerIdFromPrivateKey } from "@libp2p/peer-id";
import { afterEach, describe, expect, it } from "vitest";
import { type LinkEvent, Links, type LinksOptions } from "../../../core/link/links.ts";
import { SeededRandom } from "../../../core/random.ts";
import type { NodeId } from "../../../core/types.ts";
import { SystemClock } from "../../../transport/clock.ts";
import {
  createLinkTransport,
  flushAtTurnEnd,
  type LinkTransportEvent,
  type LinkTransportOptions,
  type RunningLinkTransport,
} from "../../../transport/link/link-transport.ts";
import { CONTEXT, echo, Notes, REQUEST } from "../../core/link/world.ts";

interface Agent {
  readonly id: NodeId;
  readonly links: Links;
  readonly transport: RunningLinkTransport;
  readonly events: (LinkEvent | LinkTransportEvent)[];
}

const agents: Agent[] = [];

async function agent(
  transportOptions: Partial<LinkTransportOptions> = {},
  linkOptions: Partial<LinksOptions> = {},
): Promise<Agent> {
  const privateKey = await generateKeyPair("Ed25519");
  const id = peerIdFromPrivateKey(privateKey).toString() as NodeId;
  const events: (LinkEvent | LinkTransportEvent)[] = [];
  const report = (event: LinkEvent | LinkTransportEvent) => events.push(event);
  const transport = await createLinkTransport({
    privateKey,
    certificate: Buffer.from(`certificate of ${id}`),
    trustDomain: "test",
    bind: "127.0.0.1:0",
    check: (peer, certificate) =>
      Buffer.from(certificate).toString() === `certificate of ${peer}`
        ? { ok: true, expiresWallMs: Number.POSITIVE_INFINITY }
        : { ok: false, reason: "it is not theirs" },
    report,
    ...transportOptions,
  });
  const links = new Links({
    self: id,
    clock: new SystemClock({ unref: true }),
    random: new SeededRandom(1),
    transport,
    flushSoon: flushAtTurnEnd,
    accept: echo,
    report,
    ...linkOptions,
  });
  const made = { id, links, transport, events };
  agents.push(made);
  return made;
}

afterEach(async () => {
  for (const { links } of agents) links.stop();
  await Promise.all(agents.map(({ transport }) => transport.close()));
  agents.length = 0;
});

/** Sends a request and waits for the end of its exchange. */
function ask(from: Agent, to: Agent, body = "hello", address = to.transport.address) {
  return new Promise<Notes>((resolve) => {
    const notes = new Notes();
    const { onEnd, onError } = notes;
    notes.onEnd = (trailers) => {
      onEnd.call(notes, trailers);
      resolve(notes);
    };
    notes.onError = (error) => {
      onError.call(notes, error);
      notes.words.push(error.message);
      resolve(notes);
    };
    const exchange = from.links.open(to.id, address, CONTEXT, REQUEST, notes);
    exchange.writeBody(Buffer.from(body));
    exchange.endBody([]);
  });
}

async function until(condition: () => boolean): Promise<void> {
  const end = performance.now() + 3000;
  while (!condition()) {
    if (performance.now() > end) throw new Error("it did not happen within 3 s");
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

describe("links over real sockets", () => {
  it("carry exchanges both ways over one connection", async () => {
    const [a, b] = [await agent(), await agent()];
    expect((await ask(a, b)).text).toBe("hello");
    expect((await ask(b, a, "back")).text).toBe("back");
    expect(a.links.snapshot()).toHaveLength(1);
    expect(b.links.snapshot()).toHaveLength(1);
  });

  it("work with the portable cipher on one side, and say so once", async () => {
    const [a, b] = [await agent({ cipher: "portable" }), await agent()];
    const text = "x".repeat(100_000);
    expect((await ask(a, b, text)).text).toBe(text);
    expect((await ask(b, a, text)).text).toBe(text);
    const warnings = a.events.filter((event) => event.kind === "cipher_fallback");
    expect(warnings).toHaveLength(1);
    expect([a.transport.cipher, b.transport.cipher]).toEqual(["portable", "sodium"]);
  });

  it("reach IPv6 addresses and DNS names", async () => {
    const a = await agent();
    const six = await agent({ bind: "[::1]:0" });
    expect(six.transport.address).toMatch(/^\[::1\]:\d+$/);
    expect((await ask(a, six)).text).toBe("hello");
    const named = await agent({ bind: "localhost:0" });
    const port = named.transport.address.split(":").pop();
    expect((await ask(a, named, "hi", `localhost:${port}`)).text).toBe("hi");
  });

  it("become one when both dial at the same time", async () => {
    const [a, b] = [await agent(), await agent()];
    const notes = await Promise.all([ask(a, b), ask(b, a), ask(a, b), ask(b, a)]);
    expect(notes.map(({ text }) => text)).toEqual(["hello", "hello", "hello", "hello"]);
    await until(() => a.links.snapshot().length === 1 && b.links.snapshot().length === 1);
    const kept = a.links.snapshot()[0];
    expect(kept?.dialer).toBe(a.id < b.id);
    expect(b.links.snapshot()[0]?.dialer).toBe(b.id < a.id);
  });

  it("move big bodies both ways with back-pressure and little memory", async () => {
    const total = 48 * 1024 * 1024;
    const [a, b] = [await agent(), await agent()];
    const notes = new Notes();
    let received = 0;
    let sent = 0;
    let mostAhead = 0;
    const chunk = Buffer.alloc(64 * 1024, 1);
    await new Promise<void>((resolve, reject) => {
      notes.onBody = (part) => {
        received += part.length;
        mostAhead = Math.max(mostAhead, sent - received);
      };
      notes.onEnd = () => resolve();
      notes.onError = reject;
      const exchange = a.links.open(b.id, b.transport.address, CONTEXT, REQUEST, notes);
      notes.onDrain = () => {
        while (sent < total) {
          sent += chunk.length;
          if (!exchange.writeBody(chunk)) return;
        }
        exchange.endBody([]);
      };
      notes.onDrain();
    });
    expect(received).toBe(total);
    // Two windows, two queues and two socket buffers, but not the body.
    expect(mostAhead).toBeLessThan(8 * 1024 * 1024);
  });
});

describe("peers that are not welcome", () => {
  it("are refused with the reason on both sides when their certificate is bad", async () => {
    const [a, b] = [await agent({ certificate: Buffer.from("stolen") }), await agent()];
    const notes = await ask(a, b);
    expect(notes.words[0]).toBe("error unreachable no");
    expect(notes.words[1]).toContain("it is not theirs");
    await until(() => b.events.length > 0);
    expect(b.events).toMatchObject([
      { kind: "certificate_refused", peer: a.id, by: "us", detail: "it is not theirs" },
    ]);
    expect(b.links.snapshot()).toEqual([]);
  });

  it("learn the reason when it is they who were dialled", async () => {
    const [a, b] = [await agent(), await agent({ certificate: Buffer.from("stolen") })];
    const notes = await ask(a, b);
    expect(notes.words[1]).toContain("it is not theirs");
    await until(() => b.events.length > 0);
    expect(b.events).toMatchObject([{ kind: "certificate_refused", peer: a.id, by: "peer" }]);
  });

  it("cannot shake hands across trust domains", async () => {
    const [a, b] = [await agent(), await agent({ trustDomain: "other" })];
    const notes = await ask(a, b);
    expect(notes.words[0]).toBe("error unreachable no");
    expect(notes.words[1]).toContain("another trust domain");
    await until(() => b.events.length > 0);
    expect(b.events[0]).toMatchObject({ kind: "handshake_failed" });
  });

  it("are not taken for somebody else", async () => {
    const [a, b, c] = [await agent(), await agent(), await agent()];
    const notes = await ask(a, b, "hello", c.transport.address);
    expect(notes.words[0]).toBe("error unreachable no");
    expect(notes.words[1]).toContain("rejected");
  });

  it("are closed when they send garbage, and the next one is served", async () => {
    const [a, b] = [await agent(), await agent()];
    const [host, port] = b.transport.address.split(":");
    const socket = connect(Number(port), host);
    socket.on("error", () => {});
    socket.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n".repeat(50));
    await new Promise((resolve) => socket.once("close", resolve));
    expect(b.events).toMatchObject([
      { kind: "handshake_failed", detail: "the bytes are no link handshake" },
    ]);
    expect((await ask(a, b)).text).toBe("hello");
  });

  it("have little time to say who they are, and less when there are many", async () => {
    const b = await agent({ handshakeTimeoutMs: 300, handshakeTimeoutMsMin: 50, unprovedMax: 3 });
    const [host, port] = b.transport.address.split(":");
    const sockets = [1, 2, 3, 4].map(() => connect(Number(port), host));
    const closed = sockets.map((socket) => {
      socket.on("error", () => {});
      socket.resume();
      return new Promise((resolve) => socket.once("close", resolve));
    });
    await Promise.all(closed);
    const details = b.events.map((event) => ("detail" in event ? event.detail : ""));
    expect(details.filter((text) => text.includes("too many connections"))).toHaveLength(1);
    expect(details.filter((text) => text.includes("no handshake within"))).toHaveLength(3);
  });
});

describe("links that end", () => {
  it("say refused where nothing listens", async () => {
    const [a, b] = [await agent(), await agent()];
    const { address } = b.transport;
    await b.transport.close();
    expect((await ask(a, b, "", address)).words[1]).toContain("refused: ECONNREFUSED");
  });

  it("fail what is under way as unknown when the peer's process is gone", async () => {
    const [a, b] = [await agent(), await agent({}, { accept: () => ({ ...echoless }) })];
    const pending = ask(a, b);
    await until(() => b.links.snapshot()[0]?.streams === 1);
    await b.transport.close();
    expect((await pending).words[0]).toBe("error link_reset unknown");
    expect(a.links.snapshot()).toEqual([]);
  });

  it("end in order, and both sides know it", async () => {
    const [a, b] = [await agent(), await agent()];
    await ask(a, b);
    a.links.stop();
    await until(() => b.links.snapshot().length === 0);
    expect(b.events.at(-1)).toMatchObject({ kind: "link_down", reason: { kind: "closed" } });
  });

  it("live on with a renewed certificate past the old one's end", async () => {
    const expiry = (_peer: NodeId, certificate: Uint8Array) => ({
      ok: true as const,
      expiresWallMs: Number(Buffer.from(certificate).toString()),
    });
    const now = Date.now();
    const certificate = Buffer.from(String(now + 400));
    const a = await agent({ check: expiry, certificate: Buffer.from(String(now + 60_000)) });
    const b = await agent({ check: expiry, certificate });
    const c = await agent({ check: expiry, certificate });
    await Promise.all([ask(a, b), ask(a, c)]);
    b.transport.renewCertificate(Buffer.from(String(now + 60_000)));
    await until(() => !a.links.isUp(c.id));
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(a.links.isUp(b.id)).toBe(true);
  });
});

const echoless = {
  writeBody: () => true,
  endBody() {},
  cancel() {},
  pause() {},
  resume() {},
};
