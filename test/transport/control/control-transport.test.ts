import net from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { issueCertificate } from "../../../core/trust/certificate.ts";
import type { NodeId } from "../../../core/types.ts";
import { KeySigner, newSeed } from "../../../transport/identity/signing.ts";
import { authority, bytes, connect, startNode, stopNodes, testIdentity, until } from "./cluster.ts";

afterEach(stopNodes);

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const portOf = (address: string) => Number(address.slice(address.lastIndexOf(":") + 1));

describe("two agents", () => {
  it("connect, and send packets in order both ways", async () => {
    const [a, b] = [await startNode("a"), await startNode("b")];
    a.transport.dial(b.transport.address, b.id);
    await until(
      "both connected",
      () => a.transport.isConnected(b.id) && b.transport.isConnected(a.id),
    );
    expect(a.events.connected).toEqual([{ peer: b.id, address: b.transport.address }]);
    expect(b.events.connected).toEqual([{ peer: a.id, address: undefined }]);
    for (let index = 0; index < 200; index += 1) {
      a.transport.send(b.id, bytes(`a${index}`));
      b.transport.send(a.id, bytes(`b${index}`));
    }
    await until(
      "all arrived",
      () => a.events.packets.length === 200 && b.events.packets.length === 200,
    );
    expect(b.events.packets.map((packet) => packet.text)).toEqual(
      Array.from({ length: 200 }, (_, i) => `a${i}`),
    );
    expect(a.events.packets.map((packet) => packet.text)).toEqual(
      Array.from({ length: 200 }, (_, i) => `b${i}`),
    );
  });

  it("send the largest packet whole, and drop none while the peer reads", async () => {
    const [a, b] = [await startNode("a"), await startNode("b")];
    await connect(a, b);
    const big = new Uint8Array(1024 * 1024).fill(65);
    for (let index = 0; index < 3; index += 1) a.transport.send(b.id, big);
    await until("three big packets", () => b.events.packets.length === 3, 10_000);
    expect(b.events.packets.map((packet) => packet.bytes)).toEqual([
      big.length,
      big.length,
      big.length,
    ]);
  });

  it("bound what waits for a peer, dropping the oldest", async () => {
    const [a, b] = [await startNode("a", { upkeepMs: 50 }), await startNode("b")];
    await connect(a, b);
    for (let index = 0; index < 12; index += 1)
      a.transport.send(b.id, new Uint8Array(1024 * 1024).fill(65 + index));
    expect(a.transport.snapshot().connections[0]?.queuedBytes).toBeLessThanOrEqual(4 * 1024 * 1024);
    await until(
      "the newest arrives",
      () => b.events.packets.at(-1)?.text.startsWith("L") === true,
      10_000,
    );
    expect(b.events.packets.length).toBeLessThan(12);
    await until("the loss is reported", () =>
      a.events.reports.some((event) => event.kind === "packets_dropped"),
    );
  });

  it("never call the listener from inside its own call", async () => {
    const [a, b] = [await startNode("a"), await startNode("b")];
    await connect(a, b);
    a.transport.hangUp(b.id);
    expect(a.events.disconnected).toEqual([]);
    await until(
      "both know",
      () => a.events.disconnected.length === 1 && b.events.disconnected.length === 1,
    );
    expect(a.events.disconnected[0]?.reason.kind).toBe("closed");
    expect(b.events.disconnected[0]?.reason).toEqual({
      kind: "closed",
      detail: "the peer closed: hung up",
    });
    a.transport.send(b.id, bytes("nobody hears"));
  });

  it("tell an orderly stop from a crash", async () => {
    const [a, b, c] = [await startNode("a"), await startNode("b"), await startNode("c")];
    await connect(a, b);
    await connect(c, a);
    await b.transport.stop();
    await c.transport.stop();
    await until("a knows", () => a.events.disconnected.length === 2);
    expect(a.events.disconnected.map((event) => event.reason.kind)).toEqual(["closed", "closed"]);
    expect(b.events.disconnected).toEqual([]);
  });

  it("that dial each other at once are connected once", async () => {
    const [a, b] = [await startNode("a"), await startNode("b")];
    a.transport.dial(b.transport.address, b.id);
    b.transport.dial(a.transport.address, a.id);
    await until(
      "dials are over",
      () => a.transport.snapshot().dialing + b.transport.snapshot().dialing === 0,
    );
    await until("connected", () => a.transport.isConnected(b.id) && b.transport.isConnected(a.id));
    a.transport.send(b.id, bytes("one"));
    b.transport.send(a.id, bytes("two"));
    await until("packets", () => a.events.packets.length === 1 && b.events.packets.length === 1);
    expect(
      a.events.connected.filter((event) => event.address === undefined).length,
    ).toBeLessThanOrEqual(1);
    a.transport.hangUp(b.id);
    await until(
      "over",
      () => a.events.disconnected.length === 1 && b.events.disconnected.length === 1,
    );
    await pause(50);
    expect(a.events.disconnected.length + b.events.disconnected.length).toBe(2);
  });

  it("answer every dial once, also to a peer that is connected already", async () => {
    const [a, b] = [await startNode("a"), await startNode("b")];
    await connect(a, b);
    a.transport.dial(b.transport.address, b.id);
    a.transport.dial(b.transport.address, undefined);
    await until("two more outcomes", () => a.events.connected.length === 3);
    expect(b.events.connected.length).toBe(1);
    for (let index = 0; index < 6; index += 1) a.transport.dial(b.transport.address, undefined);
    await until("six more", () => a.events.connected.length === 9);
    await until("surplus closed", () => a.transport.snapshot().connections.length <= 3);
    await until("there too", () => b.transport.snapshot().connections.length <= 3);
    expect(a.events.disconnected).toEqual([]);
  });

  it("speak IPv6 and resolve names at each dial", async () => {
    const b = await startNode("b", { bind: "[::1]:0" });
    const a = await startNode("a", { bind: "localhost:0" });
    expect(b.transport.address).toMatch(/^\[::1\]:\d+$/);
    await connect(a, b);
    const c = await startNode("c");
    c.transport.dial(`localhost:${portOf(a.transport.address)}`, a.id);
    await until("by name", () => c.transport.isConnected(a.id));
  });
});

