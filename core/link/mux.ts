/**
 * The multiplexer of one link: it reads the peer's batches, keeps the tables of streams and calls,
 * and assembles this side's batches from three lanes: control first, then calls and heads, then
 * bodies. It decides nothing about which link to use or when one has lived long enough; that is
 * links.ts and link.ts. A peer that breaks the protocol gets its link closed with the reason.
 */
import { assert } from "../assert.ts";
import { type Executed, GrapevineError } from "../errors.ts";
import type {
  AttemptContext,
  RawHeaders,
  RequestHead,
  ResponseHead,
} from "../exchange/contract.ts";
import type { Clock, CloseReason, LinkChannel } from "../seams.ts";
import type { Millis, NodeId } from "../types.ts";
import { BulkRound } from "./bulk.ts";
import { type CallDone, CallTable } from "./calls.ts";
import type { ClientHost, ClientStream } from "./client-stream.ts";
import { FRAME_BYTES_MAX, type LinkConfig } from "./config.ts";
import { encodeError, encodeReason, linkLost } from "./failures.ts";
import {
  type Agreed,
  agreedBy,
  encodeHello,
  FRAME,
  FRAME_HEADER_BYTES,
  GO_AWAY_DRAIN,
  type Hello,
  readU24,
  readU32,
} from "./frames.ts";
import { encodeHead, encodeOpening, encodeTrailers } from "./heads.ts";
import { Lane } from "./lane.ts";
import type { MuxOwner } from "./mux-owner.ts";
import { type FrameSink, readFrame } from "./reading.ts";
import type { ReceiveHalf } from "./receive-half.ts";
import type { SendHalf } from "./send-half.ts";
import { type ServerHost, ServerStream } from "./server-stream.ts";

/** Stream ids above this are not given out: the link retires long before. */
const ID_MAX = 0x7fff_fff0;
const NOTHING = new Uint8Array(0);
const EVERYTHING = 0xffff_ffff;

export class Mux implements ClientHost, ServerHost, FrameSink {
  readonly peer: NodeId;
  readonly config: LinkConfig;
  readonly #channel: LinkChannel;
  readonly #owner: MuxOwner;
  readonly #clock: Clock;
  readonly #control = new Lane();
  readonly #calls = new Lane();
  readonly #bulk = new BulkRound();
  readonly #resumed = new Set<ReceiveHalf>();
  readonly #clients = new Map<number, ClientStream>();
  readonly #servers = new Map<number, ServerStream>();
  readonly #pending: CallTable;
  #hello: Hello | undefined;
  #nextStream: number;
  #nextCall = 1;
  #lastServed = 0;
  #lastOpened = 0;
  #lastCallServed = 0;
  #answering = 0;
  #pool: number;
  #writable = true;
  #dirty = false;
  #closing = false;
  #closed = false;
  /** Sent by this side: the peer's new work is refused. */
  #refusing = false;
  /** From the peer's goAway or close: what it has surely not begun lies above. */
  #servedByPeer = EVERYTHING;
  #callServedByPeer = EVERYTHING;
  /** Since when the channel takes nothing more; undefined while it does. */
  #blockedAt: Millis | undefined;
  bytesIn = 0;
  bytesOut = 0;

