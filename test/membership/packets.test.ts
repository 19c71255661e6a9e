import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { encode } from "../../core/codec.ts";
import {
  BUCKETS,
  decodePacket,
  encodePacket,
  type MemberPacket,
} from "../../membership/packets.ts";
import { nodeId } from "./network.ts";

const bytes = fc.array(fc.uint8Array({ maxLength: 64 }), { maxLength: 5 });
const seq = fc.nat();
const buckets = fc
  .uniqueArray(fc.integer({ min: 0, max: BUCKETS - 1 }))
  .map((list) => Uint8Array.from(list.sort((left, right) => left - right)));

const packets: fc.Arbitrary<Exclude<MemberPacket, { kind: "unknown" }>> = fc.oneof(
  fc.record({ kind: fc.constant("ping" as const), seq, records: bytes }),
  fc.record({ kind: fc.constant("ack" as const), seq, records: bytes }),
  fc.record({
    kind: fc.constant("ping_req" as const),
    seq,
    target: fc.constant(nodeId("target")),
    records: bytes,
  }),
  fc.record({
    kind: fc.constant("answer" as const),
    seq,
    answered: fc.boolean(),
    records: bytes,
  }),
  fc.record({ kind: fc.constant("push" as const), records: bytes, doubts: bytes }),
  fc.record({
    kind: fc.constant("sync" as const),
    buckets: fc.uint32Array({ minLength: BUCKETS, maxLength: BUCKETS }),
    records: bytes,
  }),
  fc.record({
    kind: fc.constant("page" as const),
    covered: buckets,
    remaining: buckets,
    records: bytes,
  }),
  fc.record({ kind: fc.constant("pull" as const), wanted: buckets }),
);

/** Buffers and plain byte arrays hold the same. */
function plain(value: unknown): unknown {
  if (value instanceof Uint32Array || value instanceof Uint8Array) return [...value];
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plain(item)]));
}

describe("packets of the failure detector", () => {
  it("come back as they were sent", () => {
    fc.assert(
      fc.property(packets, (packet) => {
        expect(plain(decodePacket(encodePacket(packet)))).toEqual(plain(packet));
      }),
    );
  });

  it("do not throw on arbitrary bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (noise) => {
        decodePacket(noise);
      }),
      { numRuns: 2_000 },
    );
  });

  it("do not throw on well-formed encodings of other things", () => {
    const part = fc.oneof(fc.integer(), fc.string(), fc.boolean(), fc.uint8Array(), bytes);
    fc.assert(
      fc.property(fc.array(part, { maxLength: 6 }), fc.nat({ max: 9 }), (parts, kind) => {
        decodePacket(encode([kind, ...parts]));
      }),
      { numRuns: 2_000 },
    );
  });

  it("of a later version are unknown, not malformed", () => {
    expect(decodePacket(encode([77, "anything"]))).toEqual({ kind: "unknown" });
    const ping = decodePacket(encode([1, 5, [], "later"]));
    expect(ping).toEqual({ kind: "ping", seq: 5, records: [] });
  });

  it("that name a bucket twice are malformed", () => {
    expect(decodePacket(encode([8, Uint8Array.from([3, 3])]))).toBeUndefined();
  });
});
