/**
 * HTTP/1.x from applications and instances. Oracles: no throw; pieces change nothing; no more body
 * than bytes came; what is accepted, written again as the agent forwards it, is exactly one message
 * with the same body, to ourselves and to Node's parser; and where both accept the bytes as they
 * came, both see the same messages end at the same places.
 */
import type { RawHeaders, ResponseHead } from "../../../core/exchange/contract.ts";
import { BodyReader } from "../../../core/http/body-reader.ts";
import { chunkStart, chunksEnd, encodeRequestHead } from "../../../core/http/encode.ts";
import { type IncomingRequest, RequestReader } from "../../../core/http/request-reader.ts";
import { ResponseReader } from "../../../core/http/response-reader.ts";
import { readIndependently } from "../independent-parser.ts";
import { type FuzzTarget, holds, latin1, piecesOf, same } from "../target.ts";

interface ReadRequest {
  readonly request: IncomingRequest;
  body: string;
  trailers: RawHeaders | undefined;
}

const text = (bytes: Uint8Array) => Buffer.from(bytes).toString("latin1");

function readRequests(pieces: readonly Uint8Array[]) {
  const reader = new RequestReader();
  const requests: ReadRequest[] = [];
  const sink = {
    onRequest: (request: IncomingRequest) => {
      requests.push({ request, body: "", trailers: undefined });
    },
    onBody: (piece: Uint8Array) => {
      const last = requests.at(-1);
      holds("a body belongs to a request", last !== undefined);
      if (last !== undefined) last.body += text(piece);
    },
    onRequestEnd: (trailers: RawHeaders) => {
      const last = requests.at(-1);
      if (last !== undefined) last.trailers = trailers;
    },
  };
  for (const piece of pieces) {
    let at = 0;
    while (at < piece.length && reader.fault === undefined) {
      const next = reader.feed(piece, at, sink);
      holds("a reader goes on or is at the end of a request", next > at || reader.isAtEnd);
      at = next;
      reader.next();
    }
  }
  return { requests, fault: reader.fault };
}

/** As UpstreamConnection writes it. */
function rewritten({ request, body, trailers }: ReadRequest): string | undefined {
  const { method, path, authority, fields, upgrade, expectContinue } = request;
  const head = encodeRequestHead({
    kind: "http",
    ...{ method, path, authority, headers: fields, body: request.body, upgrade, expectContinue },
  });
  if (head === undefined) return undefined;
  if (request.body !== "chunked") return `${head}${body}`;
  const chunk = body === "" ? "" : `${chunkStart(body.length)}${body}\r\n`;
  return `${head}${chunk}${chunksEnd(trailers ?? [])}`;
}

function checkRewritten(read: ReadRequest): void {
  // What CONNECT opens is no HTTP, and an authority of several hosts never comes this far.
  if (read.trailers === undefined || read.request.method === "CONNECT") return;
  const written = rewritten(read);
  holds("what was accepted can be written", written !== undefined);
  const bytes = latin1(written ?? "");
  const again = readRequests([bytes]);
  same("read again: fault", again.fault, undefined);
  same("read again: count", again.requests.length, 1);
  same("read again: body", again.requests[0]?.body, read.body);
  same("read again: path", again.requests[0]?.request.path, read.request.path);
  const { messages, error } = readIndependently("request", bytes);
  if (error !== undefined) return;
  same("the other parser: count", messages.length, 1);
  same("the other parser: target", messages[0]?.target, read.request.path);
  same("the other parser: body", messages[0]?.body, read.body);
  if (read.request.upgrade === undefined)
    holds("and it is complete", messages[0]?.isComplete === true);
}

/** Bytes that both take as HTTP must mean the same requests. */
function checkSideBySide(input: Uint8Array, requests: readonly ReadRequest[]): void {
  const { messages, error } = readIndependently("request", input);
  if (error !== undefined) return;
  for (const [at, { request, body, trailers }] of requests.entries()) {
    const other = messages[at];
    // After an upgrade or the last request of a connection the other parser stops.
    if (other === undefined || request.upgrade !== undefined || request.method === "CONNECT")
      return;
    if (trailers !== undefined && other.isComplete) same(`body ${at}`, body, other.body);
    if (!request.keepAlive) return;
  }
}

