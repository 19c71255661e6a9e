/**
 * A small world for tests of the failure detector: real Membership instances, a virtual clock, and
 * a network with latency, loss, one-way cuts, pauses and crashes. Everything follows from the seed.
 * Signatures are a hash of author and bytes: forging is tested elsewhere.
 */
import { hashBytes32 } from "../../core/hash.ts";
import { SeededRandom } from "../../core/random.ts";
import type { CloseReason, Signer, Verifier } from "../../core/seams.ts";
import type { MemberState, Millis, NodeId } from "../../core/types.ts";
import { LAN, type MembershipConfig } from "../../membership/config.ts";
import {
  type MemberEvent,
  Membership,
  type MembershipOutput,
} from "../../membership/membership.ts";
import { Registry } from "../../membership/registry.ts";

interface Pending {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
}

/** A binary heap by (time, order of scheduling). */
class Agenda {
  readonly #heap: Pending[] = [];
  #order = 0;

  get size(): number {
    return this.#heap.length;
  }

  nextAt(): number {
    return this.#heap[0]?.at ?? Number.POSITIVE_INFINITY;
  }

  add(at: number, run: () => void): void {
    const heap = this.#heap;
    this.#order += 1;
    const item = { at, order: this.#order, run };
    let index = heap.length;
    heap.push(item);
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (!isBefore(item, heap[parent] as Pending)) break;
      heap[index] = heap[parent] as Pending;
      index = parent;
    }
    heap[index] = item;
  }

  take(): Pending {
    const heap = this.#heap;
    const top = heap[0] as Pending;
    const last = heap.pop() as Pending;
    if (heap.length === 0) return top;
    let index = 0;
    for (;;) {
      let child = index * 2 + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1] as Pending, heap[child] as Pending)) {
        child += 1;
      }
      if (!isBefore(heap[child] as Pending, last)) break;
      heap[index] = heap[child] as Pending;
      index = child;
    }
    heap[index] = last;
    return top;
  }
}

function isBefore(left: Pending, right: Pending): boolean {
  return left.at < right.at || (left.at === right.at && left.order < right.order);
}

const encoder = new TextEncoder();

function signature(id: string, bytes: Uint8Array): Uint8Array {
  const signed = new Uint8Array(64);
  const view = new DataView(signed.buffer);
  for (let at = 0; at < 8; at += 1) view.setUint32(at * 4, hashBytes32(bytes, at));
  view.setUint32(32, hashBytes32(encoder.encode(id), 7));
  return signed;
}

export function testSigner(id: NodeId): Signer {
  return { id, sign: (bytes) => signature(id, bytes) };
}

export const testVerifier: Verifier = {
  verify: (id, bytes, given) => signature(id, bytes).every((byte, at) => byte === given[at]),
};

export function nodeId(name: string): NodeId {
  return `12D3KooW${name}` as NodeId;
}

export class Host {
  readonly id: NodeId;
  address: string;
  membership: Membership | undefined;
  /** The process is there but does not run; its sockets stay open and fill. */
  isPaused = false;
  /** The machine is gone: nothing answers, nothing is refused. */
  isSilent = false;
  /** Part of what it is sent, and of what it sends, that is lost. */
  lossIn = 0;
  lossOut = 0;
  epoch = 0;
  starts = 0;
  readonly peers = new Set<Host>();
  readonly peersById = new Map<NodeId, Host>();
  readonly events: MemberEvent[] = [];
  readonly inbox: (() => void)[] = [];
  wakeAt = Number.POSITIVE_INFINITY;

  constructor(id: NodeId, address: string) {
    this.id = id;
    this.address = address;
  }

  link(peer: Host): void {
    this.peers.add(peer);
    this.peersById.set(peer.id, peer);
  }

  unlink(peer: Host): boolean {
    this.peersById.delete(peer.id);
    return this.peers.delete(peer);
  }

  get isUp(): boolean {
    return this.membership !== undefined && !this.isSilent;
  }
}

export interface NetworkOptions {
  readonly seed?: number;
  readonly config?: MembershipConfig;
  readonly latencyMs?: number;
  readonly isRegistryShared?: boolean;
}

export class Network {
  readonly hosts: Host[] = [];
  readonly random: SeededRandom;
  readonly config: MembershipConfig;
  readonly #agenda = new Agenda();
  readonly #byAddress = new Map<string, Host>();
  readonly #cuts = new Set<string>();
  readonly #registry: Registry | undefined;
  readonly #latencyMs: number;
  loss = 0;
  lost = 0;
  packets = 0;
  bytes = 0;
  events = 0;
  dials = 0;
  #now = 1_000;

  constructor(options: NetworkOptions = {}) {
    this.random = new SeededRandom(options.seed ?? 1);
    this.config = options.config ?? LAN;
    this.#latencyMs = options.latencyMs ?? 1;
    this.#registry = options.isRegistryShared === true ? new Registry() : undefined;
  }

  get now(): Millis {
    return this.#now as Millis;
  }

  /** A host by its number. */
  at(index: number): Host {
    const host = this.hosts[index];
    if (host === undefined) throw new Error(`no host ${index}`);
    return host;
  }

