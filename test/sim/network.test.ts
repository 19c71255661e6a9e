/** What connections of the simulated network make of roads that are cut, once and again. */
import { describe, expect, it } from "vitest";
import { Lane } from "../../sim/engine/lane.ts";
import { World } from "../../sim/engine/world.ts";
import { Network } from "../../sim/network/network.ts";
import { Paths, type RoadFault } from "../../sim/network/paths.ts";
import { connect } from "../../sim/network/stream.ts";

const S = 1_000_000;
const ROAD = { baseUs: 1_000, jitterUs: 0, loss: 0, bytesPerSecond: 0 };
const SHAPE = {
  ...{ sameZone: ROAD, otherZone: ROAD, giveUpMs: 120_000 },
  ...{ gossipLoss: 0, gossipDuplicates: 0, gossipLateMs: 0 },
};

function setUp() {
  const world = new World(1);
  const network = new Network(world, new Paths(1, SHAPE, () => 0, world));
  const end = (host: number) => ({ lane: new Lane(host + 1, host), key: host });
  const [near, far] = connect(network, "packet", end(0), end(1));
  const arrived: { readonly at: number; readonly first: number | undefined }[] = [];
  far.listener = {
    onMessage: (message) => arrived.push({ at: world.now / S, first: message[0] }),
    onDrain: () => {},
    onClosed: () => {},
  };
  near.listener = { onMessage: () => {}, onDrain: () => {}, onClosed: () => {} };
  const cut: RoadFault = {
    ...{ from: new Set([0]), to: new Set([1]), block: "cut" },
    ...{ loss: 0, delayUs: 0, jitterUs: 0, bytesPerSecond: 0 },
  };
  const between = (from: number, to: number) => {
    world.plan(from, undefined, "fault", () => network.addFault(cut));
    world.plan(to, undefined, "fault", () => network.removeFault(cut));
  };
  const sendAt = (at: number, first: number) =>
    world.plan(at, near.lane, "workload", () => near.send(Uint8Array.of(first)));
  return { world, arrived, between, sendAt };
}

describe("a connection whose road is cut", () => {
  it("delivers what was sent meanwhile at the kernel's next resend, in order with what came later", () => {
    const { world, arrived, between, sendAt } = setUp();
    between(S, 4 * S);
    sendAt(2 * S, 1);
    sendAt(4.5 * S, 2);
    world.runUntil(60 * S);
    // Resends 0.2, 0.6, 1.4 and 3 s after the first: the last one is the first on an open road.
    expect(arrived.map(({ first }) => first)).toEqual([1, 2]);
    for (const { at } of arrived) expect(at).toBeCloseTo(5.001, 2);
  });

  it("delivers nothing through the next cut, though the first one is over", () => {
    const { world, arrived, between, sendAt } = setUp();
    between(S, 4 * S);
    between(4.5 * S, 20 * S);
    sendAt(2 * S, 1);
    world.runUntil(20 * S);
    expect(arrived).toEqual([]);
    world.runUntil(60 * S);
    expect(arrived.map(({ first }) => first)).toEqual([1]);
  });
});
