import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { encode } from "../../core/codec.ts";
import { SeededRandom } from "../../core/random.ts";
import type { MemberState, Millis, NodeId, WallMillis } from "../../core/types.ts";
import { decodePacket, encodePacket, type Place } from "../../membership/anti-entropy-packets.ts";
import { FingerprintTree, LEAF_LEVEL, type TreeItem } from "../../membership/anti-entropy-tree.ts";
import type { OwnContent } from "../../membership/directory.ts";
import {
  messageHash,
  type Statement,
  type VitalsStatement,
} from "../../membership/document-codec.ts";
import {
  content,
  directoryOf,
  type Faults,
  instance,
  nodeId,
  Outbox,
  TestMesh,
  WALL,
} from "./directory-mesh.ts";

const CALM: Faults = { loss: 0, duplicate: 0, delayMs: 2 };

function meshOf(count: number, seed: number, faults: Faults): TestMesh {
  const mesh = new TestMesh(seed, faults);
  for (let index = 0; index < count; index += 1) {
    mesh.add(`n${index}`, directoryOf(`n${index}`, { pushEnabled: false }, { seed }));
  }
  return mesh;
}

/** A directory that already stores what `count` owners have said. */
function filled(
  name: string,
  count: number,
  seed = 1,
  states: ReadonlyMap<NodeId, MemberState> = new Map(),
) {
  const directory = directoryOf(name, { pushEnabled: false }, { seed, states });
  for (const message of population(count)) directory.restore(message, 1_000 as Millis, WALL);
  return directory;
}

const populations = new Map<number, Uint8Array[]>();
function population(count: number): Uint8Array[] {
  const known = populations.get(count);
  if (known !== undefined) return known;
  const out = new Outbox();
  for (let index = 0; index < count; index += 1) {
    const owner = `o${index}`;
    const instances = [instance("web", `${owner}-1`), instance("api", `${owner}-2`)];
    directoryOf(owner).setOwn(content(owner, instances), 1_000 as Millis, WALL, out);
  }
  const messages = out.published.map(({ message }) => message);
  populations.set(count, messages);
  return messages;
}

