/** A small world for links: virtual time, a network in memory, and observers that write down. */
import { assert } from "../../../core/assert.ts";
import type {
  AttemptContext,
  Exchange,
  ExchangeObserver,
  RawHeaders,
  RequestHead,
  ResponseHead,
} from "../../../core/exchange/contract.ts";
import type { LinkConfig } from "../../../core/link/config.ts";
import { type LinkEvent, Links } from "../../../core/link/links.ts";
import type { Accept, OnCall } from "../../../core/link/mux-owner.ts";
import { SeededRandom } from "../../../core/random.ts";
import type {
  Clock,
  CloseReason,
  LinkChannel,
  LinkListener,
  LinkTransport,
  Timer,
} from "../../../core/seams.ts";
import type { Millis, NodeId, WallMillis } from "../../../core/types.ts";

export class World implements Clock {
  #now = 0;
  #serial = 0;
  #queue: { at: number; serial: number; run: () => void }[] = [];
  readonly nodes = new Map<string, Node>();
  /** Bytes that a channel holds before it says "wait". */
  channelBytes = Number.POSITIVE_INFINITY;
  /** Addresses at which nothing listens. */
  readonly refused = new Set<string>();
  /** While set, nothing that is sent arrives. */
  frozen = false;

  now(): Millis {
    return this.#now as Millis;
  }