const REQUESTS = [
  "GET / HTTP/1.1\r\nHost: web.mesh\r\nX: y\r\n\r\n",
  "GET http://web.mesh:8080/a?b=c HTTP/1.1\r\nHost: other\r\nConnection: close, x\r\n\r\n",
  "POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
  "PUT /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTE: trailers\r\n\r\n" +
    '3;x="y"\r\nabc\r\n0A\r\n0123456789\r\n0\r\nX-T: 1\r\n\r\n',
  "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
  "OPTIONS * HTTP/1.0\r\n\r\n",
  "CONNECT web.mesh:80 HTTP/1.1\r\nHost: web.mesh:80\r\n\r\n",
  "POST / HTTP/1.1\r\nHost: [::1]:80\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\nx" +
    "GET /2 HTTP/1.1\r\nHost: a\r\nGrapevine-Key: k\r\n\r\n",
];

const WORDS = [
  ...["\r\n", "\n", "\r", "\r\n\r\n", " ", "\t", "\x0b", "\0", ":", ";", ",", "0\r\n\r\n"],
  ...["Transfer-Encoding: chunked\r\n", "Transfer-Encoding: chunked, identity\r\n"],
  ...["Transfer-Encoding : chunked\r\n", "transfer-encoding:\tchunked\r\n"],
  ...["Content-Length: 0\r\n", "Content-Length: 4\r\n", "Content-Length: +5\r\n"],
  ...["Content-Length: 5\r\nContent-Length: 6\r\n", "content-length: 5, 5\r\n"],
  ...["Connection: content-length\r\n", "Connection: upgrade\r\n", "Upgrade: h2c\r\n"],
  ...["Host: b\r\n", "HTTP/1.0", "HTTP/1.1", "HTTP/2.0", "GET / ", "HEAD / ", " x\r\n", "\xff"],
  ...["5\r\nhello\r\n", "0x5", "ffffffffffffffff", "f;\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"],
];

export const HTTP_REQUEST: FuzzTarget = {
  name: "http-request",
  seeds: () => REQUESTS.map(latin1),
  words: WORDS,
  check: (input, cuts) => {
    const whole = readRequests([input]);
    same("in pieces", readRequests(piecesOf(input, cuts)), whole);
    const bytes = whole.requests.reduce((sum, { body }) => sum + body.length, 0);
    holds("no more body than bytes", bytes <= input.length);
    for (const request of whole.requests) checkRewritten(request);
    checkSideBySide(input, whole.requests);
  },
};

interface ReadResponse {
  readonly heads: ResponseHead[];
  informational: number;
  body: string;
  trailers: RawHeaders | undefined;
  fault: string | undefined;
  /** Bytes behind the answer's end. */
  excess: number;
}

function readResponse(
  pieces: readonly Uint8Array[],
  method: string,
  upgrade: boolean,
): ReadResponse {
  const reader = new ResponseReader();
  const read: ReadResponse = {
    ...{ heads: [], informational: 0, body: "", trailers: undefined, fault: undefined, excess: 0 },
  };
  const sink = {
    onInformational: () => {
      read.informational += 1;
    },
    onResponse: (head: ResponseHead) => {
      read.heads.push(head);
    },
    onBody: (piece: Uint8Array) => {
      read.body += text(piece);
    },
    onResponseEnd: (trailers: RawHeaders) => {
      read.trailers = trailers;
    },
  };
  reader.expect(method, upgrade);
  for (const piece of pieces) {
    const isOver = read.trailers !== undefined || reader.isTunnel || reader.fault !== undefined;
    if (isOver) read.excess += piece.length;
    else read.excess += piece.length - reader.feed(piece, 0, sink);
  }
  reader.finish(sink);
  read.fault = reader.fault?.message;
  if (read.fault !== undefined) read.excess = 0;
  return read;
}

const RESPONSES = [
  "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX: y\r\n\r\nhello",
  "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" +
    "3\r\nabc\r\n0\r\nX: y\r\n\r\n",
  "HTTP/1.0 200 OK\r\n\r\nuntil the end",
  "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n",
  "HTTP/1.1 204 \r\nKeep-Alive: timeout=5\r\n\r\n",
  "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nraw",
];

