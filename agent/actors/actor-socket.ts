/**
 * Actor calls over a WebSocket, the same on both of its ends: a program that calls or hosts actors,
 * and its agent. Frames that are made in one turn of the event loop travel in one message, because a
 * message costs a system call.
 *
 *     message: frames, each u32 length of the rest | u8 type | u32 id | body
 *     1 call       u32 milliseconds left | the call            4 host       {types, instance?, pid}
 *     2 reply      what was asked for                          5 withdraw   nothing
 *     3 error      {code, message, executed, retryable}        6 release    [type, key]
 *                                                              7 passivated [type, key]
 *
 * Calls and their answers: core/actors/wire.ts. Other bodies are MessagePack.
 */
import type { RawData, WebSocket } from "ws";
import { decode, encode } from "../../core/codec.ts";
import { GrapevineError, isLocalErrorCode, isRequestErrorCode } from "../../core/errors.ts";
import { type CallDone, CallTable } from "../../core/link/calls.ts";
import { CALL_BYTES_MAX } from "../../core/link/config.ts";
import type { Clock } from "../../core/seams.ts";
import { isRecord } from "../../core/trust/fields.ts";

export const FRAME = {
  call: 1,
  reply: 2,
  error: 3,
  host: 4,
  withdraw: 5,
  release: 6,
  passivated: 7,
} as const;

/** Calls of one end that wait for their answers. */
const CALLS_MAX = 16_384;
/** What may wait in the socket's buffer before further calls are refused. */
const BUFFERED_BYTES_MAX = 16 * 1024 * 1024;
/** A message is sent when it has grown to this. */
const MESSAGE_BYTES = 256 * 1024;
/** A frame with the longest call on top of a full message. */
export const MESSAGE_BYTES_MAX = MESSAGE_BYTES + CALL_BYTES_MAX + 16 * 1024;
/** For frames that are answered at once. */
const REQUEST_TIMEOUT_MS = 10_000;
const HEADER_BYTES = 9;
const NOTHING = new Uint8Array();

export interface SocketListener {
  /** A call; `respond` once. */
  onCall(payload: Uint8Array, deadlineLeftMs: number, respond: CallDone): void;
  /** A frame of another type than call, reply and error; `respond` where it asks for an answer. */
  onFrame(type: number, body: unknown, respond: CallDone): void;
  /** The peer sent what makes no sense, or stopped reading: the connection is to be cut. */
  onViolation(rule: string): void;
}

export class ActorSocket {
  readonly #socket: WebSocket;
  readonly #listener: SocketListener;
  readonly #pending: CallTable;
  #nextId = 1;
  #parts: Buffer[] = [];
  #bytes = 0;
  #answering = 0;
  #isOver = false;

