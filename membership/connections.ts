/**
 * With whom this node is connected. In small clusters with everybody; in larger ones with those it
 * observes, those who observe it, and a few random members, so that connections do not grow with
 * the cluster. Members that are dead are tried again for ever at a bounded rate, and so are seeds
 * and addresses known from disk. Two nodes that dial each other at once are normal; the one with
 * the greater identity waits a little first.
 */
import type { CloseReason, Random } from "../core/seams.ts";
import type { Millis, NodeId } from "../core/types.ts";
import { backoffMs } from "./backoff.ts";
import type { MembershipConfig } from "./config.ts";
import { DEAD, type Members } from "./members.ts";
import type { Observers } from "./observers.ts";
import type { MembershipOutput } from "./output.ts";
import type { Peer, Peers } from "./peers.ts";
import { Seeds } from "./seeds.ts";

const MAINTAIN_MS = 1_000;
const SOON_MS = 20;
/** For the other side's attempt, where both want the connection. */
const POLITE_PAUSE_MS = 400;
const FIRST_RETRY_MS = 250;
const RETRY_MS_MAX = 10_000;
const FIRST_DEAD_RETRY_MS = 1_000;
const DEAD_DIALS = 2;
/** A connection that nobody here needs is kept this long, so that a changing view does not churn. */
const UNNEEDED_MS = 10_000;
/** A dead member may only be paused: it hears so soonest over the old connection. */
const DEAD_CONNECTION_MS = 30_000;
/** A subject is asked each second; a connection on which it is silent for this long is broken. */
const SILENT_CONNECTION_MS = 20_000;
/** Connected to fewer, a node keeps asking seeds and known addresses in a hurry. */
const ENOUGH = 3;
/** Identities with an address that are not members: from disk or from documents. */
const CANDIDATES_MAX = 1_024;
/** Corrected addresses of members, and attempts remembered. */
const ADDRESSES_MAX = 4_096;

interface Attempt {
  failures: number;
  nextAt: Millis;
}

interface Dial {
  readonly expect: NodeId | undefined;
  readonly startedAt: Millis;
}

export interface ConnectionParts {
  readonly config: MembershipConfig;
  readonly random: Random;
  readonly self: NodeId;
  readonly selfSlot: number;
  readonly ownBind: string;
  readonly members: Members;
  readonly observers: Observers;
  readonly peers: Peers;
}

export class Connections {
  readonly #parts: ConnectionParts;
  readonly #seeds: Seeds;
  readonly #dials = new Map<string, Dial>();
  readonly #attempts = new Map<NodeId, Attempt>();
  readonly #candidates = new Map<NodeId, string>();
  readonly #addresses = new Map<NodeId, string>();
  readonly #randomLinks = new Set<number>();
  #wanted: ReadonlySet<number> = new Set();
  #wantedVersion = "";
  /** The overlay for which #wanted was made; undefined while everybody is wanted. */
  #overlayVersion: number | undefined;
  #maintainAt: Millis;
  #deadRetryAt: Millis;
  #deadRetries = 0;

  constructor(parts: ConnectionParts, now: Millis) {
    this.#parts = parts;
    this.#seeds = new Seeds(parts.config.seedRetryIntervalMsMax);
    this.#maintainAt = now;
    this.#deadRetryAt = now;
  }

  nextDeadline(): Millis {
    return this.#maintainAt;
  }

  addSeeds(addresses: readonly string[], now: Millis): void {
    for (const address of addresses) this.#seeds.add(address, now);
    this.#maintainAt = now;
  }

  /** All members are new: they are dialled at some moment of the next second. */
  onReplaced(now: Millis): void {
    this.#maintainAt = (now + this.#parts.random.below(MAINTAIN_MS)) as Millis;
  }

