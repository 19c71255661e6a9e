/**
 * What programs at the local socket and peers send about actors: frames of the socket, calls, and
 * answers. Oracles: a verdict, never an error; a call that is taken is the same again when it is
 * written and read; frames are found the same whatever comes behind them; every answer ends its call
 * once.
 */
import { EventEmitter } from "node:events";
import type { WebSocket } from "ws";
import { ActorSocket, FRAME } from "../../../agent/actors/actor-socket.ts";
import { CallTarget } from "../../../core/actors/call.ts";
import { PromiseCall } from "../../../core/actors/promise-call.ts";
import { encodeRemoteError, remoteError } from "../../../core/actors/remote-error.ts";
import {
  ANSWER_THROWN,
  ANSWER_VALUE,
  decodeCall,
  decodeNotOwner,
  encodeAnswer,
  encodeCall,
  encodeNotOwner,
  faultOfNames,
} from "../../../core/actors/wire.ts";
import { encode } from "../../../core/codec.ts";
import type { NodeId, ServiceKey } from "../../../core/types.ts";
import { VirtualClock } from "../../agent/virtual-clock.ts";
import { type FuzzTarget, holds, same } from "../target.ts";

const service = "default/actor--counter" as ServiceKey;

const CALLS = [
  encodeCall(
    { service, key: "user-42", method: "add", oneWay: false, forwards: 0, ringVersion: 7 },
    encode([2, "text", new Uint8Array(3)]),
  ),
  encodeCall(
    {
      ...{ service: "shop/actor--cart" as ServiceKey, key: "", method: "a.b", oneWay: true },
      ...{ forwards: 2, ringVersion: 0xffff_ffff },
    },
    encode([]),
  ),
];

export const ACTOR_CALL: FuzzTarget = {
  name: "actor-call",
  seeds: () => CALLS,
  words: [
    "counter",
    "shop/cart",
    "/",
    Uint8Array.of(0x90),
    Uint8Array.of(0xdf, 255, 255, 255, 255),
  ],
  check: (input) => {
    const call = decodeCall(input);
    if (call === undefined) return;
    // Broken UTF-8 is read with replacements, which may then be too long to be written.
    if (faultOfNames(call.head.key, call.head.method) !== undefined) return;
    same("written and read", decodeCall(encodeCall(call.head, call.args)), call);
  },
};

export const ACTOR_ANSWER: FuzzTarget = {
  name: "actor-answer",
  seeds: () => [
    encodeAnswer(ANSWER_VALUE, encode({ total: 3, list: [1, "x", null] })),
    encodeAnswer(ANSWER_VALUE, new Uint8Array()),
    encodeAnswer(ANSWER_THROWN, encodeRemoteError(remoteError(new RangeError("too much")))),
    encodeNotOwner({ ringVersion: 3, owner: { agent: "a" as NodeId, instance: "one" } }),
  ],
  words: ["name", "message", "code", "agent", "instance", "ringVersion", Uint8Array.of(0xc1)],
  check: (input) => {
    let ends = 0;
    const target = new CallTarget(service, "k");
    const end = () => {
      ends += 1;
    };
    const call = new PromiseCall(target, "add", [], false, 1_000, end, end);
    call.answer(input);
    holds("a call ends once", ends === 1);
    const hint = decodeNotOwner(input);
    if (hint !== undefined) holds("a ring has a number", typeof hint.ringVersion === "number");
  },
};

function frame(type: number, id: number, body: Uint8Array): Buffer {
  const head = Buffer.alloc(9);
  head.writeUInt32BE(5 + body.length, 0);
  head[4] = type;
  head.writeUInt32BE(id, 5);
  return Buffer.concat([head, body]);
}

/** What a socket's listener is told of one message, or of two in a row. */
function heard(messages: readonly Uint8Array[]): unknown[] {
  const told: unknown[] = [];
  const socket = Object.assign(new EventEmitter(), { bufferedAmount: 0, send: () => undefined });
  const clock = new VirtualClock();
  const end = new ActorSocket(socket as unknown as WebSocket, clock, {
    onCall: (payload, deadlineLeftMs) => told.push(["call", [...payload], deadlineLeftMs]),
    onFrame: (type, body) => told.push(["frame", type, body]),
    onViolation: (rule) => {
      told.push(["violation", rule]);
      end.end(rule);
    },
  });
  for (const message of messages) socket.emit("message", Buffer.from(message), true);
  end.end("over");
  return told;
}

export const ACTOR_FRAMES: FuzzTarget = {
  name: "actor-frames",
  seeds: () => [
    frame(FRAME.call, 1, Buffer.concat([Uint8Array.of(0, 0, 19, 136), CALLS[0] as Uint8Array])),
    frame(FRAME.host, 2, encode({ types: ["counter"], instance: "one", pid: 7 })),
    Buffer.concat([
      frame(FRAME.withdraw, 3, encode(null)),
      frame(FRAME.passivated, 0, encode(["counter", "user-42"])),
      frame(FRAME.reply, 4, encode(1)),
      frame(FRAME.error, 5, encode({ code: "overloaded", message: "full", executed: "no" })),
    ]),
  ],
  words: [Uint8Array.of(0, 0, 0, 5), Uint8Array.of(0, 0, 0, 4), "types", "instance", "pid"],
  check: (input) => {
    const once = heard([input]);
    holds("a violation is the last thing heard", !once.slice(0, -1).some(isViolation));
    if (once.some(isViolation)) return;
    same("the same in one message as alone", heard([Buffer.concat([input, input])]), [
      ...once,
      ...once,
    ]);
  },
};

function isViolation(told: unknown): boolean {
  return Array.isArray(told) && told[0] === "violation";
}