describe("anti-entropy alone", () => {
  it("makes sixteen directories equal under loss, disorder and repetition", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 2 ** 31 }),
        fc.double({ min: 0, max: 0.5, noNaN: true }),
        fc.double({ min: 0, max: 0.5, noNaN: true }),
        (seed, loss, duplicate) => {
          const mesh = meshOf(16, seed, { loss, duplicate, delayMs: 300 });
          const random = new SeededRandom(seed);
          mesh.connectAll();
          for (let step = 0; step < 20; step += 1) {
            const name = `n${random.below(16)}`;
            const instances = Array.from({ length: random.below(4) }, (_, index) =>
              instance("web", `${name}-${step}-${index}`),
            );
            mesh.setOwn(name, content(name, instances));
            mesh.runUntil(mesh.now + random.below(500));
          }
          for (let index = 0; index < 16; index += 1) {
            mesh.setOwn(`n${index}`, content(`n${index}`, [instance("last", `n${index}`)]));
          }
          mesh.faults = CALM;
          mesh.runUntil(mesh.now + 30_000);
          expect(mesh.roots().size).toBe(1);
          for (const directory of mesh.nodes.values()) {
            expect([...directory.owners()]).toHaveLength(16);
            expect(directory.get(nodeId("n3"))?.instances[0]?.name).toBe("last");
          }
        },
      ),
      { numRuns: 4 },
    );
  }, 30_000);

  it("costs next to nothing while all hold the same", () => {
    const mesh = meshOf(8, 3, CALM);
    mesh.connectAll();
    for (let index = 0; index < 8; index += 1) mesh.setOwn(`n${index}`, content(`n${index}`));
    mesh.runUntil(20_000);
    expect(mesh.roots().size).toBe(1);
    mesh.bytes = 0;
    mesh.packets = 0;
    mesh.runUntil(80_000);
    expect(mesh.packets).toBeLessThan(8 * 17);
    expect(mesh.bytes / mesh.packets).toBeLessThan(32);
  });

  it("brings a newcomer up to date at once, from one peer", () => {
    const mesh = new TestMesh(5, { loss: 0, duplicate: 0, delayMs: 4 });
    for (const name of ["n0", "n1", "n2"]) mesh.add(name, filled(name, 600));
    mesh.add("new", directoryOf("new", { pushEnabled: false }));
    mesh.setOwn("new", content("new", [instance("web", "fresh")]));
    for (const name of ["n0", "n1", "n2"]) mesh.connect(name, "new");
    mesh.runUntil(mesh.now + 900);
    const total = population(600).reduce((sum, message) => sum + message.length, 0);
    expect([...mesh.node("new").owners()]).toHaveLength(601);
    expect(mesh.bytes).toBeLessThan(1.6 * total);
    expect(mesh.node("n0").get(nodeId("new"))?.instances[0]?.id).toBe("fresh");
  });

  it("goes on where it broke off when a transfer is cut again and again", () => {
    const mesh = new TestMesh(6, { loss: 0.4, duplicate: 0, delayMs: 20 });
    mesh.add("n0", filled("n0", 600));
    mesh.add("new", directoryOf("new", { pushEnabled: false }));
    let held = 0;
    for (let round = 0; round < 40; round += 1) {
      mesh.connect("n0", "new");
      mesh.runUntil(mesh.now + 500);
      mesh.node("n0").onPeerDown(nodeId("new"), mesh.now);
      mesh.node("new").onPeerDown(nodeId("n0"), mesh.now);
      const count = [...mesh.node("new").owners()].length;
      expect(count).toBeGreaterThanOrEqual(held);
      held = count;
    }
    expect(mesh.roots().size).toBe(1);
  });

  it("finds a few differences among many in little traffic", () => {
    const mesh = new TestMesh(7, CALM);
    mesh.add("n0", filled("n0", 2_000));
    mesh.add("n1", filled("n1", 2_000));
    for (let index = 0; index < 10; index += 1) {
      const out = new Outbox();
      const owner = directoryOf(`x${index}`);
      owner.setOwn(content(`x${index}`), mesh.now, mesh.wall, out);
      const [message] = out.published;
      mesh
        .node(`n${index % 2}`)
        .restore((message as { message: Uint8Array }).message, mesh.now, WALL);
    }
    mesh.connect("n0", "n1");
    mesh.runUntil(mesh.now + 3_000);
    expect(mesh.roots().size).toBe(1);
    expect(mesh.bytes).toBeLessThan(80_000);
  });

  it("does not fetch again what it refused, and still gets everything else", () => {
    const mesh = new TestMesh(8, CALM);
    mesh.add("n0", filled("n0", 50, 1, new Map([[nodeId("o45"), "alive"]])));
    mesh.add("n1", filled("n1", 20));
    const late = (mesh.now + 1) as Millis;
    const out = new Outbox();
    const far = (WALL + 40 * 3_600_000) as WallMillis;
    directoryOf("o45", {}, { epoch: 2 }).setOwn(content("o45"), late, far, out);
    const [message] = out.published;
    expect(mesh.node("n0").restore((message as { message: Uint8Array }).message, late, WALL)).toBe(
      "applied",
    );
    mesh.connect("n0", "n1");
    mesh.runUntil(mesh.now + 30_000);
    expect([...mesh.node("n1").owners()]).toHaveLength(49);
    const refused = mesh.outbox("n1").reports.filter(({ kind }) => kind === "refused");
    expect(refused).toHaveLength(1);
  });
});

function publishedBy(name: string, own: OwnContent): Uint8Array {
  const out = new Outbox();
  directoryOf(name).setOwn(own, 0 as Millis, WALL, out);
  return out.published[0]?.message as Uint8Array;
}