  learnAddress(peer: NodeId, bind: string, now: Millis): void {
    if (peer === this.#parts.self || bind === "") return;
    const slot = this.#parts.members.slotOf(peer);
    const statement = slot === undefined ? undefined : this.#parts.members.statement(slot);
    if (statement === undefined) {
      if (this.#candidates.size < CANDIDATES_MAX || this.#candidates.has(peer)) {
        if (this.#candidates.get(peer) === bind) return;
        this.#candidates.set(peer, bind);
        this.#soon(now);
      }
    } else if (statement.bind === bind) this.#addresses.delete(peer);
    else if (this.#addresses.size < ADDRESSES_MAX) this.#addresses.set(peer, bind);
  }

  /** A statement with its own address was taken in: newest wins. */
  onMemberChanged(peer: NodeId, now: Millis): void {
    this.#candidates.delete(peer);
    this.#addresses.delete(peer);
    this.#soon(now);
  }

  onDeath(now: Millis): void {
    this.#deadRetries = 0;
    const soonest = (now + FIRST_DEAD_RETRY_MS) as Millis;
    if (this.#deadRetryAt > soonest) this.#deadRetryAt = soonest;
    this.#soon(now);
  }

  onConnected(peer: NodeId, address: string | undefined, now: Millis): void {
    this.#attempts.delete(peer);
    if (address !== undefined) {
      this.#dials.delete(address);
      this.#seeds.onConnected(address, peer);
    }
    this.#soon(now);
  }

  /** Hung up in order: the other side has too many connections, so another serves as well. */
  onClosed(slot: number, now: Millis): void {
    this.#randomLinks.delete(slot);
    const id = this.#parts.members.registry.idOf(slot);
    this.#attemptAt(id, now).nextAt = (now + RETRY_MS_MAX * this.#parts.random.float()) as Millis;
    this.#soon(now);
  }

  /** Gives the member's slot back if the failed attempt went to its present address. */
  onDialFailed(
    address: string,
    expected: NodeId | undefined,
    reason: CloseReason,
    now: Millis,
  ): number | undefined {
    this.#dials.delete(address);
    if (expected === undefined) return undefined;
    const attempt = this.#attemptAt(expected, now);
    const longest = reason.kind === "rejected" ? RETRY_MS_MAX * 3 : RETRY_MS_MAX;
    const { random, members } = this.#parts;
    const pauseMs = backoffMs(FIRST_RETRY_MS, longest, attempt.failures, random);
    attempt.nextAt = (now + pauseMs) as Millis;
    attempt.failures += 1;
    const slot = members.slotOf(expected);
    return slot !== undefined && this.#addressOf(slot) === address ? slot : undefined;
  }

  /** Dials a member right now, whatever the pause. */
  dial(slot: number, now: Millis, out: MembershipOutput): void {
    const address = this.#addressOf(slot);
    const id = this.#parts.members.registry.idOf(slot);
    if (address === "" || address === this.#parts.ownBind) return;
    if (this.#dials.has(address)) return;
    this.#dials.set(address, { expect: id, startedAt: now });
    out.dial(address, id);
  }

  /** Dials a member unless many attempts are under way. */
  dialIfRoom(slot: number, now: Millis, out: MembershipOutput): void {
    if (this.#dials.size < this.#parts.config.dialsMax) this.dial(slot, now, out);
  }

  onDeadline(now: Millis, out: MembershipOutput): void {
    if (this.#maintainAt > now) return;
    this.#maintainAt = (now + MAINTAIN_MS) as Millis;
    this.#expireDials(now);
    this.#updateWanted();
    this.#dialWanted(now, out);
    this.#dialSeeds(now, out);
    this.#dialCandidates(now, out);
    this.#dialDead(now, out);
    this.#hangUpSilent(now, out);
    this.#hangUpUnneeded(now, out);
  }

  #soon(now: Millis): void {
    const at = (now + SOON_MS) as Millis;
    if (at < this.#maintainAt) this.#maintainAt = at;
  }

  #expireDials(now: Millis): void {
    for (const [address, dial] of this.#dials) {
      if (now - dial.startedAt < this.#parts.config.dialTimeoutMs) break;
      const reason: CloseReason = { kind: "timeout", detail: "no result in time" };
      this.onDialFailed(address, dial.expect, reason, now);
    }
  }

  /** The members that should be connected; recomputed only when the view changed. */
  #updateWanted(): void {
    const { members, observers, config, selfSlot, peers, random } = this.#parts;
    observers.refresh();
    const isFullMesh = members.present - 1 <= config.fullMeshMax;
    if (isFullMesh) {
      const version = `mesh ${members.version}`;
      if (version === this.#wantedVersion) return;
      this.#wantedVersion = version;
      this.#overlayVersion = undefined;
      this.#wanted = new Set(
        [...members.slots()].filter((slot) => slot !== selfSlot && members.isPresent(slot)),
      );
      this.#randomLinks.clear();
      return;
    }
    if (observers.version === this.#overlayVersion && this.#hasRandomLinks()) return;
    this.#overlayVersion = observers.version;
    const neighbours = new Set([...observers.subjects(), ...observers.observers()]);
    for (const slot of this.#randomLinks) {
      if (!members.isPresent(slot) || neighbours.has(slot)) this.#randomLinks.delete(slot);
    }
    const dialled = (peer: Peer) => {
      const slot = members.slotOf(peer.id);
      return (
        slot !== undefined &&
        peer.dialled !== undefined &&
        members.isPresent(slot) &&
        !neighbours.has(slot)
      );
    };
    if (this.#randomLinks.size < config.randomLinks) {
      for (const peer of peers.draw(config.randomLinks - this.#randomLinks.size, random, dialled)) {
        this.#randomLinks.add(members.slotOf(peer.id) as number);
      }
    }
    for (let tries = this.#randomLinks.size; tries < config.randomLinks; tries += 1) {
      const slot = members.draw(
        random,
        (drawn) => drawn !== selfSlot && members.isPresent(drawn) && !neighbours.has(drawn),
      );
      if (slot !== undefined) this.#randomLinks.add(slot);
    }
    this.#wantedVersion = "";
    this.#wanted = new Set([...neighbours, ...this.#randomLinks]);
  }

  /** True if there are as many random links as there should be, and all to members. */
  #hasRandomLinks(): boolean {
    if (this.#randomLinks.size < this.#parts.config.randomLinks) return false;
    for (const slot of this.#randomLinks) if (!this.#parts.members.isPresent(slot)) return false;
    return true;
  }

  #dialWanted(now: Millis, out: MembershipOutput): void {
    const { members, peers } = this.#parts;
    let nextAt: Millis | undefined;
    for (const slot of this.#wanted) {
      const id = members.registry.idOf(slot);
      if (peers.get(id) !== undefined) continue;
      const attempt = this.#attemptAt(id, now);
      if (attempt.nextAt <= now) {
        // A random link that cannot be made is replaced by another.
        if (attempt.failures > 2) this.#randomLinks.delete(slot);
        this.dialIfRoom(slot, now, out);
      } else if (nextAt === undefined || attempt.nextAt < nextAt) nextAt = attempt.nextAt;
    }
    if (nextAt !== undefined && nextAt < this.#maintainAt) this.#maintainAt = nextAt;
  }

  #dialSeeds(now: Millis, out: MembershipOutput): void {
    const { random, self, ownBind } = this.#parts;
    const isSettled = (peer: NodeId) => peer === self || this.#isPresentMember(peer);
    const isHurried = !this.#hasEnough();
    for (const address of this.#seeds.due(isHurried, isSettled, random, now)) {
      if (address === ownBind || this.#dials.has(address)) continue;
      this.#dials.set(address, { expect: undefined, startedAt: now });
      out.dial(address, undefined);
    }
  }

  #dialCandidates(now: Millis, out: MembershipOutput): void {
    const { config, ownBind, peers, members } = this.#parts;
    for (const [id, address] of this.#candidates) {
      if (this.#dials.size >= config.dialsMax || this.#hasEnough()) return;
      const slot = members.slotOf(id);
      if (peers.get(id) !== undefined || (slot !== undefined && members.isPresent(slot))) {
        if (slot !== undefined) this.#candidates.delete(id);
        continue;
      }
      const attempt = this.#attemptAt(id, now);
      if (attempt.nextAt > now || address === ownBind || this.#dials.has(address)) continue;
      this.#dials.set(address, { expect: id, startedAt: now });
      out.dial(address, id);
    }
  }

  #dialDead(now: Millis, out: MembershipOutput): void {
    const { members, config, random, peers } = this.#parts;
    if (this.#deadRetryAt > now) return;
    const pauseMs = backoffMs(
      FIRST_DEAD_RETRY_MS,
      config.deadRetryIntervalMsMax,
      this.#deadRetries,
      random,
    );
    this.#deadRetryAt = (now + pauseMs) as Millis;
    if (members.count(DEAD) === 0) return;
    this.#deadRetries += 1;
    for (let dials = 0; dials < DEAD_DIALS; dials += 1) {
      const slot = members.drawDead(random);
      if (slot === undefined || peers.get(members.registry.idOf(slot)) !== undefined) continue;
      this.dial(slot, now, out);
    }
  }

  /** A connection may be half open for ever (lost NAT state, a twin): a new one tells. */
  #hangUpSilent(now: Millis, out: MembershipOutput): void {
    const { members, observers, peers } = this.#parts;
    for (const slot of observers.subjects()) {
      const peer = peers.get(members.registry.idOf(slot));
      if (peer !== undefined && now - peer.heardAt > SILENT_CONNECTION_MS) out.hangUp(peer.id);
    }
  }

  #hangUpUnneeded(now: Millis, out: MembershipOutput): void {
    const { members, peers, config } = this.#parts;
    const isFullMesh = members.present - 1 <= config.fullMeshMax;
    let surplus = peers.size - config.connectionsMax;
    for (const peer of peers.all()) {
      const slot = members.slotOf(peer.id);
      if (slot === undefined || this.#wanted.has(slot)) continue;
      if (!members.isPresent(slot)) {
        const goneMs = now - members.since(slot);
        const isOver = goneMs > DEAD_CONNECTION_MS && now - peer.heardAt > DEAD_CONNECTION_MS;
        if (isOver || members.state(slot) === "left") out.hangUp(peer.id);
        continue;
      }
      if (now - peer.connectedAt < UNNEEDED_MS) continue;
      if ((peer.dialled !== undefined && !isFullMesh) || surplus > 0) {
        surplus -= 1;
        out.hangUp(peer.id);
      }
    }
  }

  #hasEnough(): boolean {
    const { peers, members } = this.#parts;
    return peers.size > 0 && peers.size >= Math.min(ENOUGH, members.present - 1);
  }

  #isPresentMember(peer: NodeId): boolean {
    const slot = this.#parts.members.slotOf(peer);
    return slot !== undefined && this.#parts.members.isPresent(slot);
  }

  #addressOf(slot: number): string {
    const { members } = this.#parts;
    const corrected = this.#addresses.get(members.registry.idOf(slot));
    return corrected ?? members.statement(slot)?.bind ?? "";
  }

  #attemptAt(peer: NodeId, now: Millis): Attempt {
    const known = this.#attempts.get(peer);
    if (known !== undefined) return known;
    if (this.#attempts.size >= ADDRESSES_MAX) {
      const oldest = this.#attempts.keys().next().value;
      if (oldest !== undefined) this.#attempts.delete(oldest);
    }
    const pauseMs = this.#parts.self < peer ? 0 : POLITE_PAUSE_MS;
    const attempt: Attempt = { failures: 0, nextAt: (now + pauseMs) as Millis };
    this.#attempts.set(peer, attempt);
    return attempt;
  }
}
