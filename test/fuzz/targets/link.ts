/**
 * Links. Oracles: no throw; what decodes encodes again to the same; a peer's heads, written as
 * HTTP/1.1 for a local instance, are exactly one message however they lie; whatever frames come,
 * nothing is held beyond the bounds, and the link either ends with a reason or still works.
 */

import { GrapevineError } from "../../../core/errors.ts";
import { encodeRequestHead } from "../../../core/http/encode.ts";
import { RequestReader } from "../../../core/http/request-reader.ts";
import { decodeError, encodeError } from "../../../core/link/failures.ts";
import { encodeHello, FRAME } from "../../../core/link/frames.ts";
import {
  decodeHead,
  decodeOpening,
  decodeTrailers,
  encodeHead,
  encodeOpening,
  encodeTrailers,
  type Opening,
} from "../../../core/link/heads.ts";
import { bestAead } from "../../../transport/crypto/aead.ts";
import { MESSAGE, Opener, Sealer } from "../../../transport/link/sealing.ts";
import { CONTEXT, echo, OK, REQUEST, request, World } from "../../core/link/world.ts";
import { readIndependently } from "../independent-parser.ts";
import { type FuzzTarget, holds, latin1, piecesOf, same } from "../target.ts";

/** A copy as a Buffer: encoders give views of a shared scratch buffer. */
function encoded(bytes: Uint8Array | string): Buffer {
  if (typeof bytes === "string") throw new Error(`cannot be encoded: ${bytes}`);
  return Buffer.from(bytes);
}

const TRACED = {
  ...CONTEXT,
  deadlineLeftMs: 5_000,
  traceparent: "00-0123456789abcdef0123456789abcdef-0123456789abcdef-01",
  caller: "spiffe://example.org/ns/default/service/web",
};
const SIZED = { ...REQUEST, body: 5, headers: ["Host", "a", "Content-Length", "5"] };

/** The first byte says what the rest is. */
const HEADS: readonly (readonly [number, () => Uint8Array])[] = [
  [0, () => encoded(encodeOpening(CONTEXT, REQUEST))],
  [0, () => encoded(encodeOpening(TRACED, { ...SIZED, upgrade: "websocket" }))],
  [0, () => encoded(encodeOpening(TRACED, SIZED))],
  [1, () => encoded(encodeHead(OK))],
  [2, () => encoded(encodeTrailers(["x-sum", "1", "y", "x".repeat(300)]))],
  [3, () => encodeError(new GrapevineError("overloaded", "too much"))],
];

/** However a peer lies about a head, an instance reads one request with the bytes of its body. */
function checkForwarded({ request: head }: Opening): void {
  if (head.kind !== "http" || typeof head.body !== "number" || head.body > 1_000) return;
  if (head.method === "CONNECT" || head.upgrade !== undefined) return;
  const written = encodeRequestHead(head);
  if (written === undefined) return;
  const message = latin1(`${written}${"b".repeat(head.body)}`);
  const reader = new RequestReader();
  let requests = 0;
  const sink = { onRequest: () => {}, onBody: () => {}, onRequestEnd: () => {} };
  let at = 0;
  while (at < message.length && reader.fault === undefined) {
    at = reader.feed(message, at, sink);
    if (reader.isAtEnd) requests += 1;
    reader.next();
  }
  holds(
    "a peer's head is one request or none",
    reader.fault !== undefined || (requests === 1 && reader.isIdle),
  );
  const { messages, error } = readIndependently("request", message);
  if (error !== undefined) return;
  same("to the other parser too", messages.length, 1);
  holds("and it is complete", messages[0]?.isComplete === true);
}

function checkHead(kind: number, body: Buffer): void {
  switch (kind % 4) {
    case 0: {
      const opening = decodeOpening(body);
      if (opening === undefined) return;
      const again = decodeOpening(encoded(encodeOpening(opening.context, opening.request)));
      same("an opening", again, opening);
      checkForwarded(opening);
      return;
    }
    case 1: {
      const head = decodeHead(body);
      if (head !== undefined) same("a head", decodeHead(encoded(encodeHead(head))), head);
      return;
    }
    case 2: {
      const trailers = decodeTrailers(body);
      if (trailers === undefined) return;
      same("trailers", decodeTrailers(encoded(encodeTrailers(trailers))), trailers);
      return;
    }
    default: {
      const error = decodeError(body);
      if (error === undefined) return;
      const again = decodeError(Buffer.from(encodeError(error)));
      same("an error", [again?.short, again?.executed], [error.short, error.executed]);
    }
  }
}

export const LINK_HEADS: FuzzTarget = {
  name: "link-heads",
  seeds: () => HEADS.map(([kind, make]) => Buffer.concat([Buffer.of(kind), make()])),
  words: [
    ...["Content-Length", "Transfer-Encoding", "chunked", "Host", "Connection", "\r\n", "0", "5"],
    ...["HEAD", "websocket", "draining", "\0"],
  ],
  check: (input) => checkHead(input[0] ?? 0, Buffer.from(input.subarray(1))),
};