/** The first byte chooses the request that the answer belongs to. */
const ASKED = ["GET", "HEAD", "POST", "GET upgrade"] as const;

export const HTTP_RESPONSE: FuzzTarget = {
  name: "http-response",
  seeds: () => RESPONSES.flatMap((response) => [0, 1, 3].map((how) => latin1(`${how}${response}`))),
  words: [...WORDS, "HTTP/1.1 200 OK\r\n", "HTTP/1.1 101 X\r\n", "HTTP/1.1 999 \r\n"],
  check: (input, cuts) => {
    const asked = ASKED[(input[0] ?? 0) % ASKED.length] ?? "GET";
    const [method = "GET", upgrade] = asked.split(" ");
    const answer = input.subarray(1);
    const whole = readResponse([answer], method, upgrade !== undefined);
    same("in pieces", readResponse(piecesOf(answer, cuts), method, upgrade !== undefined), whole);
    holds("one answer at most", whole.heads.length <= 1);
    holds("no more than came", whole.body.length + whole.excess <= answer.length);
    const [head] = whole.heads;
    if (head === undefined || whole.fault !== undefined) return;
    const bodiless = method === "HEAD" || head.status === 204 || head.status === 304;
    if (bodiless) same("an answer without a body", whole.body, "");
    if (head.body !== "chunked" && whole.trailers !== undefined) {
      same("the announced length", whole.body.length, head.body);
    }
    const other = readIndependently("response", answer, method === "HEAD");
    const seen = other.messages.find(({ status }) => status === head.status);
    const isEnded = whole.trailers !== undefined && seen?.isComplete === true;
    if (other.error === undefined && isEnded) same("the other parser", whole.body, seen?.body);
  },
};

/** The grammar of RFC 9112 §7.1 once more, over the whole text; undefined if it is not matched. */
function chunksByGrammar(input: string): { body: string; length: number } | undefined {
  const size = /([0-9A-Fa-f]{1,13})([ \t]*;[\t\x20-\x7e\x80-\xff]*)?\r\n/y;
  let at = 0;
  let body = "";
  for (;;) {
    size.lastIndex = at;
    const match = size.exec(input);
    if (match === null) return undefined;
    at = size.lastIndex;
    const length = Number.parseInt(match[1] ?? "", 16);
    if (length === 0) break;
    if (input.slice(at + length, at + length + 2) !== "\r\n") return undefined;
    body += input.slice(at, at + length);
    at += length + 2;
  }
  if (input.startsWith("\r\n", at)) return { body, length: at + 2 };
  const end = input.indexOf("\r\n\r\n", at);
  return end < 0 ? undefined : { body, length: end + 4 };
}

function readChunks(pieces: readonly Uint8Array[]) {
  const reader = new BodyReader();
  let body = "";
  let length = 0;
  reader.begin("chunked");
  for (const piece of pieces) {
    if (reader.done || reader.fault !== undefined) break;
    length += reader.feed(piece, 0, {
      onBody: (part) => {
        body += text(part);
      },
    });
  }
  const { fault, done, trailers } = reader;
  return { body, done, fault: fault?.message, trailers, length: done ? length : -1 };
}

export const CHUNKED: FuzzTarget = {
  name: "chunked",
  seeds: () =>
    [
      "0\r\n\r\n",
      "5\r\nhello\r\n0\r\n\r\n",
      'a;x="y";z\r\n0123456789\r\nF \t;\r\n0123456789abcde\r\n000\r\nX: y\r\n\r\nGET',
    ].map(latin1),
  words: WORDS,
  check: (input, cuts) => {
    const whole = readChunks([input]);
    same("in pieces", readChunks(piecesOf(input, cuts)), whole);
    holds("no more body than bytes", whole.body.length <= input.length);
    const grammar = chunksByGrammar(text(input));
    if (!whole.done) return;
    same("by the grammar", grammar?.body, whole.body);
    same("by the grammar: the end", grammar?.length, whole.length);
  },
};
