/**
 * Request heads and answers read by our reader and by the parser inside Node (llhttp), both in this
 * process and each from whole chunks, as a socket mostly gives them. Node's one reports raw header
 * pairs; ours has by then also judged the framing, removed hop-by-hop fields and found the host.
 */
import { createRequire } from "node:module";
import { type IncomingRequest, RequestReader } from "../../core/http/request-reader.ts";
import { ResponseReader } from "../../core/http/response-reader.ts";
import type { BenchOptions, Outcome } from "../harness/bench.ts";
import { Measurements } from "../harness/report.ts";
import { inTurn } from "../harness/rounds.ts";

/** The part that is used of Node's undocumented parser. */
interface NodeParser {
  initialize(type: number, resource: object): void;
  execute(chunk: Buffer): number | Error;
  [callback: number]: unknown;
}

interface NodeParserClass {
  new (): NodeParser;
  readonly REQUEST: number;
  readonly RESPONSE: number;
  readonly kOnHeadersComplete: number;
  readonly kOnBody: number;
  readonly kOnMessageComplete: number;
}

const { HTTPParser } = createRequire(import.meta.url)("node:_http_common") as {
  readonly HTTPParser: NodeParserClass;
};

const DEFAULT_ROUNDS = 9;
const DEFAULT_SECONDS = 0.5;
const BATCH = 500;

const REQUESTS = [..."01234567"].map((digit) =>
  Buffer.from(
    `GET /api/orders/${digit}?page=2 HTTP/1.1\r\nHost: orders.mesh\r\nUser-Agent: curl/8.5.0\r\n` +
      "Accept: */*\r\nAccept-Encoding: gzip, deflate, br\r\nAccept-Language: en-US,en;q=0.9\r\n" +
      "Cookie: session=0123456789abcdef; theme=dark\r\nX-Request-Id: 8d4f6a1c\r\n\r\n",
  ),
);
const ANSWER = Buffer.from(
  "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 256\r\n" +
    'ETag: "5f1b"\r\nCache-Control: no-cache\r\nDate: Sun, 22 Nov 2026 22:00:00 GMT\r\n\r\n' +
    "x".repeat(256),
);

interface Subject {
  readonly name: string;
  readonly case: string;
  /** Reads one message and gives something of it, so that nothing is optimised away. */
  readonly read: (serial: number) => number;
}

export async function run(options: BenchOptions): Promise<Outcome> {
  const subjects = [ourRequests(), nodeRequests(), ourAnswers(), nodeAnswers()];
  const seconds = options.seconds ?? DEFAULT_SECONDS;
  for (const subject of subjects) perSecond(subject, seconds);
  const measurements = new Measurements();
  for (const [subject] of inTurn(subjects, options.rounds ?? DEFAULT_ROUNDS)) {
    const which = { case: subject.case, unit: "1/s", better: "higher" } as const;
    measurements.add(subject.name, which, perSecond(subject, seconds));
  }
  const notes = [`requests of ${REQUESTS[0]?.length} bytes; answers of ${ANSWER.length} bytes`];
  return { rows: measurements.rows(), skipped: [], versions: {}, notes };
}

function perSecond({ read }: Subject, seconds: number): number {
  const startedAt = performance.now();
  let count = 0;
  let sum = 0;
  while (performance.now() - startedAt < seconds * 1_000) {
    for (let at = 0; at < BATCH; at += 1) sum += read(count + at);
    count += BATCH;
  }
  if (sum === 0) throw new Error("nothing was read");
  return (count * 1_000) / (performance.now() - startedAt);
}

function requestOf(serial: number): Buffer {
  return REQUESTS[serial % REQUESTS.length] as Buffer;
}

function ourRequests(): Subject {
  const reader = new RequestReader();
  let seen = 0;
  const sink = {
    onRequest: (request: IncomingRequest) => {
      seen = request.fields.length + request.path.length;
    },
    onBody: () => {},
    onRequestEnd: () => {},
  };
  return {
    name: "grapevine",
    case: "requests",
    read(serial) {
      reader.feed(requestOf(serial), 0, sink);
      reader.next();
      return seen;
    },
  };
}

function nodeRequests(): Subject {
  const parser = new HTTPParser();
  let seen = 0;
  parser.initialize(HTTPParser.REQUEST, {});
  parser[HTTPParser.kOnHeadersComplete] = (
    _major: number,
    _minor: number,
    headers: readonly string[],
    _method: number,
    url: string,
  ) => {
    seen = headers.length + url.length;
  };
  parser[HTTPParser.kOnMessageComplete] = () => {};
  return {
    name: "node",
    case: "requests",
    read(serial) {
      parser.execute(requestOf(serial));
      return seen;
    },
  };
}

function ourAnswers(): Subject {
  const reader = new ResponseReader();
  let seen = 0;
  const sink = {
    onInformational: () => {},
    onResponse: (head: { readonly headers: readonly string[] }) => {
      seen = head.headers.length;
    },
    onBody: (piece: Uint8Array) => {
      seen += piece.length;
    },
    onResponseEnd: () => {},
  };
  return {
    name: "grapevine",
    case: "answers",
    read() {
      reader.expect("GET", false);
      reader.feed(ANSWER, 0, sink);
      return seen;
    },
  };
}

function nodeAnswers(): Subject {
  const parser = new HTTPParser();
  let seen = 0;
  parser.initialize(HTTPParser.RESPONSE, {});
  parser[HTTPParser.kOnHeadersComplete] = (
    _major: number,
    _minor: number,
    headers: readonly string[],
  ) => {
    seen = headers.length;
  };
  parser[HTTPParser.kOnBody] = (piece: Uint8Array) => {
    seen += piece.length;
  };
  parser[HTTPParser.kOnMessageComplete] = () => {};
  return {
    name: "node",
    case: "answers",
    read() {
      parser.execute(ANSWER);
      return seen;
    },
  };
}