function frame(type: number, id: number, body: Uint8Array = new Uint8Array(0)): Buffer {
  const head = Buffer.alloc(8);
  head.writeUInt32BE(body.length, 0);
  head[0] = type;
  head.writeUInt32BE(id, 4);
  return Buffer.concat([head, body]);
}

const HELLO = encodeHello({
  ...{ version: 1, versionOldest: 1, features: 0 },
  ...{ streamWindowBytes: 65_536, streamsMax: 100, callsMax: 100 },
});

function frameSeeds(): Buffer[] {
  const opening = encoded(encodeOpening(CONTEXT, REQUEST));
  const exchange = [
    frame(FRAME.open, 3, opening),
    frame(FRAME.data, 3, Buffer.from("hello")),
    frame(FRAME.end, 3),
  ];
  return [
    Buffer.concat(exchange),
    Buffer.concat([frame(FRAME.call, 1, Buffer.of(0, 0, 1, 0, 7)), frame(FRAME.ping, 9)]),
    Buffer.concat([frame(FRAME.window, 1, Buffer.of(0, 0, 16, 0)), frame(FRAME.goAwayAck, 0)]),
    Buffer.concat([
      frame(FRAME.head, 1, encoded(encodeHead(OK))),
      frame(FRAME.data, 1, Buffer.alloc(100)),
      frame(FRAME.reset, 1, encodeError(new GrapevineError("internal", "x"))),
    ]),
    Buffer.concat([frame(FRAME.goAway, 0, Buffer.alloc(9)), ...exchange]),
    frame(FRAME.close, 0, Buffer.concat([Buffer.alloc(8), Buffer.from("bye")])),
    frame(FRAME.hello, 0, HELLO),
    frame(0xbc, 5, Buffer.from("for a later version")),
  ];
}

/** Small, so that a short input reaches them. */
const TINY = {
  ...{ streamWindowBytes: 64, streamWindowBytesMax: 256, windowPoolBytes: 1_024 },
  ...{ streamsMax: 3, callsMax: 3, sendQueueBytes: 256, queuedBytesMax: 4_096, promptBytes: 32 },
};

function checkFrames(input: Uint8Array, cuts: readonly number[]): void {
  const world = new World();
  const config = (cuts.length & 1) === 1 ? TINY : {};
  const a = world.node("a", { config });
  const b = world.node("b", {
    ...{ config, accept: echo },
    onCall: (_peer, payload, _left, respond) => respond(undefined, payload),
  });
  const before = request(a, "b", "first");
  world.run((cuts[0] ?? 50) % 60);
  const channel = b.channels[0];
  for (const piece of piecesOf(input, cuts.slice(0, 3))) {
    // From the peer in both roles: a hostile dialer and a hostile responder.
    channel?.deliver(piece.slice());
    a.channels[0]?.deliver(piece.slice());
    world.run(1);
  }
  world.run(50);
  const sent = channel?.sent.reduce((sum, { length }) => sum + length, 0) ?? 0;
  holds("answers in proportion to what was asked", sent <= 40 * input.length + 8_192);
  const over = before.words.filter((word) => /^(?:end|error)/.test(word));
  holds("one end for each exchange", over.length <= 1);
  const after = request(a, "b", "second");
  world.run(30_000);
  holds(
    "the next exchange ends, well or badly",
    after.words.some((word) => /^(?:end|error)/.test(word)),
  );
}

export const LINK_FRAMES: FuzzTarget = {
  name: "link-frames",
  seeds: frameSeeds,
  words: [
    ...Object.values(FRAME).map((type) => Buffer.of(type, 0, 0, 0, 0, 0, 0, 1)),
    ...Object.values(FRAME).map((type) => Buffer.of(type, 0, 0, 4, 0, 0, 0, 3)),
    Buffer.of(0x80, 0, 0, 0, 0, 0, 0, 0),
  ],
  check: checkFrames,
};

const aead = bestAead();
const KEY = Buffer.alloc(32, 7);

export const SEALED: FuzzTarget = {
  name: "sealed",
  seeds: () => {
    const sealer = new Sealer(aead, KEY);
    const messages = [
      sealer.seal(MESSAGE.accept, Buffer.alloc(0)),
      sealer.seal(MESSAGE.batch, Buffer.from("hello")),
      sealer.seal(MESSAGE.close, Buffer.from("bye")),
    ];
    return [messages[0] as Buffer, Buffer.concat(messages), Buffer.concat(messages.slice(1))];
  },
  words: [],
  check: (input, cuts) => {
    const read = (pieces: readonly Uint8Array[]) => {
      const opener = new Opener(aead, KEY);
      const opened: unknown[] = [];
      for (const piece of pieces) {
        const verdict = opener.read(Buffer.from(piece), (kind, payload) => {
          opened.push([kind, payload.toString("hex")]);
          return true;
        });
        if (verdict !== undefined) return { opened, verdict };
      }
      return { opened, verdict: undefined };
    };
    const whole = read([input]);
    same("in pieces", read(piecesOf(input, cuts)), whole);
    holds("no more than came", whole.opened.length * 19 <= input.length);
  },
};
