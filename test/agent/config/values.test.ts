import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  InvalidValue,
  oneOf,
  readBoolean,
  readDialAddress,
  readDuration,
  readHostPort,
  readHostPortOrOff,
  readLabel,
  readNetworkOrOff,
  readPair,
  readPath,
  readWord,
} from "../../../agent/config/values.ts";

describe("durations", () => {
  it.each([
    ["250ms", 250],
    ["15s", 15_000],
    ["1h", 3_600_000],
    ["1m30s", 90_000],
    ["90d", 7_776_000_000],
    ["0.5s", 500],
    ["0s", 0],
  ])("%s is %d ms", (text, ms) => {
    expect(readDuration(text)).toBe(ms);
  });

  it.each(["", "15", "s", "-1s", "15 s", "1x", "1s1", "99999d", "1e3s", "Infinitys"])(
    "%j is refused with an example",
    (text) => {
      expect(() => readDuration(text)).toThrow(InvalidValue);
    },
  );
});

describe("addresses", () => {
  it("reads IPv4, IPv6 in brackets and names", () => {
    expect(readHostPort("127.0.0.1:0")).toEqual({ host: "127.0.0.1", port: 0 });
    expect(readHostPort("[::1]:7946")).toEqual({ host: "::1", port: 7946 });
    expect(readHostPort("seed.example:1")).toEqual({ host: "seed.example", port: 1 });
  });

  it("tells where the brackets of IPv6 are missing", () => {
    expect(() => readHostPort("::1:7946")).toThrow(/brackets/);
    expect(() => readHostPort("7946")).toThrow(/expects HOST:PORT such as/);
  });

  it("does not dial port 0", () => {
    expect(() => readDialAddress("10.0.0.1:0")).toThrow(/port from 1 to 65535/);
    expect(readDialAddress("[::1]:7946")).toBe("[::1]:7946");
  });

  it("takes off where that makes sense", () => {
    expect(readHostPortOrOff("off")).toBeUndefined();
    expect(() => readHostPortOrOff("on")).toThrow(/or off/);
    expect(readNetworkOrOff("off")).toBeUndefined();
    expect(readNetworkOrOff("127.77.0.0/16")).toBe("127.77.0.0/16");
    expect(() => readNetworkOrOff("127.77.0.0/33")).toThrow(InvalidValue);
    expect(() => readNetworkOrOff("127.77.0.0")).toThrow(InvalidValue);
  });
});

describe("words", () => {
  it("reads labels, words, pairs, switches and choices", () => {
    expect(readLabel("a-1")).toBe("a-1");
    expect(readWord("eu_west.1")).toBe("eu_west.1");
    expect(readPair("team=a=b")).toEqual(["team", "a=b"]);
    expect(readBoolean("True")).toBe(true);
    expect(readBoolean("0")).toBe(false);
    expect(readPath("x/y")).toBe("x/y");
    expect(oneOf(["allow", "deny"])("deny")).toBe("deny");
  });

  it("says what it expects otherwise", () => {
    expect(() => readLabel("A_1")).toThrow(/DNS label/);
    expect(() => readWord("a b")).toThrow(/letters, digits/);
    expect(() => readPair("team")).toThrow(/KEY=VALUE/);
    expect(() => readPair("1a=b")).toThrow(/begins with a letter/);
    expect(() => readBoolean("maybe")).toThrow(/true or false/);
    expect(() => oneOf(["a", "b", "c"])("d")).toThrow('expects a, b or c, not "d"');
    expect(() => readPath("")).toThrow(InvalidValue);
  });
});

it("never throws anything but InvalidValue, whatever the text", () => {
  const readers = [readDuration, readHostPortOrOff, readNetworkOrOff, readPair, readLabel];
  fc.assert(
    fc.property(fc.string(), (text) => {
      for (const read of readers) {
        try {
          read(text);
        } catch (problem) {
          expect(problem).toBeInstanceOf(InvalidValue);
        }
      }
    }),
  );
});
