/**
 * A connection between two simulated processes as libp2p shows it to GossipSub: streams side by side
 * on the one connection that carries the control packets, too. Opening a stream takes a round trip,
 * as the negotiation of its protocol does. What one event sends goes out in one piece at its end, as
 * in production.
 */
import { mix } from "../engine/draws.ts";
import { digestOf } from "../network/digest.ts";
import type { Half } from "../network/stream.ts";
import type { Ambience, Ground } from "./ground.ts";
import type { Connection, Peer, Stream } from "./libp2p.ts";
import { SimStream, type StreamCarrier, type StreamFrame } from "./stream.ts";

/** Production's bound for the negotiation of a stream. */
const NEGOTIATION_MS_MAX = 3_000;
/** The multiplexer's header. */
const FRAME_BYTES = 12;
/** Names of protocols, at both ends. */
const NEGOTIATION_BYTES = 64;

/** The process at this end. */
export interface ConnectionOwner {
  readonly ground: Ground;
  readonly ambience: Ambience;
  readonly protocols: readonly string[];
  /** The event that runs ends with a call of `flush`. */
  flushLater(connection: SimConnection): void;
  onStream(stream: Stream, connection: Connection): void;
  /** Frames have arrived at the other end. */
  deliver(far: Half, frames: readonly StreamFrame[]): void;
}

interface Opening {
  readonly stream: SimStream;
  readonly opened: PromiseWithResolvers<Stream>;
  readonly deadline: { cancel(): void };
}

export class SimConnection implements StreamCarrier {
  readonly remotePeer: Peer;
  readonly direction: "inbound" | "outbound";
  /** No address: GossipSub counts members of one address, and is told not to. */
  readonly remoteAddr = { getComponents: () => [], toString: () => "/memory" };
  readonly half: Half;
  readonly ground: Ground;
  status: "open" | "closed" = "open";
  readonly #owner: ConnectionOwner;
  readonly #streams = new Map<number, SimStream>();
  readonly #openings = new Map<number, Opening>();
  #waiting: StreamFrame[] = [];
  #nextId: number;

  constructor(owner: ConnectionOwner, peer: Peer, half: Half) {
    this.#owner = owner;
    this.ground = owner.ground;
    this.remotePeer = peer;
    this.half = half;
    this.direction = half.isDialler ? "outbound" : "inbound";
    this.#nextId = half.isDialler ? 1 : 2;
  }

  get streams(): SimStream[] {
    return [...this.#streams.values()];
  }

  get pendingBytes(): number {
    return this.half.pendingBytes;
  }

  newStream(protocols: readonly string[]): ReturnType<Connection["newStream"]> {
    const opened = this.ground.later<Stream>();
    const id = this.#nextId;
    this.#nextId += 2;
    if (this.status !== "open") opened.reject(new Error("the connection is closed"));
    else {
      const late = () => this.#refuse(id, `no answer within ${NEGOTIATION_MS_MAX} ms`);
      const deadline = this.#owner.ambience.after(NEGOTIATION_MS_MAX, late);
      const stream = new SimStream(this, id, "outbound", "");
      this.#openings.set(id, { stream, opened, deadline });
      this.carry({ kind: "open", id, protocols });
    }
    return opened.promise;
  }

  carry(frame: StreamFrame): void {
    if (this.status !== "open") return;
    if (this.#waiting.length === 0) this.#owner.flushLater(this);
    this.#waiting.push(frame);
  }

  flush(): void {
    const frames = this.#waiting;
    this.#waiting = [];
    if (frames.length === 0) return;
    let bytes = 0;
    let digest = frames.length;
    for (const frame of frames) {
      bytes += FRAME_BYTES + (frame.kind === "data" ? frame.data.length : NEGOTIATION_BYTES);
      digest = mix(digest, frame.kind === "data" ? digestOf(frame.data) : frame.id);
    }
    this.half.carry("gossip", bytes, digest, (far) => this.#owner.deliver(far, frames));
  }

  onFrame(frame: StreamFrame): void {
    if (this.status !== "open") return;
    if (frame.kind === "open") this.#onOpen(frame.id, frame.protocols);
    else if (frame.kind === "opened") this.#onOpened(frame.id, frame.protocol);
    else if (frame.kind === "refused") this.#refuse(frame.id, "the peer knows no such protocol");
    else {
      const stream = this.#streams.get(frame.id);
      if (frame.kind === "data") stream?.onData(frame.data);
      else if (frame.kind === "end") stream?.onEnd();
      else stream?.onReset("the peer aborted the stream");
    }
  }

  onStreamOver(stream: SimStream): void {
    this.#streams.delete(stream.id);
  }

  onClosed(): void {
    this.status = "closed";
    this.#waiting = [];
    for (const id of [...this.#openings.keys()]) this.#refuse(id, "the connection is closed");
    for (const stream of [...this.#streams.values()]) stream.onReset("the connection is closed");
  }

  #onOpen(id: number, protocols: readonly string[]): void {
    const protocol = protocols.find((each) => this.#owner.protocols.includes(each));
    if (protocol === undefined) {
      this.carry({ kind: "refused", id });
      return;
    }
    const stream = new SimStream(this, id, "inbound", protocol);
    this.#streams.set(id, stream);
    this.carry({ kind: "opened", id, protocol });
    this.#owner.onStream(asStream(stream), asConnection(this));
  }

  #onOpened(id: number, protocol: string): void {
    const opening = this.#openings.get(id);
    if (opening === undefined) {
      // It came too late: nobody waits for the stream any more.
      this.carry({ kind: "reset", id });
      return;
    }
    this.#openings.delete(id);
    opening.deadline.cancel();
    opening.stream.protocol = protocol;
    this.#streams.set(id, opening.stream);
    opening.opened.resolve(asStream(opening.stream));
  }

  #refuse(id: number, why: string): void {
    const opening = this.#openings.get(id);
    if (opening === undefined) return;
    this.#openings.delete(id);
    opening.deadline.cancel();
    opening.opened.reject(new Error(why));
  }
}

/** GossipSub uses no more of a stream and of a connection than there is. */
function asStream(stream: SimStream): Stream {
  return stream as unknown as Stream;
}

export function asConnection(connection: SimConnection): Connection {
  return connection as unknown as Connection;
}