describe("a session", () => {
  /** A directory with one document and a peer whose packets the test makes. */
  function withPeer() {
    const directory = directoryOf("a", { pushEnabled: false });
    const out = new Outbox();
    const peer = nodeId("p");
    directory.setOwn(content("a", [instance("web", "one")]), 0 as Millis, WALL, out);
    directory.onPeerUp(peer, 0 as Millis, WALL, out);
    out.sent.length = 0;
    const receive = (packet: Parameters<typeof encodePacket>[0], now: number) =>
      directory.onPacket(peer, encodePacket(packet), now as Millis, WALL, out);
    return { directory, out, receive };
  }

  /** The pauses between sessions over a minute from `from`. */
  function pauses(
    { directory, out }: Pick<ReturnType<typeof withPeer>, "directory" | "out">,
    from: number,
    onSession: (now: number) => void,
  ): number[] {
    const found: number[] = [];
    let last = from;
    while (last < from + 60_000) {
      out.sent.length = 0;
      const due = directory.nextDeadline() as Millis;
      directory.onDeadline(due, WALL, out);
      if (out.sent.length === 0) continue;
      found.push(due - last);
      last = due;
      onSession(due);
    }
    return found;
  }

  it("follows every second while roots differ, every five seconds when they do not", () => {
    const { receive, ...session } = withPeer();
    const foreign = { kind: "root", fingerprint: new Uint8Array(16).fill(9), count: 1 } as const;
    receive(foreign, 0);
    const busy = pauses(session, 0, (now) => receive(foreign, now));
    expect(Math.max(...busy)).toBeLessThanOrEqual(1_250);
    const calm = pauses(session, 60_000, () => {}).slice(8);
    expect(Math.min(...calm)).toBeGreaterThanOrEqual(3_750);
    expect(Math.max(...calm)).toBeLessThanOrEqual(6_250);
  });

  it("answers with at most 128 KiB of documents and offers the rest", () => {
    const { directory, out, receive } = withPeer();
    const places: Place[] = [];
    for (let at = 0; at < 60; at += 1) {
      const labels = Object.fromEntries(
        Array.from({ length: 16 }, (_, label) => [`l${label}`, "x".repeat(200)]),
      );
      const message = publishedBy(`n${at}`, { ...content(`n${at}`), labels });
      directory.restore(message, 0 as Millis, WALL);
      places.push({ owner: nodeId(`n${at}`), part: 0 });
    }
    receive({ kind: "want", places }, 10);
    const [answer] = out.sent.map(({ packet }) => decodePacket(packet));
    if (answer?.kind !== "docs") throw new Error("no documents");
    const bytes = answer.messages.reduce((sum, { length }) => sum + length, 0);
    expect(bytes).toBeLessThanOrEqual(128 * 1024);
    expect(bytes).toBeGreaterThan(100 * 1024);
    expect(answer.messages.length + answer.offers.length).toBe(60);
  });

  it("does not ask for a document that was refused before", () => {
    const { directory, out, receive } = withPeer();
    const message = publishedBy("bad", content("bad"));
    const spoilt = new Uint8Array(message as Uint8Array);
    spoilt[10] = (spoilt[10] as number) ^ 1;
    expect(directory.restore(spoilt, 0 as Millis, WALL)).toBe("forged");
    const item = { owner: nodeId("bad"), part: 0, epoch: 1, seq: 1, hash: messageHash(spoilt) };
    receive({ kind: "items", level: 0, prefixes: [], items: [item] }, 10);
    expect(out.sent.map(({ packet }) => decodePacket(packet)?.kind)).not.toContain("want");
    const other = { ...item, hash: messageHash(message) };
    receive({ kind: "items", level: 0, prefixes: [], items: [other] }, 20);
    expect(out.sent.map(({ packet }) => decodePacket(packet)?.kind)).toContain("want");
  });
});

describe("a peer that lies", () => {
  it("gets verdicts and no exception for arbitrary packets", () => {
    const directory = filled("z", 50);
    const out = new Outbox();
    directory.onPeerUp(nodeId("liar"), 1_000 as Millis, WALL, out);
    const id = fc.constantFrom(nodeId("o1"), nodeId("o2"), nodeId("nobody"));
    const small = fc.integer({ min: -1, max: 40 });
    const item = fc.tuple(id, small, small, small, fc.uint8Array({ minLength: 16, maxLength: 16 }));
    const field = fc.oneof(
      small,
      fc.array(small, { maxLength: 4 }),
      fc.array(item, { maxLength: 4 }),
      fc.array(fc.tuple(id, small), { maxLength: 4 }),
      fc.uint8Array({ maxLength: 600 }),
      fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 3 }),
    );
    const structured = fc
      .tuple(fc.integer({ min: 0, max: 7 }), fc.array(field, { maxLength: 4 }))
      .map(([kind, rest]) => new Uint8Array(encode([kind, ...rest])));
    const before = directory.root();
    let now = 1_000;
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 200 }), structured), (packet) => {
        now += 100;
        directory.onPacket(nodeId("liar"), packet, now as Millis, WALL, out);
        expect(directory.root()).toBe(before);
      }),
      { numRuns: 500 },
    );
  });

  it("cannot make a node send or check more than its share", () => {
    const directory = filled("z", 600);
    const out = new Outbox();
    const liar = nodeId("liar");
    directory.onPeerUp(liar, 1_000 as Millis, WALL, out);
    const greedy = encodePacket({ kind: "items", level: 0, prefixes: [0], items: [] });
    let sentBytes = 0;
    let limited = 0;
    for (let step = 0; step < 2_000; step += 1) {
      const now = (1_000 + step) as Millis;
      if (directory.onPacket(liar, greedy, now, WALL, out) === "limited") limited += 1;
      for (const { packet } of out.sent.splice(0)) sentBytes += packet.length;
    }
    expect(limited).toBeGreaterThan(1_000);
    expect(sentBytes).toBeLessThan(40 * 1024 * 1024);
    const forged = encodePacket({
      kind: "docs",
      messages: [new Uint8Array(500).fill(1)],
      offers: [],
    });
    expect(directory.onPacket(liar, forged, 60_000 as Millis, WALL, out)).toBe("malformed");
  });

  it("is ignored while no connection to it is known", () => {
    const directory = filled("z", 3);
    const out = new Outbox();
    const packet = encodePacket({ kind: "root", fingerprint: new Uint8Array(16), count: 0 });
    expect(directory.onPacket(nodeId("x"), packet, 1_000 as Millis, WALL, out)).toBe("ignored");
    expect(out.sent).toEqual([]);
  });
});