describe("a peer that is gone", () => {
  it("is noticed within milliseconds when its sockets break", async () => {
    const a = await startNode("a");
    const b = await startNode("b");
    // A relay stands for the peer's machine: it can be cut off without a goodbye.
    const sockets: net.Socket[] = [];
    const relay = net.createServer((inbound) => {
      const outbound = net.connect(portOf(b.transport.address), "127.0.0.1");
      sockets.push(inbound, outbound);
      inbound.pipe(outbound).pipe(inbound);
      for (const socket of [inbound, outbound]) socket.on("error", () => undefined);
    });
    await new Promise<void>((resolve) => relay.listen(0, "127.0.0.1", resolve));
    const { port } = relay.address() as net.AddressInfo;
    a.transport.dial(`127.0.0.1:${port}`, b.id);
    await until("connected", () => a.transport.isConnected(b.id) && b.transport.isConnected(a.id));
    const cut = performance.now();
    for (const socket of sockets) socket.destroy();
    relay.close();
    await until("a knows", () => a.events.disconnected.length === 1);
    expect(a.events.disconnected[0]?.reason.kind).toBe("reset");
    expect((a.events.disconnected[0]?.at ?? 0) - cut).toBeLessThan(200);
    await until("b knows", () => b.events.disconnected[0]?.reason.kind === "reset");
  });

  it("is refused at once on a dead port, and found again there after its restart", async () => {
    const a = await startNode("a");
    const b = await startNode("b");
    const { address } = b.transport;
    await connect(a, b);
    await b.transport.stop();
    await until("gone", () => a.events.disconnected.length === 1);
    const started = performance.now();
    a.transport.dial(address, b.id);
    await until("refused", () => a.events.failed.length === 1);
    expect(performance.now() - started).toBeLessThan(500);
    expect(a.events.failed[0]).toMatchObject({
      address,
      expected: b.id,
      reason: { kind: "refused" },
    });
    const again = await startNode("b", { identity: b.identity, bind: address });
    a.transport.dial(address, b.id);
    await until("back", () => a.transport.isConnected(b.id));
    a.transport.send(b.id, bytes("hello again"));
    await until("heard", () => again.events.packets[0]?.text === "hello again");
  });

  it("is unreachable under a name that does not resolve or a text that is no address", async () => {
    const a = await startNode("a");
    a.transport.dial("no-such-host.invalid:7946", undefined);
    a.transport.dial("nonsense", undefined);
    await until("both fail", () => a.events.failed.length === 2, 8_000);
    expect(a.events.failed.map((event) => event.reason.kind)).toEqual([
      "unreachable",
      "unreachable",
    ]);
  }, 10_000);
});

