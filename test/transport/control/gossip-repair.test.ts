import net from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { bridgeTopics } from "../../../transport/control/gossip.ts";
import { type ControlNode, createControlNode } from "../../../transport/control/node.ts";
import { noiseCrypto } from "../../../transport/crypto/noise-crypto.ts";
import { bytes, startNode, stopNodes, testIdentity, until } from "./cluster.ts";

const nodes: ControlNode[] = [];
afterEach(async () => {
  await Promise.all(nodes.splice(0).map((node) => node.stop()));
  await stopNodes();
});

async function bareNode(heard: string[]): Promise<ControlNode> {
  const identity = testIdentity("bare");
  const node = await createControlNode({
    privateKey: identity.privateKey,
    bind: { host: "127.0.0.1", port: 0 },
    topics: ["documents"],
    secure: {
      self: identity.id,
      trustDomain: "test",
      crypto: noiseCrypto(),
      certificate: () => identity.certificate,
      check: () => ({ ok: true, expiresWallMs: Number.MAX_SAFE_INTEGER }),
      expected: () => undefined,
      onProved: () => undefined,
      onFailed: () => undefined,
    },
    onRawConnection: () => undefined,
  });
  bridgeTopics(node.gossip, ["documents"], (_topic, _from, message) => {
    heard.push(Buffer.from(message).toString());
    return "accept";
  });
  nodes.push(node);
  return node;
}

const gossipStreams = (node: ControlNode) =>
  node
    .connections()
    .flatMap((connection) => connection.streams)
    .filter((stream) => stream.protocol.startsWith("/meshsub/"));

const round = (node: ControlNode) =>
  node.repair.round(
    new Map(
      node
        .connections()
        .map((connection) => [connection.remotePeer.toString() as never, [connection]]),
    ),
  );

describe("gossip on a connection that stays open", () => {
  it("goes on after its streams were cut", async () => {
    const [heardA, heardB]: [string[], string[]] = [[], []];
    const [a, b] = [await bareNode(heardA), await bareNode(heardB)];
    await a.dial({ host: "127.0.0.1", port: b.port }, new AbortController().signal);
    await until("both subscribed", () =>
      [a, b].every((node) => node.gossip.getSubscribers("documents").length === 1),
    );
    for (let cut = 0; cut < 3; cut += 1) {
      for (const stream of gossipStreams(cut % 2 === 0 ? a : b)) stream.abort(new Error("cut"));
      // Publishing while it is broken must not throw either.
      await a.gossip.publish("documents", bytes(`lost ${cut}`));
      // Rounds as the transport runs them, only faster, until both hear what is published after.
      let rounds = 0;
      const said = (by: string) => (text: string) => text.startsWith(`${by}${cut}`);
      while (!heardA.some(said("b")) || !heardB.some(said("a"))) {
        expect(rounds, "rounds until gossip is back").toBeLessThan(15);
        rounds += 1;
        round(a);
        round(b);
        await new Promise((resolve) => setTimeout(resolve, 150));
        await a.gossip.publish("documents", bytes(`a${cut} ${rounds}`));
        await b.gossip.publish("documents", bytes(`b${cut} ${rounds}`));
        await new Promise((resolve) => setTimeout(resolve, 30));
      }
    }
  }, 15_000);

  it("survives bursts of connections that break at any moment", async () => {
    const [a, b] = [
      await startNode("a", { upkeepMs: 300 }),
      await startNode("b", { upkeepMs: 300 }),
    ];
    const port = Number(b.transport.address.split(":").at(-1));
    const sockets = new Set<net.Socket>();
    const relay = net.createServer((inbound) => {
      const outbound = net.connect(port, "127.0.0.1");
      for (const socket of [inbound, outbound]) {
        sockets.add(socket);
        socket.on("error", () => undefined);
        socket.on("close", () => sockets.delete(socket));
      }
      inbound.pipe(outbound).pipe(inbound);
    });
    await new Promise<void>((resolve) => relay.listen(0, "127.0.0.1", resolve));
    const address = `127.0.0.1:${(relay.address() as net.AddressInfo).port}`;
    for (let burst = 0; burst < 40; burst += 1) {
      a.transport.dial(address, b.id);
      a.transport.dial(address, undefined);
      for (let index = 0; index < 10; index += 1) a.transport.send(b.id, new Uint8Array(5_000));
      a.transport.publish("documents", bytes(`burst ${burst}`));
      await new Promise((resolve) => setTimeout(resolve, (burst * 7) % 50));
      for (const socket of sockets) {
        if (burst % 3 === 0) socket.destroy();
        else if (burst % 3 === 1) socket.resetAndDestroy();
        else socket.write("noise between the frames");
      }
    }
    // As membership does: a connection whose end is not known yet may answer for the first dial.
    const keepConnected = () => {
      const isUnderWay = a.transport.isConnected(b.id) || a.transport.snapshot().dialing > 0;
      if (!isUnderWay) a.transport.dial(b.transport.address, b.id);
    };
    let count = 0;
    await until("gossip is back", () => {
      keepConnected();
      count += 1;
      if (count % 20 === 0) a.transport.publish("documents", bytes(`after ${count}`));
      return b.events.published.some((event) => event.text.startsWith("after"));
    });
    relay.close();
    for (const socket of sockets) socket.destroy();
    const ups = a.events.connected.length;
    expect(ups).toBeGreaterThan(0);
    expect(a.events.disconnected.every((event) => event.reason.detail.length > 0)).toBe(true);
  }, 20_000);
});