  wall(): WallMillis {
    return (1_000_000 + this.#now) as WallMillis;
  }

  at(when: Millis, run: () => void): Timer {
    const entry = { at: Math.max(when, this.#now), serial: this.#serial++, run };
    this.#queue.push(entry);
    return {
      cancel: () => {
        this.#queue = this.#queue.filter((other) => other !== entry);
      },
    };
  }

  after(ms: number, run: () => void): void {
    this.at((this.#now + ms) as Millis, run);
  }

  /** Runs everything up to `ms` from now. */
  run(ms: number): void {
    const end = this.#now + ms;
    for (;;) {
      let next = this.#queue[0];
      for (const entry of this.#queue) {
        if (
          next === undefined ||
          entry.at < next.at ||
          (entry.at === next.at && entry.serial < next.serial)
        ) {
          next = entry;
        }
      }
      if (next === undefined || next.at > end) break;
      const chosen = next;
      this.#queue = this.#queue.filter((entry) => entry !== chosen);
      this.#now = chosen.at;
      chosen.run();
    }
    this.#now = end;
  }

  node(name: string, options: NodeOptions = {}): Node {
    const node = new Node(this, name as NodeId, options);
    this.nodes.set(name, node);
    return node;
  }
}

export interface NodeOptions {
  readonly accept?: Accept;
  readonly onCall?: OnCall;
  readonly config?: Partial<LinkConfig>;
}

const LATENCY_MS = 1;

class Node implements LinkTransport {
  readonly id: NodeId;
  readonly links: Links;
  readonly events: LinkEvent[] = [];
  readonly channels: MemoryChannel[] = [];
  /** What peers believe of this node's certificate. */
  expiresWallMs = Number.POSITIVE_INFINITY;
  listener!: LinkListener;
  readonly #world: World;

  constructor(world: World, id: NodeId, options: NodeOptions) {
    this.#world = world;
    this.id = id;
    this.links = new Links({
      self: id,
      clock: world,
      random: new SeededRandom(7),
      transport: this,
      flushSoon: (callback) => world.after(0, callback),
      accept: options.accept ?? echo,
      ...(options.onCall === undefined ? {} : { onCall: options.onCall }),
      ...(options.config === undefined ? {} : { config: options.config }),
      report: (event) => this.events.push(event),
    });
  }

  start(listener: LinkListener): void {
    this.listener = listener;
  }

  dial(attempt: number, peer: NodeId, address: string): void {
    this.#world.after(LATENCY_MS, () => {
      const other = this.#world.nodes.get(address);
      if (other === undefined || this.#world.refused.has(address)) {
        this.listener.onDialFailed(attempt, peer, { kind: "refused", detail: "ECONNREFUSED" });
        return;
      }
      const here = new MemoryChannel(this.#world, this, other, true);
      const there = new MemoryChannel(this.#world, other, this, false);
      here.other = there;
      there.other = here;
      this.channels.push(here);
      other.channels.push(there);
      other.listener.onOpened(there, undefined);
      this.listener.onOpened(here, attempt);
    });
  }

  /** The process is killed: its sockets break off for all its peers. */
  kill(): void {
    this.#world.nodes.delete(this.id);
    for (const channel of this.channels) channel.breakOff();
  }

  get up(): boolean {
    return this.links.snapshot().some((link) => link.state === "up");
  }
}

class MemoryChannel implements LinkChannel {
  readonly peer: NodeId;
  readonly dialer: boolean;
  readonly sent: Uint8Array[] = [];
  other!: MemoryChannel;
  readonly #world: World;
  readonly #owner: Node;
  readonly #remote: Node;
  #inFlight = 0;
  #full = false;
  #over = false;

  constructor(world: World, owner: Node, remote: Node, dialer: boolean) {
    this.#world = world;
    this.#owner = owner;
    this.#remote = remote;
    this.peer = remote.id;
    this.dialer = dialer;
  }

  get expiresWallMs(): number {
    return this.#remote.expiresWallMs;
  }

  write(batch: Uint8Array): boolean {
    if (this.#over) return true;
    this.sent.push(batch);
    this.#inFlight += batch.length;
    this.#world.after(LATENCY_MS, () => {
      this.#inFlight -= batch.length;
      if (this.#world.frozen) return;
      this.other.deliver(batch);
      if (this.#full && this.#inFlight === 0) {
        this.#full = false;
        if (!this.#over) this.#owner.listener.onDrain(this);
      }
    });
    this.#full = this.#inFlight >= this.#world.channelBytes;
    return !this.#full;
  }

  deliver(batch: Uint8Array): void {
    if (!this.#over) this.#owner.listener.onBatch(this, batch);
  }

  close(): void {
    this.#world.after(LATENCY_MS, () => {
      this.end({ kind: "closed", detail: "closed" });
      this.other.end({ kind: "closed", detail: "closed by the peer" });
    });
  }

  destroy(): void {
    this.end({ kind: "closed", detail: "dropped" });
    this.#world.after(LATENCY_MS, () => {
      this.other.end({ kind: "reset", detail: "ECONNRESET" });
    });
  }

  breakOff(): void {
    this.#over = true;
    this.#world.after(LATENCY_MS, () => {
      this.other.end({ kind: "reset", detail: "ECONNRESET" });
    });
  }

  end(reason: CloseReason): void {
    if (this.#over) return;
    this.#over = true;
    this.#world.after(0, () => this.#owner.listener.onClosed(this, reason));
  }
}

export const CONTEXT: AttemptContext = {
  requestId: "r-1",
  service: "default/web",
  instance: "b-8080",
  port: 80,
  attempt: 1,
  rank: -1,
  reason: "least_latency",
  deadlineLeftMs: undefined,
  traceparent: undefined,
  caller: undefined,
  ringVersion: 1,
  retryTokens: 10,
};

export const REQUEST: RequestHead = {
  kind: "http",
  method: "POST",
  path: "/",
  authority: "web.mesh",
  headers: ["Host", "web.mesh"],
  body: "chunked",
  upgrade: undefined,
  expectContinue: false,
};

export const OK: ResponseHead = {
  status: 200,
  reason: "OK",
  headers: ["Content-Type", "text/plain"],
  body: "chunked",
};

/** Writes down what it observes, in short words. */
export class Notes implements ExchangeObserver {
  readonly words: string[] = [];
  readonly chunks: Buffer[] = [];
  onDrain: (() => void) | undefined;
  head: ResponseHead | undefined;

  onRequestDrain(): void {
    this.onDrain?.();
  }
  onInformational(head: ResponseHead): void {
    this.words.push(`info ${head.status}`);
  }
  onHead(head: ResponseHead): void {
    this.head = head;
    this.words.push(`head ${head.status}`);
  }
  onBody(chunk: Uint8Array): void {
    this.chunks.push(Buffer.from(chunk));
  }
  onEnd(trailers: RawHeaders): void {
    this.words.push(trailers.length === 0 ? "end" : `end ${trailers.join(":")}`);
  }
  onError(error: { short: string; executed: string; message: string }): void {
    this.words.push(`error ${error.short} ${error.executed}`);
  }
  get text(): string {
    return Buffer.concat(this.chunks).toString();
  }
}

/** Answers 200 and the request's body. */
export const echo: Accept = (_peer, _context, _request, observer): Exchange => {
  let headSent = false;
  const head = () => {
    if (!headSent) observer.onHead(OK);
    headSent = true;
  };
  return {
    writeBody(chunk) {
      head();
      observer.onBody(chunk);
      return true;
    },
    endBody(trailers) {
      head();
      observer.onEnd(trailers);
    },
    cancel() {},
    pause() {},
    resume() {},
  };
};

/** Takes requests and never answers; tells what happened to them. */
export function silent(log: string[]): Accept {
  return (_peer, context) => {
    log.push(`open ${context.requestId}`);
    return {
      writeBody: () => true,
      endBody: () => log.push(`end ${context.requestId}`),
      cancel: (reason) => log.push(`cancel ${context.requestId} ${reason.short}`),
      pause() {},
      resume() {},
    };
  };
}

/** A small POST with a trailer; checks that nothing is observed before `open` returns. */
export function request(from: Node, to: string, body = "hello"): Notes {
  const notes = new Notes();
  const exchange = from.links.open(to as NodeId, to, CONTEXT, REQUEST, notes);
  assert(notes.words.length === 0, "open never calls its observer");
  exchange.writeBody(Buffer.from(body));
  exchange.endBody(["x-trailer", "1"]);
  return notes;
}
