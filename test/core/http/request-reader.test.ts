import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { RawHeaders } from "../../../core/exchange/contract.ts";
import { type IncomingRequest, RequestReader } from "../../../core/http/request-reader.ts";
import { HEAD_BYTES_MAX, HEADER_FIELDS_MAX, REQUEST_LINE_BYTES_MAX } from "../../../core/limits.ts";

interface Read {
  requests: IncomingRequest[];
  bodies: string[];
  trailers: RawHeaders[];
  fault: string | undefined;
  left: string;
}

const bytes = (text: string) => Uint8Array.from(text, (character) => character.charCodeAt(0));

/** Reads `pieces` as one stream, as a listener does that answers each request at once. */
function read(pieces: readonly Uint8Array[]): Read {
  const reader = new RequestReader();
  const result: Read = { requests: [], bodies: [], trailers: [], fault: undefined, left: "" };
  let body = "";
  const sink = {
    onRequest: (request: IncomingRequest) => {
      body = "";
      result.requests.push(request);
    },
    onBody: (piece: Uint8Array) => {
      body += String.fromCharCode(...piece);
    },
    onRequestEnd: (trailers: RawHeaders) => {
      result.bodies.push(body);
      result.trailers.push(trailers);
    },
  };
  for (const piece of pieces) {
    let at = 0;
    while (at < piece.length && reader.fault === undefined) {
      at = reader.feed(piece, at, sink);
      reader.next();
    }
  }
  result.fault = reader.fault?.code;
  if (reader.isInHead) result.left = "head";
  return result;
}

const one = (text: string) => read([bytes(text)]);
const GET = (...lines: string[]) =>
  `GET / HTTP/1.1\r\n${lines.map((line) => `${line}\r\n`).join("")}\r\n`;

describe("a request", () => {
  it("gives its parts, with fields in their order and spelling", () => {
    const { requests, fault } = one(
      GET("hOST: web.mesh:81", "X-b:  two words\t", "x-B:", "Cookie: \u00e4"),
    );
    expect(fault).toBeUndefined();
    expect(requests[0]).toEqual({
      version: "1.1",
      method: "GET",
      form: "origin",
      path: "/",
      authority: "web.mesh:81",
      place: { host: "web.mesh", port: 81 },
      fields: ["hOST", "web.mesh:81", "X-b", "two words", "x-B", "", "Cookie", "\u00e4"],
      body: 0,
      upgrade: undefined,
      expectContinue: false,
      keepAlive: true,
      key: undefined,
    });
  });

  it("loses its hop-by-hop fields, those that Connection names, and grapevine-*", () => {
    const { requests } = one(
      GET(
        "Host: a",
        "Connection: close, X-Hop , Host, content-length",
        "x-hop: 1",
        "Keep-Alive: timeout=5",
        "Proxy-Connection: keep-alive",
        "Proxy-Authorization: Basic x",
        "TE: gzip, trailers",
        "Upgrade: foo",
        "X-End: 2",
        "Grapevine-Spoof: 1",
        "GRAPEVINE-KEY: user-42",
        "Content-Length: 0",
        "Trailer: X-Sum",
      ),
    );
    expect(requests[0]?.fields).toEqual([
      "Host",
      "a",
      "TE",
      "trailers",
      "X-End",
      "2",
      "Content-Length",
      "0",
      "Trailer",
      "X-Sum",
    ]);
    expect(requests[0]).toMatchObject({ key: "user-42", keepAlive: false, upgrade: undefined });
  });

  it.each([
    ["GET http://Web.Mesh/a?b HTTP/1.1\r\nHost: evil\r\n\r\n", "Web.Mesh", "/a?b"],
    ["GET http://web.mesh:8080 HTTP/1.1\r\nhost: evil\r\n\r\n", "web.mesh:8080", "/"],
    ["GET http://web.mesh?q HTTP/1.0\r\n\r\n", "web.mesh", "/?q"],
    ["OPTIONS http://web.mesh HTTP/1.1\r\nHost: web.mesh\r\n\r\n", "web.mesh", "*"],
    ["GET http://[::1]:80/ HTTP/1.1\r\nHost: \r\n\r\n", "[::1]:80", "/"],
  ])("in absolute form decides about the host: %j", (text, authority, path) => {
    const { requests } = one(text);
    expect(requests[0]).toMatchObject({ form: "absolute", authority, path });
    const { fields } = requests[0] as IncomingRequest;
    expect(fields.map((field) => field.toLowerCase()).indexOf("host")).toBe(0);
    expect(fields[1]).toBe(authority);
  });

  it("in HTTP/1.0 has no upgrade, no 100 to wait for, and closes unless it says otherwise", () => {
    const text = "POST / HTTP/1.0\r\nHost: a\r\nContent-Length: 1\r\nExpect: 100-continue\r\n";
    expect(one(`${text}\r\nx`).requests[0]).toMatchObject({
      keepAlive: false,
      expectContinue: false,
    });
    const kept = one(`${text}Connection: Keep-Alive\r\n\r\nx`).requests[0];
    expect(kept).toMatchObject({ keepAlive: true, expectContinue: false });
  });

  it("asks for an upgrade only with Connection, without a body, and never for h2c", () => {
    const upgrade = (...lines: string[]) => one(GET("Host: a", ...lines)).requests[0]?.upgrade;
    expect(upgrade("Connection: keep-alive, Upgrade", "Upgrade: websocket")).toBe("websocket");
    expect(upgrade("Upgrade: websocket")).toBeUndefined();
    expect(
      upgrade("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: x"),
    ).toBeUndefined();
  });
});

