/**
 * One stream of a simulated connection, as far as GossipSub uses it: it sends, it is told of what
 * arrives and of the end, and it keeps what arrives until somebody listens. Events are plain objects;
 * nobody but GossipSub and libp2p's own pipes ever sees them.
 */
import type { Ground } from "./ground.ts";

/** What one side of a stream says to the other. */
export type StreamFrame =
  | { readonly kind: "open"; readonly id: number; readonly protocols: readonly string[] }
  | { readonly kind: "opened"; readonly id: number; readonly protocol: string }
  | { readonly kind: "refused"; readonly id: number }
  | { readonly kind: "data"; readonly id: number; readonly data: Uint8Array }
  /** No more data comes. */
  | { readonly kind: "end"; readonly id: number }
  | { readonly kind: "reset"; readonly id: number };

interface StreamEvent {
  readonly type: string;
  readonly data?: Uint8Array;
  readonly error?: Error;
}
type Listener = (event: StreamEvent) => void;

/** Several buffers as one, as libp2p hands them over. */
interface Sliced {
  slice(): Uint8Array;
}

/** The connection, seen from one of its streams. */
export interface StreamCarrier {
  readonly ground: Ground;
  readonly pendingBytes: number;
  carry(frame: StreamFrame): void;
  onStreamOver(stream: SimStream): void;
}

export class SimStream {
  readonly id: number;
  readonly direction: "inbound" | "outbound";
  protocol: string;
  status: "open" | "closed" | "aborted" | "reset" = "open";
  writeStatus: "writable" | "closed" = "writable";
  remoteWriteStatus: "writable" | "closed" = "writable";
  /** GossipSub sets it. */
  maxWriteBufferLength: number | undefined;
  readonly #carrier: StreamCarrier;
  readonly #listeners = new Map<string, { readonly heard: Listener; readonly once: boolean }[]>();
  #unheard: Uint8Array[] = [];

  constructor(
    carrier: StreamCarrier,
    id: number,
    direction: "inbound" | "outbound",
    protocol: string,
  ) {
    this.#carrier = carrier;
    this.id = id;
    this.direction = direction;
    this.protocol = protocol;
  }

  addEventListener(type: string, heard: Listener, options?: { readonly once?: boolean }): void {
    const listeners = this.#listeners.get(type) ?? [];
    this.#listeners.set(type, listeners);
    listeners.push({ heard, once: options?.once === true });
    if (type !== "message") return;
    for (const data of this.#unheard.splice(0)) this.#dispatch({ type, data });
  }

  removeEventListener(type: string, heard: Listener): void {
    const listeners = this.#listeners.get(type) ?? [];
    const rest = listeners.filter((each) => each.heard !== heard);
    this.#listeners.set(type, rest);
  }

  send(data: Sliced): boolean {
    if (this.status !== "open" || this.writeStatus === "closed") {
      throw new Error(`the stream is ${this.status}, its writing side ${this.writeStatus}`);
    }
    if (this.#carrier.pendingBytes > (this.maxWriteBufferLength ?? Number.POSITIVE_INFINITY)) {
      const error = new Error("the peer does not read: too much waits for it");
      this.abort(error);
      throw error;
    }
    this.#carrier.carry({ kind: "data", id: this.id, data: data.slice() });
    return true;
  }

  close(): PromiseWithResolvers<void>["promise"] {
    const done = this.#carrier.ground.later<void>();
    done.resolve();
    if (this.writeStatus === "closed") return done.promise;
    this.writeStatus = "closed";
    this.#carrier.carry({ kind: "end", id: this.id });
    if (this.remoteWriteStatus === "closed") this.#over("closed", undefined);
    return done.promise;
  }

  abort(error: Error): void {
    if (this.status !== "open") return;
    this.#carrier.carry({ kind: "reset", id: this.id });
    this.#over("aborted", error);
  }

  onData(data: Uint8Array): void {
    if (this.status !== "open") return;
    if (this.#listens("message")) this.#dispatch({ type: "message", data });
    else this.#unheard.push(data);
  }

  onEnd(): void {
    if (this.status !== "open" || this.remoteWriteStatus === "closed") return;
    this.remoteWriteStatus = "closed";
    this.#dispatch({ type: "remoteCloseWrite" });
    if (this.writeStatus === "closed") this.#over("closed", undefined);
  }

  /** The peer aborted it, or the connection is gone. */
  onReset(why: string): void {
    if (this.status === "open") this.#over("reset", new Error(why));
  }

  #over(status: "closed" | "aborted" | "reset", error: Error | undefined): void {
    this.status = status;
    this.writeStatus = "closed";
    this.remoteWriteStatus = "closed";
    this.#unheard = [];
    this.#carrier.onStreamOver(this);
    this.#dispatch(error === undefined ? { type: "close" } : { type: "close", error });
  }

  #listens(type: string): boolean {
    return (this.#listeners.get(type)?.length ?? 0) > 0;
  }

  #dispatch(event: StreamEvent): void {
    for (const { heard, once } of [...(this.#listeners.get(event.type) ?? [])]) {
      if (once) this.removeEventListener(event.type, heard);
      heard(event);
    }
  }
}