  constructor(channel: LinkChannel, config: LinkConfig, clock: Clock, owner: MuxOwner) {
    this.peer = channel.peer;
    this.config = config;
    this.#channel = channel;
    this.#owner = owner;
    this.#clock = clock;
    this.#pending = new CallTable(clock);
    this.#pool = config.windowPoolBytes;
    this.#nextStream = channel.dialer ? 1 : 2;
    this.#control.push(
      FRAME.hello,
      0,
      encodeHello({
        version: config.version,
        versionOldest: config.versionOldest,
        features: config.features,
        streamWindowBytes: config.streamWindowBytes,
        streamsMax: config.streamsMax,
        callsMax: config.callsMax,
      }),
    );
    this.#touch();
  }

  get isReady(): boolean {
    return this.#hello !== undefined && !this.#closed;
  }

  /** What both ends understand; undefined before the peer's hello. */
  get agreed(): Agreed | undefined {
    return this.#hello && agreedBy(this.#hello, this.config);
  }

  get streamCount(): number {
    return this.#clients.size + this.#servers.size;
  }

  /** Nothing is under way in either direction. */
  get isIdle(): boolean {
    return (
      this.streamCount === 0 &&
      this.#pending.size === 0 &&
      this.#answering === 0 &&
      this.#calls.queuedBytes === 0
    );
  }

  get blockedAt(): Millis | undefined {
    return this.#blockedAt;
  }

  /** Changes with each piece of work that begins, in either direction. */
  get workSerial(): number {
    return this.#nextStream + this.#nextCall + this.#lastOpened + this.#lastCallServed;
  }

  get callCount(): number {
    return this.#pending.size + this.#answering;
  }

  /** No ids are left for new streams or calls. */
  get isSpent(): boolean {
    return this.#nextStream > ID_MAX || this.#nextCall > ID_MAX;
  }

  /** Queues the OPEN and what was written so far, or says why not. */
  open(stream: ClientStream): GrapevineError | undefined {
    const hello = this.#hello;
    assert(hello !== undefined && !this.#closed, "a stream opens on a link that is up");
    if (this.#clients.size >= hello.streamsMax) {
      return this.#overloaded(`${hello.streamsMax} streams are open, the most that it takes`);
    }
    if (this.#isCongested) return this.#overloaded("it does not read what was sent before");
    const body = encodeOpening(stream.context, stream.request);
    if (typeof body === "string") {
      return body === "too_large"
        ? new GrapevineError("header_too_large", "the request's head is too large for a link")
        : new GrapevineError("bad_request", "the request's head has characters beyond Latin-1");
    }
    const id = this.#nextStream;
    this.#nextStream += 2;
    const { position } = this.#calls;
    this.#calls.push(FRAME.open, id, body);
    this.#clients.set(id, stream);
    this.#touch();
    stream.attach(this, id, position, hello.streamWindowBytes);
    return undefined;
  }

  /** Queues a call, or says why not. `deadlineMs` is the time left. */
  call(payload: Uint8Array, deadlineMs: number, done: CallDone): GrapevineError | undefined {
    const hello = this.#hello;
    assert(hello !== undefined && !this.#closed, "a call goes over a link that is up");
    if (this.#pending.size >= hello.callsMax) {
      return this.#overloaded(`${hello.callsMax} calls wait for it, the most that it takes`);
    }
    if (this.#isCongested) return this.#overloaded("it does not read what was sent before");
    const id = this.#nextCall;
    this.#nextCall += 1;
    this.#pending.add(id, this.#calls.position, deadlineMs, done);
    this.#calls.pushWithNumber(FRAME.call, id, Math.ceil(deadlineMs), payload);
    this.#touch();
    return undefined;
  }

  /** One batch of the peer. */
  receive(batch: Uint8Array): void {
    this.bytesIn += batch.length;
    const bytes = Buffer.isBuffer(batch)
      ? batch
      : Buffer.from(batch.buffer, batch.byteOffset, batch.length);
    let at = 0;
    while (at < bytes.length && !this.#closed) {
      const body = at + FRAME_HEADER_BYTES;
      const length = body > bytes.length ? 0 : readU24(bytes, at + 1);
      const next = body + length;
      const verdict =
        length > FRAME_BYTES_MAX || next > bytes.length
          ? "a frame that does not fit into its batch"
          : readFrame(
              this,
              this.#hello !== undefined,
              bytes[at] as number,
              readU32(bytes, at + 4),
              bytes.subarray(body, next),
            );
      if (verdict !== undefined) {
        this.#violate(verdict);
        return;
      }
      at = next;
    }
  }

  /** Sends what waits, as far as the channel takes it. */
  flush(): void {
    this.#dirty = false;
    if (this.#closed) return;
    if (this.#resumed.size > 0) {
      const resumed = [...this.#resumed];
      this.#resumed.clear();
      for (const half of resumed) half.deliver();
    }
    while (this.#writable && !this.#closed) {
      const batch = this.#assemble();
      if (batch === undefined) break;
      this.bytesOut += batch.length;
      this.#writable = this.#channel.write(batch);
      if (!this.#writable) this.#blockedAt = this.#clock.now();
    }
    this.#bulk.settle();
    if (this.#isOverfull) this.#violate("it does not read: too much waits to be sent");
  }

  onDrain(): void {
    this.#writable = true;
    this.#blockedAt = undefined;
    this.#touch();
  }

  /** Gives back memory that a burst has left behind. */
  trim(): void {
    this.#control.trim();
    this.#calls.trim();
  }

  ping(token: number): void {
    this.#control.push(FRAME.ping, token, NOTHING);
    this.#touch();
  }

  /** Asks the peer for no new streams. While draining they are refused, else still served. */
  goAway(why: number): void {
    if (why === GO_AWAY_DRAIN) this.#refusing = true;
    const body = Buffer.allocUnsafe(9);
    body[0] = why;
    body.writeUInt32BE(this.#refusing ? this.#lastServed : EVERYTHING, 1);
    body.writeUInt32BE(this.#refusing ? this.#lastCallServed : EVERYTHING, 5);
    this.#control.push(FRAME.goAway, 0, body);
    this.#touch();
  }

  /** Sends what the channel takes, says goodbye and fails what is under way. */
  close(reason: CloseReason): void {
    if (this.#closed || this.#closing) return;
    this.#closing = true;
    this.flush();
    const text = encodeReason(reason.detail);
    const body = Buffer.allocUnsafe(8 + text.length);
    body.writeUInt32BE(this.#lastServed, 0);
    body.writeUInt32BE(this.#lastCallServed, 4);
    body.set(text, 8);
    this.#control.push(FRAME.close, 0, body);
    const batch = this.#assemble();
    if (batch !== undefined) this.#channel.write(batch);
    this.fail(reason);
  }

  /** The link is gone: everything on it ends, with what is known about whether it ran. */
  fail(reason: CloseReason): void {
    if (this.#closed) return;
    this.#closed = true;
    const executed = (id: number, position: number, served: number): Executed =>
      id <= served && this.#calls.hasLeft(position) ? "unknown" : "no";
    for (const stream of [...this.#clients.values()]) {
      const ran = executed(stream.id, stream.position, this.#servedByPeer);
      stream.fail(linkLost(this.peer, reason, ran));
    }
    // Most links end idle, and an error is dear: it takes the stack down.
    const canceled = () => new GrapevineError("canceled", `the link to ${this.peer} ended`);
    for (const stream of [...this.#servers.values()]) stream.fail(canceled());
    this.#pending.failAll((id, position) =>
      linkLost(this.peer, reason, executed(id, position, this.#callServedByPeer)),
    );
    this.#bulk.clear();
    this.#resumed.clear();
  }

  /** ClientHost, ServerHost: frames of streams. */

  pushData(id: number, chunk: Uint8Array): void {
    this.#calls.push(FRAME.data, id, chunk);
    this.#touch();
  }

  pushEnd(id: number, trailers: RawHeaders): void {
    const body = encodeTrailers(trailers);
    this.#calls.push(FRAME.end, id, typeof body === "string" ? NOTHING : body);
    this.#touch();
  }

  pushHead(id: number, head: ResponseHead, informational: boolean): boolean {
    const body = encodeHead(head);
    if (typeof body === "string") return false;
    this.#calls.push(informational ? FRAME.informational : FRAME.head, id, body);
    this.#touch();
    return true;
  }

  pushReset(id: number, error: GrapevineError): void {
    this.#calls.push(FRAME.reset, id, encodeError(error));
    this.#touch();
  }

  pushWindow(id: number, credit: number): void {
    this.#control.pushWithNumber(FRAME.window, id, credit, NOTHING);
    this.#touch();
  }

  schedule(half: SendHalf): void {
    this.#bulk.add(half);
    this.#touch();
  }

  deliverSoon(half: ReceiveHalf): void {
    this.#resumed.add(half);
    this.#touch();
  }

  takeFromPool(wanted: number): number {
    const taken = Math.min(wanted, this.#pool);
    this.#pool -= taken;
    return taken;
  }

  giveToPool(bytes: number): void {
    this.#pool += bytes;
  }

  forgetClient(stream: ClientStream): void {
    this.#clients.delete(stream.id);
  }

  forgetServer(stream: ServerStream): void {
    this.#servers.delete(stream.id);
  }

  /** FrameSink: what the peer said, once it is well-formed. A text is a violation. */

  onHello(hello: Hello): void {
    this.#hello = hello;
    this.#owner.onReady(this);
  }

  onPing(token: number): void {
    this.#control.push(FRAME.pong, token, NOTHING);
    this.#touch();
  }

  onPong(token: number): void {
    this.#owner.onPong(this, token);
  }

  onGoAway(why: number, lastStream: number, lastCall: number): void {
    this.#servedByPeer = lastStream;
    this.#callServedByPeer = lastCall;
    // In the calls lane, behind every OPEN and CALL that is still under way.
    this.#calls.push(FRAME.goAwayAck, 0, NOTHING);
    this.#touch();
    this.#owner.onGoAway(this, why === GO_AWAY_DRAIN);
  }

  onGoAwayAck(): void {
    this.#owner.onGoAwayAcknowledged(this);
  }

  onClose(lastStream: number, lastCall: number, reason: string): void {
    this.#servedByPeer = Math.min(this.#servedByPeer, lastStream);
    this.#callServedByPeer = Math.min(this.#callServedByPeer, lastCall);
    this.#owner.onGoodbye(this, { kind: "closed", detail: `the peer said: ${reason}` });
  }

  onCall(id: number, deadlineLeftMs: number, payload: Uint8Array): void {
    const { onCall } = this.#owner;
    const refusal = this.#refusal(this.#answering >= this.config.callsMax, "calls");
    if (refusal !== undefined || onCall === undefined) {
      const error = refusal ?? new GrapevineError("unsupported", "the agent takes no calls");
      this.#answer(id, error, undefined);
      return;
    }
    this.#lastCallServed = id;
    this.#answering += 1;
    let open = true;
    onCall(this.peer, payload, deadlineLeftMs, (error, reply) => {
      if (!open) return;
      open = false;
      this.#answering -= 1;
      this.#answer(id, error, reply);
    });
  }

  onReply(id: number, error: GrapevineError | undefined, reply: Uint8Array | undefined): void {
    this.#pending.settle(id, error, reply);
  }

  onOpen(id: number, context: AttemptContext, request: RequestHead): string | undefined {
    const odd = id % 2 === 1;
    if (odd === this.#channel.dialer || id <= this.#lastOpened) {
      return `stream ${id} cannot be opened by it now`;
    }
    this.#lastOpened = id;
    const refusal = this.#refusal(this.#servers.size >= this.config.streamsMax, "streams");
    if (refusal !== undefined) {
      this.pushReset(id, refusal);
      return undefined;
    }
    this.#lastServed = id;
    const window = this.#hello?.streamWindowBytes ?? 0;
    const stream = new ServerStream(this, id, request, window);
    this.#servers.set(id, stream);
    stream.begin(this.#owner.accept(this.peer, context, request, stream));
    return undefined;
  }

  clientOf(id: number): ClientStream | undefined {
    return this.#clients.get(id);
  }

  serverOf(id: number): ServerStream | undefined {
    return this.#servers.get(id);
  }

  /** Whether a stream of that id has ever been open: late frames for it are dropped in silence. */
  wasOpened(id: number): boolean {
    const ours = (id % 2 === 1) === this.#channel.dialer;
    return ours ? id < this.#nextStream : id <= this.#lastOpened;
  }

  #answer(id: number, error: GrapevineError | undefined, reply: Uint8Array | undefined): void {
    if (this.#closed) return;
    if (error !== undefined) this.#calls.push(FRAME.callError, id, encodeError(error));
    else this.#calls.push(FRAME.reply, id, reply ?? NOTHING);
    this.#touch();
  }

  get #isOverfull(): boolean {
    return this.#control.queuedBytes + this.#calls.queuedBytes > 2 * this.config.queuedBytesMax;
  }

  get #isCongested(): boolean {
    return this.#calls.queuedBytes > this.config.queuedBytesMax;
  }

  /** Why new work of the peer is not taken, if it is not. */
  #refusal(full: boolean, what: string): GrapevineError | undefined {
    if (this.#refusing) return new GrapevineError("draining", "the agent is leaving");
    return full ? new GrapevineError("overloaded", `too many ${what} are open here`) : undefined;
  }

  #overloaded(why: string): GrapevineError {
    return new GrapevineError("overloaded", `the link to ${this.peer} is full: ${why}`);
  }

  #touch(): void {
    if (this.#dirty || this.#closed) return;
    // A full channel's drain brings the next turn, unless there is more to do than to write.
    if (!this.#writable && this.#resumed.size === 0 && !this.#isOverfull) return;
    this.#dirty = true;
    this.#owner.onDirty(this);
  }

  /** The next batch: the runs of the first two lanes that fit, then bodies in what room is left. */
  #assemble(): Buffer | undefined {
    const control = this.#control.headLength;
    const calls = this.#calls.headLength;
    const small = control + calls;
    const room = this.#bulk.roomBeside(small);
    if (small + room === 0) return undefined;
    const batch = Buffer.allocUnsafe(small + room);
    let at = control > 0 ? this.#control.moveHead(batch, 0) : 0;
    if (calls > 0) at += this.#calls.moveHead(batch, at);
    if (room > 0) at = this.#bulk.fill(batch, at, small + room);
    return at === 0 ? undefined : batch.subarray(0, at);
  }

  #violate(rule: string): void {
    if (!this.#closed && !this.#closing) this.#owner.onViolation(this, rule);
  }
}
