/**
 * The two ports that strangers reach, as they are: real listeners, and either plain bytes or an
 * honest dialer whose bytes are changed on the way. Oracles: the stranger's connection ends within
 * its deadline; no link or connection comes up over changed bytes; nothing throws; and an honest
 * peer is served afterwards.
 */
import { connect, createServer, type Server, type Socket } from "node:net";
import { generateKeyPair } from "@libp2p/crypto/keys";
import { peerIdFromPrivateKey } from "@libp2p/peer-id";
import type { LinkChannel, LinkListener } from "../../../core/seams.ts";
import type { NodeId } from "../../../core/types.ts";
import {
  createLinkTransport,
  type RunningLinkTransport,
} from "../../../transport/link/link-transport.ts";
import { startNode, stopNodes, type TestNode } from "../../transport/control/cluster.ts";
import { type FuzzTarget, holds, latin1, same } from "../target.ts";

const HANDSHAKE_MS = 400;
/** A connection may outlive its deadline by what a busy machine needs. */
const PATIENCE_MS = 5_000;
const PLAIN = 0;

/** How an input changes the dialer's bytes: mode, then where and how. */
interface Change {
  readonly offset: number;
  readonly bytes: Buffer;
}

function changeOf(input: Uint8Array): Change {
  const offset = ((input[1] ?? 0) << 8) | (input[2] ?? 0);
  return { offset: offset % 700, bytes: Buffer.from(input.subarray(3, 64)) };
}

/** Passes bytes on to `port`; those of the dialer from `offset` on are XORed with the change. */
class Meddler {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  change: Change = { offset: 0, bytes: Buffer.alloc(0) };
  changed = false;
  port = 0;

  constructor(target: number) {
    this.#server = createServer((client) => {
      const server = connect({ port: target, host: "127.0.0.1" });
      let at = 0;
      for (const socket of [client, server]) {
        this.#sockets.add(socket);
        socket.on("error", () => {});
        socket.on("close", () => this.#sockets.delete(socket));
      }
      client.on("data", (chunk: Buffer) => {
        for (const [index, value] of this.change.bytes.entries()) {
          const place = this.change.offset + index - at;
          if (value === 0 || place < 0 || place >= chunk.length) continue;
          chunk[place] = (chunk[place] as number) ^ value;
          this.changed = true;
        }
        at += chunk.length;
        server.write(chunk);
      });
      server.pipe(client);
      client.on("close", () => server.destroy());
      server.on("close", () => client.destroy());
    });
  }

  async open(): Promise<this> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    this.port = (this.#server.address() as { port: number }).port;
    return this;
  }

  set(change: Change): void {
    this.change = change;
    this.changed = false;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

const portOf = (address: string) => Number(address.split(":").at(-1));

/** Sends plain bytes and waits until the other side has had enough. */
async function throwAt(port: number, bytes: Uint8Array, ends: boolean): Promise<void> {
  const startedAt = performance.now();
  const socket = connect({ port, host: "127.0.0.1" });
  await new Promise<void>((resolve, reject) => {
    const timer = setTimeout(
      () => reject(new Error(`the port holds a stranger for more than ${PATIENCE_MS} ms`)),
      PATIENCE_MS,
    );
    socket.on("error", () => {});
    socket.resume();
    socket.on("close", () => {
      clearTimeout(timer);
      resolve();
    });
    socket.write(bytes);
    if (ends) socket.end();
  }).finally(() => socket.destroy());
  holds("in time", performance.now() - startedAt < PATIENCE_MS);
}

/** Ends of one link transport: who came up, and what became of dials. */
class LinkNotes implements LinkListener {
  readonly peers = new Set<NodeId>();
  onDial: ((came: boolean) => void) | undefined;
  onOpened({ peer }: LinkChannel, attempt: number | undefined): void {
    this.peers.add(peer);
    if (attempt !== undefined) this.onDial?.(true);
  }
  onDialFailed(): void {
    this.onDial?.(false);
  }
  onBatch(): void {}
  onDrain(): void {}
  onClosed(): void {}
}

interface LinkEnd {
  readonly id: NodeId;
  readonly notes: LinkNotes;
  readonly transport: RunningLinkTransport;
}

async function linkEnd(): Promise<LinkEnd> {
  const privateKey = await generateKeyPair("Ed25519");
  const transport = await createLinkTransport({
    ...{ privateKey, certificate: Buffer.alloc(300, 1), trustDomain: "fuzz" },
    ...{ bind: "127.0.0.1:0", handshakeTimeoutMs: HANDSHAKE_MS, report: () => {} },
    check: (_peer, certificate) =>
      Buffer.alloc(300, 1).equals(certificate)
        ? { ok: true, expiresWallMs: Number.POSITIVE_INFINITY }
        : { ok: false, reason: "changed" },
  });
  const notes = new LinkNotes();
  transport.start(notes);
  return { id: peerIdFromPrivateKey(privateKey).toString() as NodeId, notes, transport };
}

function dialLink(from: LinkEnd, to: NodeId, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    from.notes.onDial = resolve;
    from.transport.dial(1, to, `127.0.0.1:${port}`);
  });
}

let links: Promise<readonly [LinkEnd, LinkEnd, Meddler]> | undefined;

