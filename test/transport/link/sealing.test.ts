import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { bestAead, portableAead } from "../../../transport/crypto/aead.ts";
import { Opener, PAYLOAD_BYTES_MAX, Sealer } from "../../../transport/link/sealing.ts";

const key = Buffer.alloc(32, 5);

/** Opens `bytes` in chunks of the given sizes. */
function open(bytes: Buffer, cuts: number[], opener = new Opener(bestAead(), key)) {
  const messages: [number, Buffer][] = [];
  let verdict: string | undefined;
  let at = 0;
  for (const cut of [...cuts, bytes.length]) {
    const end = Math.min(bytes.length, at + cut);
    verdict ??= opener.read(Buffer.from(bytes.subarray(at, end)), (kind, payload) => {
      messages.push([kind, Buffer.from(payload)]);
      return true;
    });
    at = end;
  }
  return { messages, verdict };
}

describe("sealed messages", () => {
  it("come out whole and in order however the stream is cut, with either cipher", () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(5), fc.uint8Array({ maxLength: 200 })), { maxLength: 10 }),
        fc.array(fc.nat(60), { maxLength: 40 }),
        (sent, cuts) => {
          const sealer = new Sealer(portableAead(), key);
          const bytes = Buffer.concat(sent.map(([kind, payload]) => sealer.seal(kind, payload)));
          const { messages, verdict } = open(bytes, cuts);
          expect(verdict).toBeUndefined();
          expect(messages).toEqual(sent.map(([kind, payload]) => [kind, Buffer.from(payload)]));
        },
      ),
    );
  });

  it("hold the largest payload that the length allows", () => {
    const sealed = new Sealer(bestAead(), key).seal(0, Buffer.alloc(PAYLOAD_BYTES_MAX, 1));
    expect(sealed).toHaveLength(2 + 65_535);
    expect(open(sealed, [1, 40_000]).messages[0]?.[1]).toHaveLength(PAYLOAD_BYTES_MAX);
  });

  it("refuse a changed bit, a repeated message and bytes that are none", () => {
    const sealer = new Sealer(bestAead(), key);
    const first = sealer.seal(0, Buffer.from("one"));
    const changed = Buffer.from(first);
    changed[5] = (changed[5] as number) ^ 1;
    expect(open(changed, []).verdict).toBe("a message with a broken seal");
    const twice = open(Buffer.concat([first, first]), []);
    expect([twice.messages.length, twice.verdict]).toEqual([1, "a message with a broken seal"]);
    expect(open(Buffer.alloc(40), []).verdict).toBe("a message shorter than its seal");
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.array(fc.nat(50)), (noise, cuts) => {
        expect(open(Buffer.from(noise), cuts).messages).toEqual([]);
      }),
    );
  });

  it("stop in order when their reader has heard enough", () => {
    const sealer = new Sealer(bestAead(), key);
    const bytes = Buffer.concat([sealer.seal(1, Buffer.alloc(1)), sealer.seal(2, Buffer.alloc(1))]);
    const kinds: number[] = [];
    const verdict = new Opener(bestAead(), key).read(bytes, (kind) => kinds.push(kind) < 1);
    expect([kinds, verdict]).toEqual([[1], undefined]);
  });
});
