/**
 * One TCP connection between two processes, as what happens at its ends. Data arrives in order and
 * whole; what the network loses shows as a stall. Behind a cut the data waits and is sent again
 * after pauses that double, as a kernel does it, until the road is open or the kernel gives up. An
 * end whose machine vanished leaves the other half-open: it learns of it when it next sends, or never.
 */
import type { CloseReason } from "../../core/seams.ts";
import type { EventKind } from "../engine/agenda.ts";
import type { Lane } from "../engine/lane.ts";
import type { World } from "../engine/world.ts";
import { digestOf } from "./digest.ts";
import { nextResendUs, type Paths } from "./paths.ts";

/** What either process hears of its end. */
export interface StreamListener {
  onMessage(message: Uint8Array): void;
  onDrain(): void;
  onClosed(reason: CloseReason): void;
}

/** What may be under way in one direction before the writer is told to wait. */
const WINDOW_BYTES = 512 * 1024;
/** IP and TCP headers. */
const HEADERS_BYTES = 60;

/** What travels: bytes of some kind with what happens where they arrive, or the connection's end. */
interface Parcel {
  readonly kind: EventKind;
  readonly bytes: number;
  readonly digest: number;
  readonly arrive: ((far: Half) => void) | undefined;
  readonly end: CloseReason | undefined;
}

export interface StreamEnd {
  readonly host: number;
  readonly lane: Lane;
  /** False once this side closed it or heard that it is over. */
  readonly isOpen: boolean;
  /** Bytes that are on their way or wait. */
  readonly pendingBytes: number;
  /** False: wait for onDrain. */
  send(message: Uint8Array): boolean;
  /** Everything sent arrives first. */
  close(detail: string): void;
  /** At once, and what is under way may be lost. */
  reset(detail: string): void;
}

/** The surroundings of all streams. */
export interface StreamHome {
  readonly world: World;
  readonly paths: Paths;
  /** Streams that wait for a road to open. */
  readonly stalled: Set<Half>;
}

/** Makes a connection; what its ends hear goes to their listeners once both are set. */
export function connect(
  home: StreamHome,
  kind: EventKind,
  one: { readonly lane: Lane; readonly key: number },
  other: { readonly lane: Lane; readonly key: number },
): readonly [Half, Half] {
  const first = new Half(home, kind, one, true);
  const second = new Half(home, kind, other, false);
  first.pair(second);
  second.pair(first);
  return [first, second];
}

function endOf(end: CloseReason): Parcel {
  return { kind: "connection", bytes: 0, digest: 0, arrive: undefined, end };
}

/** One end, and the direction that leads away from it. */
export class Half implements StreamEnd {
  readonly lane: Lane;
  /** This end's process asked for the connection. */
  readonly isDialler: boolean;
  listener: StreamListener | undefined;
  /** Called once, when this end is over for whatever reason. */
  onOver: (() => void) | undefined;
  readonly #home: StreamHome;
  readonly #kind: EventKind;
  readonly #key: number;
  #far: Half = this;
  #isOpen = true;
  #counter = 0;
  #lastArrival = 0;
  #pending = 0;
  #isFull = false;
  #held: Parcel[] = [];
  #stalledSince: number | undefined;
  #isCut = false;
  #resendAt: number | undefined;
  #isForgotten = false;

  constructor(
    home: StreamHome,
    kind: EventKind,
    { lane, key }: { readonly lane: Lane; readonly key: number },
    isDialler: boolean,
  ) {
    this.#home = home;
    this.#kind = kind;
    this.lane = lane;
    this.#key = key;
    this.isDialler = isDialler;
  }

  get host(): number {
    return this.lane.host;
  }

  get farHost(): number {
    return this.#far.host;
  }