describe("direct push", () => {
  it("reaches every connected peer of a small mesh in one hop", () => {
    const mesh = new TestMesh(9, CALM);
    for (let index = 0; index < 16; index += 1) mesh.add(`n${index}`, directoryOf(`n${index}`));
    mesh.connectAll();
    mesh.runUntil(mesh.now + 100);
    mesh.setOwn("n0", content("n0", [instance("web", "one")]));
    mesh.runUntil(mesh.now + 5);
    for (const directory of mesh.nodes.values()) {
      expect(directory.get(nodeId("n0"))?.instances).toHaveLength(1);
    }
  });
});

describe("packets", () => {
  it("read back as they were written", () => {
    const item: TreeItem = {
      owner: nodeId("a"),
      part: 3,
      epoch: 2 ** 45,
      seq: 2 ** 40,
      hash: "00112233445566778899aabbccddeeff",
    };
    const blocks = new Uint8Array(512).fill(9);
    for (const packet of [
      { kind: "root", fingerprint: new Uint8Array(16).fill(3), count: 12 },
      { kind: "nodes", level: 2, prefixes: [0, 255], blocks, count: 4 },
      { kind: "items", level: LEAF_LEVEL, prefixes: [4_095], items: [item] },
      { kind: "docs", messages: [new Uint8Array([1, 2])], offers: [item] },
      { kind: "want", places: [{ owner: nodeId("a"), part: 32 }] },
      { kind: "push", messages: [new Uint8Array([7])] },
    ] as const) {
      const read = decodePacket(encodePacket(packet));
      expect(JSON.stringify(read && encode(Object.values(read)))).toBe(
        JSON.stringify(encode(Object.values(packet))),
      );
    }
  });
});

describe("the fingerprint tree", () => {
  const items = fc.array(
    fc.record({
      kind: fc.constant("vitals" as const),
      vitals: fc.constant({} as VitalsStatement["vitals"]),
      message: fc.constant(new Uint8Array(3)),
      owner: fc.integer({ min: 0, max: 60 }).map((index) => nodeId(`o${index}`)),
      part: fc.integer({ min: 0, max: 2 }),
      epoch: fc.constant(1),
      seq: fc.integer({ min: 1, max: 5 }),
      hash: fc
        .uint8Array({ minLength: 16, maxLength: 16 })
        .map((b) => Buffer.from(b).toString("hex")),
    }),
    { maxLength: 60 },
  );

  it("has the root of a tree built afresh, whatever was put, replaced and removed before", () => {
    fc.assert(
      fc.property(items, fc.array(fc.boolean()), (list, removals) => {
        const tree = new FingerprintTree();
        const expected = new Map<string, Statement>();
        for (const [index, item] of list.entries()) {
          tree.put(item);
          expected.set(`${item.owner}/${item.part}`, item);
          if (removals[index] === true) {
            tree.root();
            tree.remove(item);
            expected.delete(`${item.owner}/${item.part}`);
          }
        }
        const fresh = new FingerprintTree();
        for (const item of [...expected.values()].reverse()) fresh.put(item);
        expect(tree.root()).toEqual(fresh.root());
        expect(tree.size).toBe(expected.size);
        expect([...tree.itemsUnder(0, 0)]).toEqual([...fresh.itemsUnder(0, 0)]);
        if (expected.size === 0) expect(tree.root()).toEqual(new Uint8Array(16));
      }),
    );
  });
});
