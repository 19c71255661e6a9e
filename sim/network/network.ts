/**
 * Machines and the roads between them: who listens where, how a connection comes about, and what a
 * fault does to those that exist. Both planes dial here; they differ only in what a connection
 * carries.
 */
import type { CloseReason } from "../../core/seams.ts";
import type { NodeId } from "../../core/types.ts";
import type { EventKind } from "../engine/agenda.ts";
import type { Lane } from "../engine/lane.ts";
import type { World } from "../engine/world.ts";
import type { Paths, RoadFault } from "./paths.ts";
import { connect, type Half, type StreamHome } from "./stream.ts";

/** A process that takes connections at an address. */
export interface Door {
  readonly lane: Lane;
  readonly id: NodeId;
  /** The handshake is done; `half` is this process's end. */
  accept(half: Half, peer: NodeId): void;
}

export interface Dialler {
  readonly lane: Lane;
  readonly id: NodeId;
  readonly timeoutMs: number;
  opened(half: Half, peer: NodeId): void;
  failed(reason: CloseReason): void;
}

/** What both ends compute for one handshake. */
const HANDSHAKE_US = 6_000;

export class Network implements StreamHome {
  readonly world: World;
  readonly paths: Paths;
  readonly stalled = new Set<Half>();
  readonly #hostAt = new Map<string, number>();
  readonly #doors = new Map<string, Door>();
  readonly #halves = new Map<number, Set<Half>>();
  readonly #vanished = new Map<number, Half[]>();
  readonly #ordinals = new Map<number, number>();

  constructor(world: World, paths: Paths) {
    this.world = world;
    this.paths = paths;
  }

  /** The address belongs to the machine whether or not anything listens there. */
  own(address: string, host: number): void {
    this.#hostAt.set(address, host);
  }

  listen(address: string, door: Door): void {
    this.#doors.set(address, door);
  }

  dial(address: string, kind: EventKind, expect: NodeId | undefined, from: Dialler): void {
    const { world, paths } = this;
    const host = this.#hostAt.get(address);
    let isOver = false;
    const fail = (reason: CloseReason) => {
      if (isOver) return;
      isOver = true;
      from.failed(reason);
    };
    const deadline = world.now + from.timeoutMs * 1_000;
    const inTime = `no answer within ${from.timeoutMs} ms`;
    world.plan(deadline, from.lane, "dial", () => fail({ kind: "timeout", detail: inTime }));
    if (host === undefined) return;
    const here = from.lane.host;
    const ordinal = this.#nextOrdinal(here, host);
    const key = paths.keyOf(here, host, ordinal);
    const back = paths.keyOf(host, here, ordinal);
    const isOpen = () =>
      paths.blocked(here, host) === undefined && paths.blocked(host, here) === undefined;
    if (!isOpen()) return;
    const there = () => world.now + paths.transitUs(here, host, 60, key, 0);
    const home = () => world.now + paths.transitUs(host, here, 60, back, 0);
    // The first packet reaches the kernel of the machine, which answers whatever the process does.
    world.plan(there(), undefined, "dial", () => {
      if (isOver || !isOpen()) return;
      const door = this.#doors.get(address);
      if (door === undefined || door.lane.isOver) {
        world.plan(home(), from.lane, "dial", () =>
          fail({ kind: "refused", detail: `nothing listens at ${address}` }),
        );
        return;
      }
      const roundTrip = there() + home() - 2 * world.now;
      world.plan(world.now + roundTrip + HANDSHAKE_US, door.lane, "dial", () => {
        if (isOver || from.lane.isOver || !isOpen()) return;
        const fault = door.id === from.id ? "it is this node" : identityFault(door.id, expect);
        if (fault !== undefined) {
          world.plan(home(), from.lane, "dial", () => fail({ kind: "rejected", detail: fault }));
          return;
        }
        this.#join(
          kind,
          { lane: from.lane, key },
          { lane: door.lane, key: back },
          home(),
          (ends) => {
            const [mine, theirs] = ends;
            door.accept(theirs, from.id);
            return () => {
              if (isOver) mine.reset("the attempt was given up");
              else if (mine.isOpen) {
                isOver = true;
                from.opened(mine, door.id);
              } else fail({ kind: "reset", detail: "it broke off while it was made" });
            };
          },
        );
      });
    });
  }

  /** The process was killed: its kernel resets every connection. */
  killConnections(host: number, how: "reset" | "closed", detail: string): void {
    for (const half of this.#halves.get(host) ?? []) {
      if (how === "reset") half.reset(detail);
      else half.close(detail);
    }
    this.#halves.delete(host);
  }

  /** The machine lost power: nobody hears anything. */
  vanish(host: number): void {
    const halves = [...(this.#halves.get(host) ?? [])];
    for (const half of halves) half.vanish();
    this.#vanished.set(host, halves);
    this.#halves.delete(host);
  }

  /** The machine is back: its kernel answers for connections that it does not know. */
  reappear(host: number): void {
    for (const half of this.#vanished.get(host) ?? []) half.disown();
    this.#vanished.delete(host);
  }

  addFault(fault: RoadFault): void {
    this.paths.add(fault);
  }

  removeFault(fault: RoadFault): void {
    this.paths.remove(fault);
    this.retryStalled();
  }

  retryStalled(): void {
    for (const half of [...this.stalled]) half.retry();
  }

  /** Breaks every connection between the two machines, as a firewall that loses its table does. */
  resetBetween(one: number, other: number): number {
    let count = 0;
    for (const half of this.#halves.get(one) ?? []) {
      if (!half.isOpen || half.farHost !== other) continue;
      half.breakOff("the connection was reset on the way");
      count += 1;
    }
    return count;
  }

  /** Half-open from now on: neither end is told. */
  forgetBetween(one: number, other: number): number {
    let count = 0;
    for (const half of this.#halves.get(one) ?? []) {
      if (!half.isOpen || half.farHost !== other) continue;
      half.forget();
      count += 1;
    }
    return count;
  }

  #join(
    kind: EventKind,
    one: { readonly lane: Lane; readonly key: number },
    other: { readonly lane: Lane; readonly key: number },
    knownAt: number,
    accept: (ends: readonly [Half, Half]) => () => void,
  ): void {
    const ends = connect(this, kind, one, other);
    for (const end of ends) this.#keep(end);
    ends[1].holdUntil(knownAt);
    const opened = accept(ends);
    this.world.plan(knownAt, one.lane, "connection", opened);
  }

  #keep(half: Half): void {
    const halves = this.#halves.get(half.host) ?? new Set();
    this.#halves.set(half.host, halves);
    halves.add(half);
    half.onOver = () => halves.delete(half);
  }

  #nextOrdinal(one: number, other: number): number {
    const pair = one * 65_536 + other;
    const ordinal = (this.#ordinals.get(pair) ?? 0) + 1;
    this.#ordinals.set(pair, ordinal);
    return ordinal;
  }
}

function identityFault(actual: NodeId, expect: NodeId | undefined): string | undefined {
  if (expect === undefined || expect === actual) return undefined;
  return `${actual} answered instead of ${expect}`;
}
