import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decode, encode } from "../../core/codec.ts";

const plain = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    fc.constantFrom(null, undefined, true, false),
    fc.integer(),
    fc.double({ noNaN: true }).map((value) => (Object.is(value, -0) ? 0 : value)),
    fc.maxSafeInteger(),
    fc.string({ unit: "grapheme", maxLength: 300 }),
    fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
    fc.array(tie("value"), { maxLength: 20 }),
    fc.dictionary(
      fc.string().filter((key) => key !== "__proto__"),
      tie("value"),
      { noNullPrototype: true },
    ),
  ),
}));

const hex = (text: string) => Uint8Array.from(Buffer.from(text.replaceAll(" ", ""), "hex"));

describe("what this program encodes", () => {
  it("comes back as it was, at every size of head", () => {
    fc.assert(
      fc.property(plain.value, (value) => {
        expect(decode(encode(value))).toEqual(value);
      }),
    );
    const wide = [
      ...["x".repeat(31), "x".repeat(255), "x".repeat(65_535), "x".repeat(65_536)],
      ...[Buffer.alloc(255), Buffer.alloc(65_535), Buffer.alloc(65_536)],
      ...[new Array(15).fill(1), new Array(16).fill(1), new Array(65_536).fill(1)],
      Object.fromEntries(new Array(60_000).fill(0).map((_, at) => [`k${at}`, at])),
      ...[2 ** 16, 2 ** 32, 2 ** 53 - 1, -1, -33, -200, -40_000, -(2 ** 40)],
      ...[1.5, new Date(1_700_000_000_000), new Date(1_700_000_000_123), new Date(2 ** 45)],
    ];
    for (const value of wide) expect(decode(encode(value))).toEqual(value);
    expect(decode(encode(wide))).toEqual(wide);
  });
});

describe("bytes from elsewhere", () => {
  it.each([
    ["nothing", ""],
    ["a second value", "01 02"],
    ["the byte that means nothing", "c1"],
    ["a list that announces more than there is", "dd ff ff ff ff"],
    ["a text that announces more than there is", "db ff ff ff ff 61"],
    ["a head that is cut off", "dd 00"],
    ["a record type, for which code would be generated", "d4 72 40 92 a1 61 a1 62 01 02"],
    ["a wide record type", "d5 72 40 01 92 a1 61 a1 62 01 02"],
    ["a regular expression", "d4 78 00 92 a3 28 61 29 a1 67"],
    ["an error", "d4 65 00 93 a1 61 a1 62 01"],
    ["a set", "d4 73 00 91 01"],
    ["a reference", "d6 70 00 00 00 01"],
    ["an identity that references name", "d6 69 00 00 00 01 80"],
    ["a typed array", "c7 05 74 01 01 02 03 04"],
    ["a huge whole number", "c7 09 42 ff ff ff ff ff ff ff ff ff"],
    ["bundled texts", "d6 62 00 00 00 01 01"],
    ["an extension nobody knows", "d4 05 01"],
  ])("are refused: %s", (_name, text) => {
    expect(decode(hex(text))).toBeUndefined();
  });

  it("nested deeper than any statement are refused before they exhaust the stack", () => {
    const nested = (token: number, depth: number) =>
      Uint8Array.from([...new Array(depth).fill(token), 0xc0]);
    expect(decode(nested(0x91, 64))).toBeDefined();
    expect(decode(nested(0x91, 65))).toBeUndefined();
    expect(decode(nested(0x91, 1_000_000))).toBeUndefined();
  });

  it("never throw, and what they hold can be encoded again", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        const value = decode(bytes);
        if (value !== undefined) expect(decode(encode(value))).toEqual(value);
      }),
      { numRuns: 5_000 },
    );
  });
});
