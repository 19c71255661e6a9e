import { expect, it } from "vitest";
import type { NodeId } from "../../../core/types.ts";
import type { ControlChannel } from "../../../transport/control/channel.ts";
import { PeerTable } from "../../../transport/control/peers.ts";

const PEER = "peer" as NodeId;
const channel = () => ({ peer: PEER }) as ControlChannel;

it("sends where the peer was last heard, not where it connected last", () => {
  const table = new PeerTable();
  const [older, newer] = [channel(), channel()];
  expect(table.add(older).first).toBe(true);
  expect(table.add(newer).first).toBe(false);
  expect(table.lastHeard(PEER)).toBe(newer);
  table.onHeard(older);
  expect(table.lastHeard(PEER)).toBe(older);
});

it("gives up the connection that was silent the longest when there are too many", () => {
  const table = new PeerTable();
  const [first, second, third, fourth] = [channel(), channel(), channel(), channel()];
  for (const each of [first, second, third]) table.add(each);
  table.onHeard(first);
  expect(table.add(fourth).surplus).toBe(second);
});

it("keeps a peer connected until its last connection is gone, and forgets late news", () => {
  const table = new PeerTable();
  const [one, two] = [channel(), channel()];
  table.add(one);
  table.add(two);
  expect(table.remove(one)).toBe(false);
  table.onHeard(one);
  expect(table.remove(two)).toBe(true);
  expect(table.lastHeard(PEER)).toBeUndefined();
});