  get far(): Half {
    return this.#far;
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  get pendingBytes(): number {
    return this.#pending;
  }

  pair(far: Half): void {
    this.#far = far;
  }

  /** Nothing arrives at the far end before this moment: it does not know of the connection yet. */
  holdUntil(at: number): void {
    this.#lastArrival = Math.max(this.#lastArrival, at);
  }

  send(message: Uint8Array): boolean {
    const arrive = (far: Half) => far.listener?.onMessage(message);
    return this.carry(this.#kind, message.length, digestOf(message), arrive);
  }

  /** Something beside the messages on the same connection, in order with them. */
  carry(kind: EventKind, bytes: number, digest: number, arrive: (far: Half) => void): boolean {
    if (!this.#isOpen) return true;
    this.#pending += bytes;
    this.#transmit({ kind, bytes, digest, arrive, end: undefined });
    this.#isFull ||= this.#pending > WINDOW_BYTES;
    return !this.#isFull;
  }

  close(detail: string): void {
    if (!this.#isOpen) return;
    this.#shut();
    this.#transmit(endOf({ kind: "closed", detail }));
  }

  reset(detail: string): void {
    if (!this.#isOpen) return;
    this.#shut();
    this.#dropHeld();
    this.#transmit(endOf({ kind: "reset", detail }));
  }

  /** Something on the way resets the connection: both ends hear of it. */
  breakOff(detail: string): void {
    const { world } = this.#home;
    const reason: CloseReason = { kind: "reset", detail };
    for (const end of [this, this.#far]) {
      world.plan(world.now, end.lane, "connection", () => {
        if (end.#isOpen) end.#over(reason);
      });
    }
  }

  /** Something on the way has lost the connection: it drops what the ends send, and tells neither. */
  forget(): void {
    this.#isForgotten = true;
    this.#far.#isForgotten = true;
  }

  /** The process is gone with its machine: nobody is told. */
  vanish(): void {
    this.#shut();
    this.#dropHeld();
  }

  /** The machine is back and knows nothing of this connection: it answers the peer's data so. */
  disown(): void {
    if (this.#far.#isOpen) {
      this.#transmit(endOf({ kind: "reset", detail: "no such connection" }));
    }
  }

  /** A road may have opened. What a cut swallowed waits for the kernel to send it again. */
  retry(): void {
    const { world, paths } = this.#home;
    const since = this.#stalledSince;
    if (since === undefined || this.#blocked() !== undefined) return;
    if (this.#held.length === 0 && paths.blocked(this.#far.host, this.host) !== undefined) return;
    if (!this.#isCut) {
      this.#release();
      return;
    }
    if (this.#resendAt !== undefined) return;
    this.#resendAt = nextResendUs(since, world.now);
    world.plan(this.#resendAt, undefined, "connection", () => {
      this.#resendAt = undefined;
      // The road may be cut again: then this resend is lost as well.
      if (this.#stalledSince !== since) this.retry();
      else if (this.#blocked() === undefined) this.#release();
    });
  }

  #release(): void {
    this.#home.stalled.delete(this);
    this.#stalledSince = undefined;
    this.#isCut = false;
    const held = this.#held;
    this.#held = [];
    for (const parcel of held) this.#transmit(parcel);
  }

  #blocked(): "cut" | "clog" | undefined {
    return this.#isForgotten ? "cut" : this.#home.paths.blocked(this.host, this.#far.host);
  }

  #transmit(parcel: Parcel): void {
    const { world, paths } = this.#home;
    const blocked = this.#blocked();
    if (this.#held.length > 0 || blocked !== undefined) {
      this.#isCut ||= blocked === "cut";
      this.#held.push(parcel);
      this.#awaitRoad();
      return;
    }
    // Data gets through where acknowledgements do not, but the kernel loses patience.
    if (paths.blocked(this.#far.host, this.host) !== undefined) this.#awaitRoad();
    const bytes = parcel.bytes + HEADERS_BYTES;
    this.#counter += 1;
    const transit = paths.transitUs(this.host, this.#far.host, bytes, this.#key, this.#counter);
    const at = Math.max(world.now + transit, this.#lastArrival + 1);
    this.#lastArrival = at;
    world.plan(at, this.#far.lane, parcel.kind, () => this.#arrive(parcel), parcel.digest);
  }

  #arrive({ bytes, arrive, end }: Parcel): void {
    const far = this.#far;
    if (arrive !== undefined) {
      this.#pending -= bytes;
      this.#drainIfDue();
    }
    if (!far.#isOpen) return;
    if (arrive !== undefined) arrive(far);
    else if (end !== undefined) far.#over(end);
  }

  #shut(): void {
    this.#isOpen = false;
    this.onOver?.();
  }

  #over(reason: CloseReason): void {
    this.#shut();
    this.#dropHeld();
    this.listener?.onClosed(reason);
  }

  #awaitRoad(): void {
    const { world, paths, stalled } = this.#home;
    if (this.#stalledSince !== undefined) return;
    const since = world.now;
    this.#stalledSince = since;
    stalled.add(this);
    world.plan(since + paths.shape.giveUpMs * 1_000, this.lane, "connection", () => {
      if (this.#stalledSince !== since || !this.#isOpen) return;
      this.#over({ kind: "timeout", detail: "the peer's machine does not acknowledge" });
    });
  }

  #dropHeld(): void {
    this.#held = [];
    this.#isCut = false;
    this.#pending = 0;
    this.#stalledSince = undefined;
    this.#home.stalled.delete(this);
  }

  #drainIfDue(): void {
    if (!this.#isFull || this.#pending > WINDOW_BYTES / 2) return;
    this.#isFull = false;
    if (!this.#isOpen) return;
    this.#home.world.plan(this.#home.world.now, this.lane, "drain", () => {
      if (this.#isOpen) this.listener?.onDrain();
    });
  }
}