  add(name = `host${this.hosts.length}`): Host {
    const host = new Host(nodeId(name), `10.0.0.${this.hosts.length}:7946`);
    this.hosts.push(host);
    return host;
  }

  /** Adds `count` hosts and starts them all now; the first is everybody's seed. */
  addCluster(count: number): Host[] {
    const hosts = Array.from({ length: count }, () => this.add());
    const seed = (hosts[0] as Host).address;
    for (const host of hosts) this.start(host, [seed]);
    return hosts;
  }

  /** A new process on the host, with the next epoch unless told otherwise. */
  start(host: Host, seeds: readonly string[], epoch = host.epoch + 1): Membership {
    host.starts += 1;
    host.epoch = epoch;
    host.isPaused = false;
    host.isSilent = false;
    host.inbox.length = 0;
    this.#byAddress.set(host.address, host);
    const membership = new Membership({
      self: host.id,
      epoch,
      nonce: this.random.next(),
      bind: host.address,
      config: this.config,
      random: this.random.fork(`${host.address} ${host.starts}`),
      signer: testSigner(host.id),
      verifier: testVerifier,
      ...(this.#registry === undefined ? {} : { registry: this.#registry }),
    });
    host.membership = membership;
    this.input(host, (now, out) => {
      membership.start(now, out);
      membership.addSeeds(seeds, now, out);
    });
    return membership;
  }

  /** The process is killed; the operating system closes its sockets and refuses new ones. */
  crash(host: Host): void {
    host.membership = undefined;
    this.#byAddress.delete(host.address);
    for (const peer of [...host.peers]) {
      this.#disconnect(host, peer, { kind: "reset", detail: "killed" });
    }
  }

  /** The machine loses power: no packet tells. */
  crashSilently(host: Host): void {
    host.membership = undefined;
    host.isSilent = true;
  }

  /** Ends the process after it said goodbye. */
  stop(host: Host): void {
    host.membership = undefined;
    this.#byAddress.delete(host.address);
    for (const peer of [...host.peers]) {
      this.#disconnect(host, peer, { kind: "closed", detail: "left" });
    }
  }

  pause(host: Host): void {
    host.isPaused = true;
  }

  /** Expired timers run before what waits in the sockets, as in a real event loop. */
  resume(host: Host): void {
    host.isPaused = false;
    const inbox = host.inbox.splice(0);
    if (host.wakeAt <= this.#now) this.#wake(host);
    for (const deliver of inbox) this.#agenda.add(this.#now + 1, deliver);
  }

  cut(from: Host, to: Host): void {
    this.#cuts.add(`${from.id} ${to.id}`);
  }

  /** Cuts every link between the two groups, both ways. */
  partition(left: readonly Host[], right: readonly Host[]): void {
    for (const one of left) {
      for (const other of right) {
        this.cut(one, other);
        this.cut(other, one);
      }
    }
  }

  heal(): void {
    this.#cuts.clear();
  }

  /** Closes connections between hosts that cannot hear each other, as keep-alive would. */
  breakCutConnections(): void {
    for (const host of this.hosts) {
      for (const peer of [...host.peers]) {
        if (this.#isCut(host, peer) || this.#isCut(peer, host)) {
          this.#disconnect(host, peer, { kind: "timeout", detail: "keep-alive" });
          this.#disconnect(peer, host, { kind: "timeout", detail: "keep-alive" });
        }
      }
    }
  }

  run(ms: number): void {
    const until = this.#now + ms;
    while (this.#agenda.nextAt() <= until) {
      const item = this.#agenda.take();
      this.#now = Math.max(this.#now, item.at);
      this.events += 1;
      item.run();
    }
    this.#now = until;
  }

  /** Runs until the condition holds; the virtual time that took, or undefined. */
  runUntil(condition: () => boolean, msMax: number, stepMs = 50): number | undefined {
    const from = this.#now;
    while (!condition()) {
      if (this.#now - from >= msMax) return undefined;
      this.run(stepMs);
    }
    return this.#now - from;
  }

  input(host: Host, use: (now: Millis, out: MembershipOutput) => void): void {
    if (host.membership === undefined) return;
    use(this.now, this.#outputOf(host));
    this.#arm(host);
  }

  state(viewer: Host, of: Host): MemberState | undefined {
    return viewer.membership?.state(of.id);
  }

  /** True if every running host sees exactly these as alive, whatever else it sees. */
  agreeAlive(viewers: readonly Host[], alive: readonly Host[]): boolean {
    return viewers.every((viewer) => {
      let count = 0;
      for (const row of viewer.membership?.snapshot().members ?? []) {
        if (row.state === "alive") count += 1;
      }
      return count === alive.length && alive.every((host) => this.state(viewer, host) === "alive");
    });
  }

  allSee(viewers: readonly Host[], of: Host, state: MemberState): boolean {
    return viewers.every((viewer) => viewer === of || this.state(viewer, of) === state);
  }

  #isCut(from: Host, to: Host): boolean {
    return this.#cuts.size > 0 && this.#cuts.has(`${from.id} ${to.id}`);
  }

  #delay(): number {
    return this.#latencyMs * (0.5 + this.random.float());
  }

  /** Delivers to a host, now or when it runs again. */
  #deliver(host: Host, what: () => void): void {
    if (host.isPaused) host.inbox.push(what);
    else what();
  }

  #outputOf(host: Host): MembershipOutput {
    return {
      dial: (address, expect) => this.#dial(host, address, expect),
      send: (peer, packet) => this.#send(host, peer, packet),
      hangUp: (peer) => {
        const other = host.peersById.get(peer);
        if (other === undefined) return;
        this.#agenda.add(this.#now, () => {
          this.#disconnect(host, other, { kind: "closed", detail: "hung up" });
          this.#disconnect(other, host, { kind: "closed", detail: "hung up" });
        });
      },
      changed: (event) => host.events.push(event),
    };
  }

  #send(from: Host, to: NodeId, packet: Uint8Array): void {
    const peer = from.peersById.get(to);
    if (peer === undefined) return;
    this.packets += 1;
    this.bytes += packet.length;
    const loss = Math.max(this.loss, from.lossOut, peer.lossIn);
    if (this.#isCut(from, peer) || (loss > 0 && this.random.float() < loss)) {
      this.lost += 1;
      return;
    }
    const bytes = new Uint8Array(packet);
    this.#agenda.add(this.#now + this.#delay(), () => {
      if (!peer.isUp || !peer.peers.has(from)) return;
      this.#deliver(peer, () => {
        if (!peer.peers.has(from)) return;
        this.input(peer, (now, out) => {
          const verdict = peer.membership?.onPacket(from.id, bytes, now, out);
          if (verdict !== "ok" && verdict !== "ignored") throw new Error(`packet ${verdict}`);
        });
      });
    });
  }

  #dial(from: Host, address: string, expect: NodeId | undefined): void {
    this.dials += 1;
    const { starts } = from;
    const fail = (kind: CloseReason["kind"]) => {
      if (from.starts !== starts) return;
      this.#deliver(from, () =>
        this.input(from, (now, out) =>
          from.membership?.onDialFailed(address, expect, { kind, detail: kind }, now, out),
        ),
      );
    };
    const target = this.#byAddress.get(address);
    const isReachable =
      target?.isUp && !target.isPaused && !this.#isCut(from, target) && !this.#isCut(target, from);
    if (!isReachable) {
      const isGone = target === undefined;
      this.#agenda.add(this.#now + (isGone ? this.#delay() : 5_000), () =>
        fail(isGone ? "refused" : "timeout"),
      );
      return;
    }
    this.#agenda.add(this.#now + 4 * this.#delay(), () => {
      if (this.#byAddress.get(address) !== target || !target.isUp) return fail("reset");
      if (expect !== undefined && expect !== target.id) return fail("rejected");
      if (!from.isUp || from.starts !== starts) return;
      this.#connect(from, target, address);
    });
  }

  #connect(from: Host, to: Host, address: string): void {
    if (from === to || from.id === to.id) {
      this.input(from, (now, out) => from.membership?.onConnected(to.id, address, now, out));
      return;
    }
    from.link(to);
    to.link(from);
    this.#deliver(from, () =>
      this.input(from, (now, out) => from.membership?.onConnected(to.id, address, now, out)),
    );
    this.#deliver(to, () =>
      this.input(to, (now, out) => to.membership?.onConnected(from.id, undefined, now, out)),
    );
  }

  #disconnect(host: Host, peer: Host, reason: CloseReason): void {
    host.unlink(peer);
    if (!peer.peers.has(host) && !host.isUp && !peer.isUp) return;
    if (!peer.unlink(host)) return;
    this.#agenda.add(this.#now + this.#delay(), () =>
      this.#deliver(peer, () =>
        this.input(peer, (now, out) => peer.membership?.onDisconnected(host.id, reason, now, out)),
      ),
    );
    this.input(host, (now, out) => host.membership?.onDisconnected(peer.id, reason, now, out));
  }

  #arm(host: Host): void {
    const deadline = host.membership?.nextDeadline() ?? Number.POSITIVE_INFINITY;
    if (deadline >= host.wakeAt && host.wakeAt > this.#now) return;
    host.wakeAt = deadline;
    if (deadline === Number.POSITIVE_INFINITY) return;
    const { starts } = host;
    this.#agenda.add(Math.max(deadline, this.#now), () => {
      if (host.wakeAt === deadline && host.starts === starts && !host.isPaused) this.#wake(host);
    });
  }

  #wake(host: Host): void {
    host.wakeAt = Number.POSITIVE_INFINITY;
    this.input(host, (now, out) => host.membership?.onDeadline(now, out));
    if (host.wakeAt === Number.POSITIVE_INFINITY) this.#arm(host);
  }
}

/** Every event of a kind that any of the hosts reported. */
export function eventsOf(hosts: readonly Host[], kind: MemberEvent["kind"]): MemberEvent[] {
  return hosts.flatMap((host) => host.events.filter((event) => event.kind === kind));
}
