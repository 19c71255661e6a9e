import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { RawHeaders, ResponseHead } from "../../../core/exchange/contract.ts";
import { ResponseReader } from "../../../core/http/response-reader.ts";

const bytes = (text: string) => Uint8Array.from(text, (character) => character.charCodeAt(0));

function read(pieces: readonly Uint8Array[], method = "GET", mayUpgrade = false) {
  const reader = new ResponseReader();
  reader.expect(method, mayUpgrade);
  const got = {
    heads: [] as ResponseHead[],
    body: "",
    trailers: undefined as RawHeaders | undefined,
    excess: "",
  };
  const sink = {
    onInformational: (head: ResponseHead) => got.heads.push(head),
    onResponse: (head: ResponseHead) => got.heads.push(head),
    onBody: (piece: Uint8Array) => {
      got.body += String.fromCharCode(...piece);
    },
    onResponseEnd: (trailers: RawHeaders) => {
      got.trailers = trailers;
    },
  };
  for (const piece of pieces) {
    const at = reader.feed(piece, 0, sink);
    got.excess += String.fromCharCode(...piece.subarray(at));
  }
  const { fault, keepAlive, keepAliveMs, isTunnel } = reader;
  const finished = reader.finish(sink);
  return { ...got, fault: fault?.message, keepAlive, keepAliveMs, isTunnel, finished };
}

const one = (text: string, method?: string, mayUpgrade?: boolean) =>
  read([bytes(text)], method, mayUpgrade);

describe("an answer", () => {
  it.each([
    ["HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"],
    ["HEAD", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"],
    ["GET", "HTTP/1.1 204 No Content\r\nContent-Length: 9\r\n\r\n"],
    ["GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n"],
  ])("to %s without a body ends with its head: %j", (method, text) => {
    const answer = one(`${text}next`, method);
    expect(answer).toMatchObject({ body: "", trailers: [], excess: "next", keepAlive: true });
    expect(answer.heads[0]?.body).toBe(0);
  });

  it("keeps fields as they are, without those of the connection and without grapevine-*", () => {
    const text =
      "HTTP/1.1 200 Fine and dandy\r\nsERVER: x\r\nKeep-Alive: timeout=7, max=3\r\nConnection: X-A\r\n" +
      "X-A: 1\r\ngrapevine-error: spoof\r\nContent-Length: 0\r\n\r\n";
    const answer = one(text);
    expect(answer.heads[0]).toEqual({
      status: 200,
      reason: "Fine and dandy",
      headers: ["sERVER", "x", "Content-Length", "0"],
      body: 0,
    });
    expect(answer).toMatchObject({ keepAliveMs: 7_000, keepAlive: true });
  });

  it("without a length lasts until the connection ends", () => {
    const answer = one("HTTP/1.1 200\r\n\r\nabc");
    expect(answer).toMatchObject({ body: "abc", finished: true, trailers: [], keepAlive: false });
  });

  it("that the connection ends in the middle of is not finished", () => {
    expect(one("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabc").finished).toBe(false);
    expect(one("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n").finished).toBe(
      false,
    );
    expect(one("HTTP/1.1 200 OK\r\n").finished).toBe(false);
  });

  it("101 is a tunnel if it was asked for, and a fault if not", () => {
    const text = "HTTP/1.1 101 Go\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\nraw";
    const answer = one(text, "GET", true);
    expect(answer).toMatchObject({ isTunnel: true, excess: "raw" });
    expect(answer.heads[0]?.headers).toEqual(["Upgrade", "websocket"]);
    expect(one(text).fault).toContain("101");
  });

  it("reads the same from bytes in any pieces", () => {
    const texts = [
      "HTTP/1.1 103 E\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX: y\r\n\r\nexcess",
      "HTTP/1.0 200 OK\r\n\r\nuntil the end",
      "HTTP/1.1 200 OK\r\nX\n: y\r\n\r\n",
    ];
    fc.assert(
      fc.property(fc.constantFrom(...texts), fc.array(fc.nat(), { maxLength: 9 }), (text, cuts) => {
        const whole = bytes(text);
        const places = [...new Set(cuts.map((cut) => cut % whole.length))].sort((a, b) => a - b);
        const pieces = [0, ...places].map((from, at) => whole.subarray(from, places[at]));
        expect(read(pieces)).toEqual(read([whole]));
      }),
    );
  });

  it.each([
    [
      "both lengths",
      "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
    ["two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"],
    ["a coding that is not chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"],
    ["an obfuscated coding", "HTTP/1.1 200 OK\r\nTransfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n"],
    ["a space before a colon", "HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\nok"],
    ["a split head", "HTTP/1.1 200 OK\r\nLocation: /\rSet-Cookie: x\r\n\r\n"],
    ["bare line feeds", "HTTP/1.1 200 OK\nContent-Length: 2\n\nok"],
    ["a folded line", "HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 2\r\n\r\nok"],
    ["HTTP/0.9", "ok"],
    ["HTTP/2", "HTTP/2 200\r\ncontent-length: 2\r\n\r\nok"],
    [
      "a chunk extension with a line feed",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;\nxx\r\nok\r\n0\r\n\r\n",
    ],
    [
      "a trailer that frames",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nContent-Length: 5\r\n\r\n",
    ],
  ])("is refused with %s, and its connection is not used again", (_what, text) => {
    const reader = new ResponseReader();
    reader.expect("GET", false);
    const ignore = () => {};
    const sink = {
      onInformational: ignore,
      onResponse: ignore,
      onBody: ignore,
      onResponseEnd: ignore,
    };
    reader.feed(bytes(text.padEnd(70_000, "z")), 0, sink);
    expect(reader.fault?.code).toBe("upstream_invalid");
    expect(reader.keepAlive).toBe(false);
  });

  it.each([
    ["HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n"],
    ["GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 4\r\n\r\n"],
    ["GET", "HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n"],
    ["GET", "HTTP/1.1 204 No Content\r\n\r\n"],
  ])(
    "to %s of %j with a body all the same leaves it over, where no caller gets it",
    (method, head) => {
      const evil = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil";
      const answer = one(`${head}${evil}`, method);
      expect(answer.heads).toHaveLength(1);
      expect(answer.body).toBe("");
      expect(answer.excess).toBe(evil);
    },
  );

  it("may be preceded by only so many informational ones", () => {
    expect(one("HTTP/1.1 100 Continue\r\n\r\n".repeat(40)).fault).toContain("1xx");
  });
});