describe("who may not join is told why, on both sides", () => {
  it("another trust domain", async () => {
    const a = await startNode("a");
    const b = await startNode("b", { identity: testIdentity("b", { trustDomain: "other" }) });
    a.transport.dial(b.transport.address, undefined);
    await until("a knows", () => a.events.failed.length === 1);
    expect(a.events.failed[0]?.reason.kind).toBe("rejected");
    expect(a.events.failed[0]?.reason.detail).toMatch(
      /another trust domain or cluster than "test", or not a Grapevine agent/,
    );
    await until("b knows", () => b.events.reports.length === 1);
    expect(JSON.stringify(b.events.reports[0])).toMatch(/another trust domain/);
    expect(b.events.connected).toEqual([]);
  });

  it("a dialer whose certificate no root of ours has signed", async () => {
    const stranger = new KeySigner(newSeed());
    const a = await startNode("a", {
      identity: testIdentity("a", { by: stranger }),
      check: () => ({ ok: true, expiresWallMs: Date.now() + 60_000 }),
    });
    const b = await startNode("b");
    a.transport.dial(b.transport.address, b.id);
    await until("a knows", () => a.events.failed.length === 1);
    expect(a.events.failed[0]?.reason.kind).toBe("rejected");
    expect(a.events.failed[0]?.reason.detail).toMatch(
      /refused this agent: .*not among this node's roots/,
    );
    await until("b knows", () => b.events.reports.length === 1);
    expect(b.events.reports[0]).toMatchObject({
      kind: "handshake_failed",
      peer: a.id,
      reason: { kind: "rejected" },
    });
    expect(JSON.stringify(b.events.reports[0])).toMatch(
      /this agent refused .*not among this node's roots/,
    );
    expect(a.events.connected.length + b.events.connected.length).toBe(0);
  });

  it("a responder whose certificate is expired", async () => {
    const identity = testIdentity("b", { ttlMs: -600_000 });
    const a = await startNode("a");
    const b = await startNode("b", { identity });
    a.transport.dial(b.transport.address, b.id);
    await until("a knows", () => a.events.failed.length === 1);
    expect(a.events.failed[0]?.reason.detail).toMatch(/"b" is expired since/);
    await until("b knows", () => b.events.reports.length === 1);
    expect(JSON.stringify(b.events.reports[0])).toMatch(/refused this agent: .*expired since/);
  });

  it("another agent than the expected one, and itself", async () => {
    const [a, b, c] = [await startNode("a"), await startNode("b"), await startNode("c")];
    a.transport.dial(b.transport.address, c.id);
    a.transport.dial(a.transport.address, undefined);
    await until("both fail", () => a.events.failed.length === 2);
    const details = a.events.failed.map((event) => event.reason.detail).join("\n");
    expect(details).toMatch(new RegExp(`another agent is expected at this address: ${c.id}`));
    expect(details).toMatch(/it is this agent itself/);
    expect(a.events.connected).toEqual([]);
  });

  it("a certificate that expires or is revoked later closes the connection", async () => {
    const a = await startNode("a", { upkeepMs: 50 });
    const end = Date.now() + 500;
    const b = await startNode("b", {
      // Expired for the timer at once, but still tolerated for a while.
      check: () =>
        Date.now() < end ? { ok: true, expiresWallMs: 1 } : { ok: false, reason: "expired" },
      upkeepMs: 50,
    });
    await connect(a, b);
    await until("b hangs up", () => a.events.disconnected.length === 1);
    expect(Date.now()).toBeGreaterThanOrEqual(end);
    expect(a.events.disconnected[0]?.reason).toEqual({
      kind: "closed",
      detail: "the peer closed: certificate refused: expired",
    });

    let revoked = false;
    const c = await startNode("c", {
      check: () =>
        revoked
          ? { ok: false, reason: "revoked" }
          : { ok: true, expiresWallMs: Number.MAX_SAFE_INTEGER },
    });
    await connect(a, c);
    revoked = true;
    c.transport.recheck();
    await until("c hangs up", () => a.events.disconnected.length === 2);
    expect(a.events.disconnected[1]?.reason.detail).toMatch(/certificate refused: revoked/);
  });

  it("a renewed certificate extends an open connection", async () => {
    const identity = testIdentity("a", { ttlMs: 60_000 });
    const [a, b] = [await startNode("a", { identity }), await startNode("b")];
    await connect(a, b);
    const { trustDomain, id: peer } = identity;
    const notAfter = Date.now() + 7_200_000;
    const fields = { trustDomain, peer, name: "a", zone: "", region: "", services: [] };
    const renewed = issueCertificate(
      { ...fields, notBefore: 0, notAfter, serial: "cd" },
      authority,
    );
    a.transport.renewCertificate(renewed);
    await until("b knows", () => b.transport.snapshot().connections[0]?.expiresWallMs === notAfter);
    a.transport.hangUp(b.id);
    await until("apart", () => a.events.disconnected.length === 1);
    await connect(a, b);
    expect(b.transport.snapshot().connections[0]?.expiresWallMs).toBe(notAfter);
  });
});