/** Each is known to make two servers disagree about where a request ends or where it goes. */
const SMUGGLING: [string, string][] = [
  [
    "CL and TE",
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG",
  ],
  [
    "TE and CL",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
  ],
  ["two lengths", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"],
  ["a list of lengths", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1\r\n\r\na"],
  ["a length with a plus", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\na"],
  ["a negative length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\na"],
  ["a hexadecimal length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x1\r\n\r\na"],
  ["an empty length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\na"],
  ["a length with a space", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1 1\r\n\r\na"],
  [
    "a length beyond 2^53",
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9007199254740993\r\n\r\na",
  ],
  [
    "a length of 20 digits",
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551617\r\n\r\na",
  ],
  ["xchunked", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"],
  [
    "chunked not last",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
  ],
  [
    "chunked twice",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
  ],
  [
    "two TE lines",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n",
  ],
  [
    "a quoted coding",
    'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: "chunked"\r\n\r\n0\r\n\r\n',
  ],
  [
    "a vertical tab in TE",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n",
  ],
  ["an empty TE", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n\r\n"],
  ["TE in HTTP/1.0", "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"],
  [
    "space before the colon",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
  ],
  ["tab before the colon", "GET / HTTP/1.1\r\nHost\t: a\r\n\r\n"],
  ["a folded line", "GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n c\r\n\r\n"],
  ["a folded first line", "GET / HTTP/1.1\r\n Host: a\r\n\r\n"],
  ["a bare LF", "GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n"],
  ["LF LF at the end", "GET / HTTP/1.1\r\nHost: a\n\n"],
  ["a bare CR", "GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n"],
  ["CR CR LF", "GET / HTTP/1.1\r\nHost: a\r\r\n\r\n"],
  ["NUL in a value", "GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n"],
  ["NUL in a name", "GET / HTTP/1.1\r\nHost: a\r\nX\0: b\r\n\r\n"],
  ["a name outside ASCII", "GET / HTTP/1.1\r\nHost: a\r\nX\u00e4: b\r\n\r\n"],
  ["no name", "GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n"],
  ["no colon", "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding\r\n\r\n"],
  ["a method with a colon", "GE:T / HTTP/1.1\r\nHost: a\r\n\r\n"],
  ["no method", " / HTTP/1.1\r\nHost: a\r\n\r\n"],
  ["two spaces", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n"],
  ["a tab in the request line", "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n"],
  ["a space in the target", "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n"],
  ["a target outside ASCII", "GET /\u00e4 HTTP/1.1\r\nHost: a\r\n\r\n"],
  ["a fragment", "GET /#x HTTP/1.1\r\nHost: a\r\n\r\n"],
  ["HTTP/0.9", "GET /\r\n\r\n"],
  ["a version in lower case", "GET / http/1.1\r\nHost: a\r\n\r\n"],
  ["a version with more digits", "GET / HTTP/1.10\r\nHost: a\r\n\r\n"],
  ["no Host in 1.1", "GET / HTTP/1.1\r\n\r\n"],
  ["absolute form without Host in 1.1", "GET http://a/ HTTP/1.1\r\n\r\n"],
  ["two Hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"],
  ["a Host with a path", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"],
  ["a Host with a user", "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n"],
  ["a Host list", "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n"],
  ["a Host port beyond 65535", "GET / HTTP/1.1\r\nHost: a:65536\r\n\r\n"],
  ["a user in the target", "GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n"],
  ["no host in the target", "GET http:///x HTTP/1.1\r\nHost: a\r\n\r\n"],
  ["a target that is no path", "GET a HTTP/1.1\r\nHost: a\r\n\r\n"],
  ["* with GET", "GET * HTTP/1.1\r\nHost: a\r\n\r\n"],
  ["CONNECT without a port", "CONNECT a HTTP/1.1\r\nHost: a\r\n\r\n"],
  ["CONNECT with a path", "CONNECT a:1/x HTTP/1.1\r\nHost: a\r\n\r\n"],
  ["CONNECT with a body", "CONNECT a:1 HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nGET "],
  ["two keys", "GET / HTTP/1.1\r\nHost: a\r\ngrapevine-key: a\r\ngrapevine-key: b\r\n\r\n"],
  ["a pseudo-header of HTTP/2", "GET / HTTP/1.1\r\n:authority: b\r\nHost: a\r\n\r\n"],
  ["a line inside a value, as HTTP/2 carries it", "GET / HTTP/1.1\r\nHost: a\r\nX: y\n\r\n"],
  [
    "a coding with a parameter",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked;q=1\r\n\r\n",
  ],
  [
    "a coding behind a form feed",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\x0cchunked\r\n\r\n",
  ],
  [
    "a coding with a no-break space",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \xa0chunked\r\n\r\n",
  ],
  ["a length with an underscore", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1_0\r\n\r\n"],
  [
    "a length of two lines",
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-length: 01\r\n\r\na",
  ],
  ["a Host with a space", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n"],
  ["white space before the request", " GET / HTTP/1.1\r\nHost: a\r\n\r\n"],
];

const CHUNKED = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
const BAD_CHUNKS: [string, string][] = [
  ["a size with 0x", "0x3\r\nabc\r\n0\r\n\r\n"],
  ["a negative size", "-3\r\nabc\r\n0\r\n\r\n"],
  ["a size with a plus", "+3\r\nabc\r\n0\r\n\r\n"],
  ["a size with an underscore", "1_0\r\nabc\r\n0\r\n\r\n"],
  ["a space before the size", " 3\r\nabc\r\n0\r\n\r\n"],
  ["a space after the size", "3 \r\nabc\r\n0\r\n\r\n"],
  ["no size", "\r\nabc\r\n0\r\n\r\n"],
  ["only an extension", ";a=b\r\nabc\r\n0\r\n\r\n"],
  ["a size beyond 64 bits", "10000000000000003\r\nabc\r\n0\r\n\r\n"],
  ["a size of zeros without end", `${"0".repeat(40)}3\r\nabc\r\n0\r\n\r\n`],
  ["LF after the size", "3\nabc\r\n0\r\n\r\n"],
  ["LF after an extension", "3;a\nabc\r\n0\r\n\r\n"],
  ["CR without LF in an extension", "3;a\rb\r\nabc\r\n0\r\n\r\n"],
  ["NUL in an extension", "3;a\0\r\nabc\r\n0\r\n\r\n"],
  ["more data than the size", "3\r\nabcd\r\n0\r\n\r\n"],
  ["LF after the data", "3\r\nabc\n0\r\n\r\n"],
  ["CR CR after the data", "3\r\nabc\r\r\n0\r\n\r\n"],
  ["LF at the end", "0\r\n\n"],
  ["extensions without end", `3;${"x".repeat(20_000)}\r\nabc\r\n0\r\n\r\n`],
  ["a trailer with a length", "0\r\nContent-Length: 3\r\n\r\n"],
  ["a trailer with a coding", "0\r\nTransfer-Encoding: chunked\r\n\r\n"],
  ["a trailer with a host", "0\r\nHost: b\r\n\r\n"],
  ["a folded trailer", "0\r\nX: a\r\n b\r\n\r\n"],
  ["a trailer without a colon", "0\r\nGET / HTTP/1.1\r\n\r\n"],
];

describe("a request that two servers could read differently is refused", () => {
  it.each(SMUGGLING)("%s", (_name, text) => {
    const { requests, fault } = one(text);
    expect(fault).toBe("bad_request");
    expect(requests).toHaveLength(0);
  });

  it.each(BAD_CHUNKS)("chunked with %s", (_name, text) => {
    const { bodies, fault } = one(`${CHUNKED}${text}`);
    expect(fault).toBe("bad_request");
    expect(bodies).toHaveLength(0);
  });

  it.each([
    [
      "a coding besides chunked",
      "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
    ],
    ["https as a URL", "GET https://a/ HTTP/1.1\r\nHost: a\r\n\r\n"],
    ["HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"],
  ])("as unsupported: %s", (_name, text) => {
    expect(one(text).fault).toBe("unsupported");
  });
});

describe("a body where another server expects none", () => {
  it("belongs to its request, whatever its method: the next one begins behind it", () => {
    const hidden = "GET /admin HTTP/1.1\r\nHost: b\r\n\r\n";
    for (const method of ["GET", "HEAD", "DELETE", "OPTIONS"]) {
      const head = `${method} / HTTP/1.1\r\nHost: a\r\nContent-Length: ${hidden.length}\r\n\r\n`;
      const { requests, bodies, fault } = one(`${head}${hidden}${GET("Host: c")}`);
      expect(fault).toBeUndefined();
      expect(requests.map(({ authority }) => authority)).toEqual(["a", "c"]);
      expect(bodies).toEqual([hidden, ""]);
    }
  });
});

describe("bounds", () => {
  it("refuse a long target, a long head and many fields, each with its own code", () => {
    expect(one(`GET /${"a".repeat(REQUEST_LINE_BYTES_MAX)} HTTP/1.1\r\n`).fault).toBe(
      "uri_too_long",
    );
    expect(one(GET("Host: a", `X: ${"a".repeat(HEAD_BYTES_MAX)}`)).fault).toBe("header_too_large");
    const many = Array.from({ length: HEADER_FIELDS_MAX }, () => "X: y");
    expect(one(GET("Host: a", ...many)).fault).toBe("header_too_large");
    expect(one(GET("Host: a", ...many.slice(1))).fault).toBeUndefined();
  });

  it("forgive a few empty lines before a request, but not many", () => {
    expect(one(`\r\n\r\n${GET("Host: a")}`).requests).toHaveLength(1);
    expect(one("\r\n".repeat(5)).fault).toBe("bad_request");
  });
});

const VALID = [
  GET("Host: a", "X: y"),
  "POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
  `${CHUNKED}3;x="y"\r\nabc\r\n0A \t;q\r\n0123456789\r\n000\r\nX-T: 1\r\n\r\n`,
  "\r\nOPTIONS * HTTP/1.0\r\n\r\n",
  "PUT http://b/ HTTP/1.1\r\nHost: \u00e4\r\nHost2: a\r\n\r\n".replace("\u00e4", "a"),
];

describe("bytes in any pieces", () => {
  const stream = fc
    .array(
      fc.oneof(
        { weight: 8, arbitrary: fc.constantFrom(...VALID) },
        { weight: 1, arbitrary: fc.constantFrom(...SMUGGLING.map(([, text]) => text)) },
        {
          weight: 1,
          arbitrary: fc.constantFrom(...BAD_CHUNKS.map(([, text]) => `${CHUNKED}${text}`)),
        },
        { weight: 1, arbitrary: fc.string({ unit: "binary-ascii" }) },
      ),
      { maxLength: 6 },
    )
    .map((parts) => bytes(parts.join("")));

  it("give the same requests, bodies, trailers and faults", () => {
    fc.assert(
      fc.property(stream, fc.array(fc.nat(), { maxLength: 12 }), (whole, cuts) => {
        const places = [...new Set(cuts.map((cut) => cut % (whole.length + 1)))].sort(
          (a, b) => a - b,
        );
        const pieces = [0, ...places].map((from, at) => whole.subarray(from, places[at]));
        expect(read(pieces)).toEqual(read([whole]));
      }),
      { numRuns: 300 },
    );
  });

  it("one by one too", () => {
    fc.assert(
      fc.property(stream, (whole) => {
        expect(read(Array.from(whole, (byte) => Uint8Array.of(byte)))).toEqual(read([whole]));
      }),
      { numRuns: 100 },
    );
  });

  it("of any kind never make it throw", () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 200 })), (pieces) => {
        read(pieces);
      }),
    );
  });
});
