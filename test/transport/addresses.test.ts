import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  formatHostPort,
  fromMultiaddrText,
  isLoopback,
  isUnspecified,
  parseHostPort,
  reachableHost,
  toMultiaddrText,
} from "../../transport/addresses.ts";

describe("addresses as people write them", () => {
  it.each([
    ["10.0.0.1:7946", "10.0.0.1", 7946],
    ["[::1]:7946", "::1", 7946],
    ["[fe80::1%eth0]:1", "fe80::1%eth0", 1],
    ["seed.example:0", "seed.example", 0],
    ["seed.example.:80", "seed.example.", 80],
    ["localhost:65535", "localhost", 65535],
  ])("reads %s", (text, host, port) => {
    expect(parseHostPort(text)).toEqual({ host, port });
  });

  it.each([
    "",
    ":",
    ":80",
    "host",
    "host:",
    "host:x",
    "host:65536",
    "host:-1",
    "host:1e3",
    "::1:80",
    "[::1]",
    "[::1:80",
    "[host]:80",
    "1.2.3:80",
    "300.1.1.1:80",
    "a b:80",
    "http://a:80",
    "-a:80",
  ])("refuses %j", (text) => {
    expect(parseHostPort(text)).toBeUndefined();
  });

  it("does not stall on a long name that is none", () => {
    const started = performance.now();
    expect(parseHostPort(`${"a".repeat(60)}!:80`)).toBeUndefined();
    expect(parseHostPort(`${"a.".repeat(120)}!:80`)).toBeUndefined();
    expect(performance.now() - started).toBeLessThan(100);
  });

  it("never throws, and reads back what it has written", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        const read = parseHostPort(text);
        if (read !== undefined) {
          expect(parseHostPort(formatHostPort(read.host, read.port))).toEqual(read);
        }
      }),
    );
    const host = fc.oneof(
      fc.ipV4(),
      fc.ipV6().filter((text) => !text.includes(".")),
      fc.domain(),
    );
    fc.assert(
      fc.property(host, fc.integer({ min: 0, max: 65535 }), (text, port) => {
        const written = formatHostPort(text, port);
        expect(parseHostPort(written)).toEqual({ host: text, port });
        expect(fromMultiaddrText(toMultiaddrText({ host: text, port }))).toBe(written);
      }),
    );
  });
});

describe("what an address means", () => {
  it("knows loopback in all its spellings", () => {
    const loopback = [
      "127.0.0.1",
      "127.9.9.9",
      "::1",
      "0:0::1",
      "::ffff:127.0.0.1",
      "localhost",
      "a.LOCALHOST.",
    ];
    for (const host of loopback) expect(isLoopback(host), host).toBe(true);
    for (const host of [
      "10.0.0.1",
      "::",
      "::2",
      "::ffff:10.0.0.1",
      "localhost.example",
      "0.0.0.0",
    ]) {
      expect(isLoopback(host), host).toBe(false);
    }
  });

  it("turns 'every interface' into an address that others can dial", () => {
    expect(isUnspecified("0.0.0.0") && isUnspecified("::") && isUnspecified("0::0")).toBe(true);
    expect(reachableHost("10.1.2.3")).toBe("10.1.2.3");
    expect(isUnspecified(reachableHost("0.0.0.0"))).toBe(false);
    expect(isUnspecified(reachableHost("::"))).toBe(false);
  });

  it("ignores what follows the port of a multiaddr, and other kinds", () => {
    expect(fromMultiaddrText("/ip4/1.2.3.4/tcp/5/p2p/12D3")).toBe("1.2.3.4:5");
    expect(fromMultiaddrText("/unix/tmp")).toBeUndefined();
  });
});
