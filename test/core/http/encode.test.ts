import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { RequestHead } from "../../../core/exchange/contract.ts";
import {
  appendForwarded,
  chunkStart,
  chunksEnd,
  encodeRequestHead,
  encodeResponseHead,
  hasTrueFraming,
} from "../../../core/http/encode.ts";
import { parseRequest } from "../../../core/http/request-reader.ts";

const HEAD: RequestHead = {
  kind: "http",
  method: "GET",
  path: "/a",
  authority: "web.mesh",
  headers: ["Host", "web.mesh", "TE", "trailers"],
  body: 0,
  upgrade: undefined,
  expectContinue: false,
};

describe("a request head", () => {
  it("is written with its fields as they are and its framing", () => {
    expect(encodeRequestHead({ ...HEAD, body: "chunked", upgrade: "websocket" })).toBe(
      "GET /a HTTP/1.1\r\nHost: web.mesh\r\nTE: trailers\r\nUpgrade: websocket\r\n" +
        "Connection: TE, Upgrade\r\nTransfer-Encoding: chunked\r\n\r\n",
    );
    expect(encodeRequestHead({ ...HEAD, headers: [], body: 7 })).toBe(
      "GET /a HTTP/1.1\r\nHost: web.mesh\r\nContent-Length: 7\r\n\r\n",
    );
  });

  it.each([
    ["a length that is not its body's", ["Content-Length", "4"], 5],
    ["two lengths", ["Content-Length", "5", "content-length", "5"], 5],
    ["a length beside chunks", ["Content-Length", "5"], "chunked"],
    ["a length that is no number", ["Content-Length", "+5"], 5],
    ["chunks where a length is announced", ["Transfer-Encoding", "chunked"], 5],
    ["chunks where there is no body", ["transfer-encoding", "chunked"], 0],
    ["a length where there is no body", ["Content-Length", "5"], 0],
    ["options of the connection", ["Connection", "Upgrade"], 0],
    ["two hosts", ["Host", "web.mesh"], 0],
  ] as const)("is not written with %s, whoever sent it", (_what, fields, body) => {
    const headers = [...HEAD.headers, ...fields];
    expect(encodeRequestHead({ ...HEAD, headers, body })).toBeUndefined();
  });

  it("is either not written or read back as exactly the same request", () => {
    const text = fc.oneof(
      fc.string(),
      fc.string({ unit: "binary" }),
      fc.constantFrom("a\r\nb: c", "\u010a"),
    );
    const field = fc.tuple(fc.oneof(fc.constantFrom("X-A", "x b", "", "Cookie"), text), text);
    fc.assert(
      fc.property(text, fc.array(field), (path, fields) => {
        const headers = ["Host", "web.mesh", ...fields.flat()];
        const written = encodeRequestHead({ ...HEAD, path: `/${path}`, headers });
        if (written === undefined) return;
        expect(written.indexOf("\r\n\r\n")).toBe(written.length - 4);
        const back = parseRequest(written);
        if ("code" in back) return;
        expect(back.path).toBe(`/${path}`);
        expect(back.fields.length).toBeLessThanOrEqual(headers.length);
      }),
    );
  });
});

describe("an answer", () => {
  it("frames itself as its body is, but may announce a body that HEAD does not get", () => {
    expect(hasTrueFraming(["Content-Length", "7"], "none")).toBe(true);
    expect(hasTrueFraming(["Content-Length", "7"], 7)).toBe(true);
    expect(hasTrueFraming(["Content-Length", "7"], 6)).toBe(false);
    expect(hasTrueFraming(["Content-Length", "7"], "chunked")).toBe(false);
    expect(hasTrueFraming(["Content-Length", "x"], "none")).toBe(false);
    expect(hasTrueFraming(["Transfer-Encoding", "chunked"], "none")).toBe(false);
  });

  it("is not written with a value or reason that would end its line", () => {
    const head = { status: 200, reason: "OK", headers: ["A", "b"], body: 0 } as const;
    expect(encodeResponseHead(head, ["C", "d"])).toBe("HTTP/1.1 200 OK\r\nA: b\r\nC: d\r\n\r\n");
    expect(encodeResponseHead({ ...head, reason: "OK\r\nX: y" }, [])).toBeUndefined();
    expect(encodeResponseHead({ ...head, headers: ["A", "b\nc"] }, [])).toBeUndefined();
    expect(encodeResponseHead({ ...head, headers: ["A b", "c"] }, [])).toBeUndefined();
  });

  it("in chunks ends with trailers, but never with one that would split it", () => {
    expect(chunkStart(255)).toBe("ff\r\n");
    expect(chunksEnd([])).toBe("0\r\n\r\n");
    expect(chunksEnd(["X", "y"])).toBe("0\r\nX: y\r\n\r\n");
    expect(chunksEnd(["X", "y\r\n\r\nHTTP/1.1 200 OK"])).toBe("0\r\n\r\n");
  });
});

describe("x-forwarded-*", () => {
  it("are added, or continued where a proxy before has begun them", () => {
    const fields = ["X-Forwarded-For", "10.0.0.1", "x-other-thing-ab", "z"];
    appendForwarded(fields, "127.0.0.1", "http", "web.mesh");
    expect(fields).toEqual([
      "X-Forwarded-For",
      "10.0.0.1, 127.0.0.1",
      "x-other-thing-ab",
      "z",
      "x-forwarded-proto",
      "http",
      "x-forwarded-host",
      "web.mesh",
    ]);
  });
});