describe("whatever speaks on the port", () => {
  it("is reported and survived: garbage, HTTP, silence cut short, floods", async () => {
    const [a, b] = [await startNode("a", { upkeepMs: 500 }), await startNode("b")];
    const port = portOf(a.transport.address);
    const garbage = [
      Buffer.from("GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
      Buffer.alloc(70_000, 0xff),
      Buffer.from([0]),
      Buffer.from("\x13/multistream/1.0.0\n\x13/multistream/1.0.0\n"),
      Buffer.from(
        "\x13/multistream/1.0.0\n\x13/grapevine/noise/1\n\x00\x20aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
      ),
      Buffer.from("\x13/multistream/1.0.0\n\x13/grapevine/noise/1\n\x00\x00"),
      Buffer.from("\x13/multistream/1.0.0\n\x13/grapevine/noise/1\n\xff\xff"),
    ];
    const talk = (data: Buffer, reset: boolean, afterMs = 20) =>
      new Promise<void>((resolve) => {
        const socket = net.connect(port, "127.0.0.1", () => {
          if (data.length > 0) socket.write(data);
          setTimeout(() => (reset ? socket.resetAndDestroy() : socket.end()), afterMs);
        });
        socket.on("error", () => undefined);
        socket.on("data", () => undefined);
        socket.on("close", () => resolve());
      });
    for (const data of garbage) await Promise.all([talk(data, true), talk(data, false)]);
    // Long enough to be accepted: a reset before that is seen by nobody.
    const flood = Array.from({ length: 150 }, () => talk(Buffer.alloc(0), true, 300));
    await Promise.all(flood);
    await until(
      "reported",
      () => a.events.reports.filter((event) => event.kind === "handshake_failed").length >= 10,
    );
    await until("the rest counted", () =>
      a.events.reports.some((event) => event.kind === "handshakes_failed"),
    );
    await connect(b, a);
    b.transport.send(a.id, bytes("still here"));
    await until("heard", () => a.events.packets[0]?.text === "still here");
  }, 15_000);

  it("is recognised by the dialer: a server that is no agent, one that never answers", async () => {
    const a = await startNode("a");
    const web = net.createServer((socket) => {
      socket.on("error", () => undefined);
      socket.once("data", () => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n"));
    });
    const mute = net.createServer((socket) => socket.on("error", () => undefined));
    for (const server of [web, mute]) {
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      a.transport.dial(`127.0.0.1:${(server.address() as net.AddressInfo).port}`, undefined);
    }
    await until("both fail", () => a.events.failed.length === 2, 8_000);
    web.close();
    mute.close();
    expect(a.events.failed[0]?.reason.kind).toBe("reset");
    expect(a.events.failed[0]?.reason.detail).toMatch(/not a Grapevine control port/);
    expect(a.events.failed[1]?.reason.kind).toBe("timeout");
  }, 10_000);
});

describe("where it listens", () => {
  it("says which address is taken or wrong", async () => {
    const a = await startNode("a");
    await expect(startNode("b", { bind: a.transport.address })).rejects.toMatchObject({
      short: "address_in_use",
    });
    await expect(startNode("b", { bind: "nonsense" })).rejects.toMatchObject({
      short: "config_invalid",
    });
    await expect(startNode("b", { bind: "192.0.2.1:0" })).rejects.toMatchObject({
      short: "config_invalid",
    });
  });

  it("advertises an address that others can dial", async () => {
    const a = await startNode("a", { bind: "0.0.0.0:0" });
    expect(a.transport.address).toMatch(/^0\.0\.0\.0:\d+$/);
    expect(a.transport.advertised).not.toMatch(/^0\.0\.0\.0/);
    const b = await startNode("b", { advertise: "mesh.example:0" });
    expect(b.transport.advertised).toBe(`mesh.example:${portOf(b.transport.address)}`);
    b.transport.dial(a.transport.advertised, a.id as NodeId);
    await until("dialled", () => b.transport.isConnected(a.id));
  });
});

describe("a development identity", () => {
  it("listens and dials on loopback only", async () => {
    const identity = { ...testIdentity("a"), dev: true };
    await expect(startNode("a", { identity, bind: "0.0.0.0:0" })).rejects.toThrow(/--dev refuses/);
    const a = await startNode("a", { identity });
    a.transport.dial("192.0.2.1:7946", undefined);
    await until("refused here", () => a.events.failed.length === 1);
    expect(a.events.failed[0]?.reason.detail).toMatch(/--dev refuses 192\.0\.2\.1:7946/);
  });
});

describe("broadcast", () => {
  it("reaches every agent once, over agents in between", async () => {
    const nodes = await Promise.all(["a", "b", "c", "d", "e"].map((name) => startNode(name)));
    for (let index = 1; index < nodes.length; index += 1) {
      await connect(nodes[index - 1] as (typeof nodes)[0], nodes[index] as (typeof nodes)[0]);
    }
    await until("all know their neighbours' topics", () =>
      nodes.every(
        (node, index) =>
          node.transport.snapshot().subscribers["documents"] === (index % 4 === 0 ? 1 : 2),
      ),
    );
    nodes[0]?.transport.publish("documents", bytes("to everybody"));
    await until("everybody has it", () =>
      nodes.slice(1).every((node) => node.events.published.length === 1),
    );
    expect(nodes[0]?.events.published).toEqual([]);
    expect(nodes[4]?.events.published[0]).toMatchObject({
      topic: "documents",
      from: nodes[3]?.id,
      text: "to everybody",
    });
  }, 10_000);

  it("is not passed on by an agent that does not accept it", async () => {
    const [a, b, c] = [await startNode("a"), await startNode("b"), await startNode("c")];
    b.events.verdict = "ignore";
    await connect(a, b);
    await connect(b, c);
    await until("topics", () => b.transport.snapshot().subscribers["documents"] === 2);
    a.transport.publish("documents", bytes("bad"));
    await until("b judged it", () => b.events.published.length === 1);
    await pause(200);
    expect(c.events.published).toEqual([]);
  });

  it("to nobody, or twice, is no error", async () => {
    const a = await startNode("a");
    a.transport.publish("documents", bytes("x"));
    a.transport.publish("documents", bytes("x"));
    await pause(50);
    expect(a.events.reports).toEqual([]);
  });

  it("goes on after one of two parallel connections is closed", async () => {
    const [a, b] = [
      await startNode("a", { upkeepMs: 100 }),
      await startNode("b", { upkeepMs: 100 }),
    ];
    await connect(a, b);
    for (let index = 0; index < 3; index += 1) a.transport.dial(b.transport.address, undefined);
    await until("surplus connections came and went", () => a.events.connected.length === 4);
    await until("three remain", () => b.transport.snapshot().connections.length === 3);
    await pause(500);
    a.transport.publish("documents", bytes("after"));
    b.transport.publish("documents", bytes("back"));
    await until("heard", () => b.events.published.length === 1 && a.events.published.length === 1);
  });
});