async function openLinks(): Promise<readonly [LinkEnd, LinkEnd, Meddler]> {
  const [dialer, listener] = await Promise.all([linkEnd(), linkEnd()]);
  const meddler = await new Meddler(portOf(listener.transport.address)).open();
  return [dialer, listener, meddler];
}

/** Noise XX: message A is a length and 32 bytes of an ephemeral key. */
const MESSAGE_A = Buffer.concat([Buffer.of(0, 32), Buffer.alloc(32, 9)]);

export const LINK_HANDSHAKE: FuzzTarget = {
  name: "link-handshake",
  seeds: () => [
    Buffer.concat([Buffer.of(PLAIN), MESSAGE_A]),
    Buffer.concat([Buffer.of(PLAIN), MESSAGE_A, Buffer.of(0, 64), Buffer.alloc(64, 3)]),
    latin1("\0GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    Buffer.of(1, 0, 5, 1),
    Buffer.of(1, 0, 40, 1, 2, 3),
    Buffer.of(1, 0x7f, 0xff),
  ],
  words: [MESSAGE_A, Buffer.of(0xff, 0xff), Buffer.of(1, 0, 33, 0x80), Buffer.of(1, 0, 34, 1)],
  check: async (input, cuts) => {
    links ??= openLinks();
    const [dialer, listener, meddler] = await links;
    if ((input[0] ?? 0) % 3 === PLAIN) {
      const port = portOf(listener.transport.address);
      await throwAt(port, input.subarray(1), cuts.length % 2 === 0);
      const strangers = [...listener.notes.peers].filter((peer) => peer !== dialer.id);
      same("links to strangers", strangers, []);
      return;
    }
    meddler.set(changeOf(input));
    const came = await dialLink(dialer, listener.id, meddler.port);
    holds("no link over changed bytes", !(came && meddler.changed));
    holds("a link over bytes that nobody changed", came || meddler.changed);
  },
  close: async () => {
    if (links === undefined) return;
    const [dialer, listener, meddler] = await links;
    const served = await dialLink(dialer, listener.id, portOf(listener.transport.address));
    await Promise.all([meddler.close(), dialer.transport.close(), listener.transport.close()]);
    links = undefined;
    holds("an honest peer is served after all that", served);
  },
};

let control: Promise<readonly [TestNode, TestNode, Meddler]> | undefined;

async function openControl(): Promise<readonly [TestNode, TestNode, Meddler]> {
  const [dialer, listener] = await Promise.all([startNode("a"), startNode("b")]);
  const meddler = await new Meddler(portOf(listener.transport.address)).open();
  return [dialer, listener, meddler];
}

/** True if the connection came up. */
async function dialControl(from: TestNode, to: TestNode, port: number): Promise<boolean> {
  const { failed, connected } = from.events;
  const before = failed.length + connected.length;
  from.transport.dial(`127.0.0.1:${port}`, to.id);
  const end = performance.now() + 2 * PATIENCE_MS;
  while (failed.length + connected.length === before) {
    holds("a dial ends", performance.now() < end);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  const came = from.transport.isConnected(to.id);
  from.transport.hangUp(to.id);
  while (from.transport.isConnected(to.id) || to.transport.isConnected(from.id)) {
    holds("and a connection too", performance.now() < end);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  return came;
}

const MULTISTREAM = "\x13/multistream/1.0.0\n";
const NOISE = "\x14/grapevine/noise/1\n";

export const CONTROL_HANDSHAKE: FuzzTarget = {
  name: "control-handshake",
  seeds: () => [
    latin1(`\0${MULTISTREAM}${NOISE}`),
    Buffer.concat([latin1(`\0${MULTISTREAM}${NOISE}`), MESSAGE_A]),
    latin1("\0GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    Buffer.of(1, 0, 5, 1),
    Buffer.of(1, 0, 60, 1, 2, 3),
  ],
  words: [MULTISTREAM, NOISE, MESSAGE_A, "\x03ls\n", Buffer.of(0xff, 0xff, 0xff, 0xff, 0x0f)],
  check: async (input) => {
    control ??= openControl();
    const [dialer, listener, meddler] = await control;
    if ((input[0] ?? 0) % 3 === PLAIN) {
      // The port gives strangers five seconds; ending our side says that no more will come.
      await throwAt(portOf(listener.transport.address), input.subarray(1), true);
      const strangers = listener.events.connected.filter(({ peer }) => peer !== dialer.id);
      same("connections to strangers", strangers, []);
      return;
    }
    meddler.set(changeOf(input));
    const came = await dialControl(dialer, listener, meddler.port);
    // Bytes behind the handshake are sealed as well, but their change shows only later.
    holds("a connection over bytes that nobody changed", came || meddler.changed);
  },
  close: async () => {
    if (control === undefined) return;
    const [dialer, listener, meddler] = await control;
    const served = await dialControl(dialer, listener, portOf(listener.transport.address));
    await meddler.close();
    await stopNodes();
    control = undefined;
    const why = JSON.stringify([dialer.events.failed.at(-1), listener.events.reports.slice(-3)]);
    holds(`an honest peer is served after all that: ${why}`, served);
  },
};
