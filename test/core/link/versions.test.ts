/**
 * A mesh is upgraded agent by agent, so each version speaks with the one before and the one after.
 * Agents of other versions are played by today's with another number in the hello and, for what a
 * later one may add, with more frames and longer bodies on the wire.
 */
import { beforeEach, describe, expect, it } from "vitest";
import { LINK_DEFAULTS } from "../../../core/link/config.ts";
import { FRAME, FRAME_HEADER_BYTES, readU24, writeHeader } from "../../../core/link/frames.ts";
import { request, World } from "./world.ts";

const { version: N } = LINK_DEFAULTS;
const NEXT = { version: N + 1, versionOldest: N, features: 0b101 };
const TODAY = { features: 0b110 };

let world: World;
beforeEach(() => {
  world = new World();
});

type Channel = ReturnType<World["node"]>["channels"][number];

/** What this node receives comes as from a later version. */
function receiveFromLater(node: ReturnType<World["node"]>): void {
  const { channels } = node;
  const push = channels.push.bind(channels);
  channels.push = (...added: Channel[]) => {
    for (const channel of added) {
      const deliver = channel.deliver.bind(channel);
      channel.deliver = (batch) => deliver(laterBatch(batch));
    }
    return push(...added);
  };
}

/** Bodies of these are open at their end; those of the others are all payload. */
const MAY_GROW: readonly number[] = [
  ...[FRAME.hello, FRAME.goAway, FRAME.open, FRAME.head, FRAME.informational, FRAME.window],
];

/** An optional frame before each frame, and more fields at the end of each body that may have them. */
function laterBatch(batch: Uint8Array): Uint8Array {
  const parts: Uint8Array[] = [];
  for (let at = 0; at < batch.length; ) {
    const length = readU24(batch, at + 1);
    const type = batch[at] as number;
    const frame = Buffer.from(batch.subarray(at, at + FRAME_HEADER_BYTES + length));
    const more = MAY_GROW.includes(type) ? Buffer.from("later") : Buffer.alloc(0);
    writeHeader(frame, 0, type, length + more.length, frame.readUInt32BE(4));
    const optional = Buffer.alloc(FRAME_HEADER_BYTES + 3, 7);
    writeHeader(optional, 0, 0x80 | 0x30, 3, 9);
    parts.push(optional, frame, more);
    at += FRAME_HEADER_BYTES + length;
  }
  return Buffer.concat(parts);
}

describe("agents of version N and N + 1", () => {
  it.each([
    ["the older dials", "a", "b"],
    ["the newer dials", "b", "a"],
  ])("carry exchanges and calls at version N, with the features of both: %s", (_, from, to) => {
    const answers: (string | undefined)[] = [];
    const nodes = new Map([
      [
        "a",
        world.node("a", { config: TODAY, onCall: (_p, bytes, _l, done) => done(undefined, bytes) }),
      ],
      [
        "b",
        world.node("b", { config: NEXT, onCall: (_p, bytes, _l, done) => done(undefined, bytes) }),
      ],
    ]);
    const [dialer, listener] = [nodes.get(from), nodes.get(to)];
    if (dialer === undefined || listener === undefined) throw new Error("no such node");
    const notes = request(dialer, to);
    dialer.links.call(listener.id, to, Buffer.from("call"), 1_000, (_error, reply) =>
      answers.push(reply && Buffer.from(reply).toString()),
    );
    world.run(50);
    expect(notes.words).toEqual(["head 200", "end x-trailer:1"]);
    expect(answers).toEqual(["call"]);
    for (const node of nodes.values()) {
      expect(node.links.snapshot()).toMatchObject([
        { state: "up", agreed: { version: N, features: 0b100 } },
      ]);
    }
  });

  it("understand each other where the later one sends more than the older knows", () => {
    const older = world.node("a");
    const later = world.node("b", { config: NEXT });
    receiveFromLater(older);
    const there = request(older, "b", "x".repeat(200_000));
    const back = request(later, "a");
    world.run(200);
    expect(there.words).toEqual(["head 200", "end x-trailer:1"]);
    expect(there.text).toHaveLength(200_000);
    expect(back.words).toEqual(["head 200", "end x-trailer:1"]);
    later.links.drain(world.now(), () => {});
    world.run(50);
    expect(request(older, "b").words).toEqual([]);
    world.run(50);
    expect(older.links.snapshot()).toMatchObject([{ state: "draining" }]);
  });
});

describe("agents two versions apart", () => {
  it.each([
    ["a", "b"],
    ["b", "a"],
  ])("part at once, and both sides hear which one to upgrade (%s dials)", (from, to) => {
    const nodes = {
      a: world.node("a"),
      b: world.node("b", { config: { version: N + 2, versionOldest: N + 1 } }),
    };
    const notes = request(nodes[from as "a" | "b"], to);
    world.run(100);
    expect(notes.words).toEqual(["error unreachable no"]);
    for (const { events } of Object.values(nodes)) {
      const down = events.find(({ kind }) => kind === "link_down");
      expect(JSON.stringify(down)).toMatch(/upgrade (?:this agent|the peer)/);
    }
  });
});