  constructor(socket: WebSocket, clock: Clock, listener: SocketListener) {
    this.#socket = socket;
    this.#listener = listener;
    this.#pending = new CallTable(clock);
    socket.on("message", (data, isBinary) => this.#onMessage(data, isBinary));
  }

  /** Sends a call; `done` once, never from inside this call unless it is refused at once. */
  call(payload: Uint8Array, deadlineLeftMs: number, done: CallDone): void {
    const refusal = this.#refusal();
    if (refusal !== undefined) {
      done(refusal, undefined);
      return;
    }
    const id = this.#takeId();
    this.#pending.add(id, 0, deadlineLeftMs, done);
    const head = this.#frame(FRAME.call, id, 4 + payload.length);
    head.writeUInt32BE(Math.ceil(deadlineLeftMs), HEADER_BYTES);
    head.set(payload, HEADER_BYTES + 4);
    this.#push(head);
  }

  /** Asks for something else than a call. */
  request(type: number, body: unknown): Promise<unknown> {
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const id = this.#takeId();
    this.#pending.add(id, 0, REQUEST_TIMEOUT_MS, (error, reply) => {
      if (error === undefined) resolve(reply === undefined ? undefined : decode(reply));
      else reject(error);
    });
    this.#send(type, id, encode(body));
    return promise;
  }

  /** Says something that needs no answer. */
  tell(type: number, body: unknown): void {
    this.#send(type, 0, encode(body));
  }

  /** The connection is gone: everything that waits for an answer fails. */
  end(why: string): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#parts = [];
    this.#pending.failAll(() => new GrapevineError("link_reset", why));
  }

  /** Calls that wait for their answers, of both ends. */
  get inFlight(): number {
    return this.#pending.size + this.#answering;
  }

  #refusal(): GrapevineError | undefined {
    if (this.#isOver) return new GrapevineError("unreachable", "the connection is closed");
    if (this.#pending.size >= CALLS_MAX) {
      const what = `${CALLS_MAX} calls over this socket wait for their answers`;
      return new GrapevineError("overloaded", `${what}, the most there may be`);
    }
    if (this.#socket.bufferedAmount < BUFFERED_BYTES_MAX) return undefined;
    return new GrapevineError("overloaded", "the other end of the socket does not read");
  }

  #takeId(): number {
    const id = this.#nextId;
    this.#nextId = id === 0xffff_ffff ? 1 : id + 1;
    return id;
  }

  #frame(type: number, id: number, bodyBytes: number): Buffer {
    const frame = Buffer.allocUnsafe(HEADER_BYTES + bodyBytes);
    frame.writeUInt32BE(HEADER_BYTES - 4 + bodyBytes, 0);
    frame[4] = type;
    frame.writeUInt32BE(id, 5);
    return frame;
  }

  #send(type: number, id: number, body: Uint8Array): void {
    const frame = this.#frame(type, id, body.length);
    frame.set(body, HEADER_BYTES);
    this.#push(frame);
  }

  #push(frame: Buffer): void {
    if (this.#isOver) return;
    if (this.#parts.length === 0) setImmediate(() => this.#flush());
    this.#parts.push(frame);
    this.#bytes += frame.length;
    if (this.#bytes >= MESSAGE_BYTES) this.#flush();
  }

  #flush(): void {
    if (this.#parts.length === 0) return;
    const [first] = this.#parts;
    const message = this.#parts.length === 1 ? first : Buffer.concat(this.#parts, this.#bytes);
    this.#parts = [];
    this.#bytes = 0;
    if (this.#isOver || message === undefined) return;
    this.#socket.send(message, { binary: true });
    if (this.#socket.bufferedAmount > 2 * BUFFERED_BYTES_MAX) {
      this.#listener.onViolation("it does not read what it is sent");
    }
  }

  #onMessage(data: RawData, isBinary: boolean): void {
    if (this.#isOver) return;
    if (!isBinary || !Buffer.isBuffer(data)) {
      this.#listener.onViolation("it sent a text instead of frames");
      return;
    }
    for (let at = 0; at < data.length; ) {
      const left = data.length - at;
      const length = left < HEADER_BYTES ? 0 : data.readUInt32BE(at);
      if (length < HEADER_BYTES - 4 || length > left - 4) {
        this.#listener.onViolation("it sent a frame that is cut off");
        return;
      }
      const type = data[at + 4] as number;
      const id = data.readUInt32BE(at + 5);
      this.#onFrame(type, id, data.subarray(at + HEADER_BYTES, at + 4 + length));
      if (this.#isOver) return;
      at += 4 + length;
    }
  }

  #onFrame(type: number, id: number, body: Buffer): void {
    if (type === FRAME.reply) this.#pending.settle(id, undefined, body);
    else if (type === FRAME.error) this.#pending.settle(id, decodeFailure(body), undefined);
    else if (type === FRAME.call) this.#onCall(id, body);
    else this.#listener.onFrame(type, decode(body), id === 0 ? ignore : this.#responder(id));
  }

  #onCall(id: number, body: Buffer): void {
    const respond = this.#responder(id);
    if (body.length < 4) this.#listener.onViolation("it sent a call without a deadline");
    else if (this.#answering > CALLS_MAX) {
      const what = `more than ${CALLS_MAX} calls of this socket are under way`;
      respond(new GrapevineError("overloaded", what), undefined);
    } else this.#listener.onCall(body.subarray(4), body.readUInt32BE(0), respond);
  }

  /** Answers once; what comes after that is dropped. */
  #responder(id: number): CallDone {
    let isOpen = true;
    this.#answering += 1;
    return (error, reply) => {
      if (!isOpen) return;
      isOpen = false;
      this.#answering -= 1;
      if (error === undefined) this.#send(FRAME.reply, id, reply ?? NOTHING);
      else this.#send(FRAME.error, id, encodeFailure(error));
    };
  }
}

/** For frames that ask for no answer. */
function ignore(): void {}

function encodeFailure({ short, message, executed, retryable }: GrapevineError): Uint8Array {
  return encode({ code: short, message, executed, retryable });
}

function decodeFailure(body: Uint8Array): GrapevineError {
  const fields = decode(body);
  if (!isRecord(fields)) return new GrapevineError("internal", "an error that cannot be read");
  const { code, message, executed, retryable } = fields;
  const text = typeof message === "string" ? message : "";
  const options = {
    executed: executed === "no" ? ("no" as const) : ("unknown" as const),
    retryable: retryable === true,
  };
  if (typeof code === "string" && (isRequestErrorCode(code) || isLocalErrorCode(code))) {
    return new GrapevineError(code, text, options);
  }
  return new GrapevineError("internal", `${String(code)}: ${text}`, options);
}
