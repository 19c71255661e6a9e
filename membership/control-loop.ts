/**
 * The control loop of one node: failure detector, directory and the view made of both, driven over
 * one control transport and one clock. It decides nothing itself; it hands each event to the part
 * that owns it, carries what one part learns to the other (addresses from documents, liveness to
 * garbage collection), and makes a new immutable view after each change, or where nobody follows
 * views, when one is asked for. The two protocols share a connection: the first byte of a packet
 * says whose it is.
 */
import type {
  Clock,
  CloseReason,
  ControlListener,
  ControlTransport,
  Timer,
} from "../core/seams.ts";
import type { MemberState, Millis, NodeId } from "../core/types.ts";
import type { MeshView } from "../core/view.ts";
import type { DirectoryVerdict } from "./anti-entropy.ts";
import type { FingerprintTree } from "./anti-entropy-tree.ts";
import { earlier } from "./deadline.ts";
import type { Directory, DirectoryOutput, DirectoryReport, OwnContent } from "./directory.ts";
import type { Members } from "./members.ts";
import type { MemberEvent, MemberRow, Membership, MembershipOutput } from "./membership.ts";
import type { ViewBuilder } from "./view.ts";

/** With more changes than this that no view shows yet, a whole view is the simpler thing. */
const UNSEEN_CHANGES_MAX = 256;
/** First byte of a control packet. */
const MEMBERSHIP_PACKET = 1;
const DIRECTORY_PACKET = 2;

export interface ControlLoopParts {
  readonly clock: Clock;
  readonly transport: ControlTransport;
  readonly membership: Membership;
  readonly directory: Directory;
  readonly views: ViewBuilder;
}

/** What the rest of the node hears from the control loop; called after the loop is done. */
export interface ControlLoopListener {
  onView(view: MeshView, former: MeshView): void;
  /** False: a view is made only when view() asks for it, and onView is not called. */
  followsViews(): boolean;
  onMemberEvent(event: MemberEvent): void;
  /** A directory statement to keep for the next start; replaces the former of this owner and part. */
  onDocument(owner: NodeId, message: Uint8Array, part: number): void;
  /** A packet that was refused, for logs and counters. */
  onRefused(peer: NodeId, why: string): void;
  onDirectoryReport(report: DirectoryReport): void;
  /** What became of an address that was dialled: connected, or why not. */
  onDialed(address: string, failure: CloseReason | undefined): void;
}

export class ControlLoop implements ControlListener {
  readonly #parts: ControlLoopParts;
  readonly #listener: ControlLoopListener;
  readonly #membershipOutput: MembershipOutput;
  readonly #directoryOutput: DirectoryOutput;
  /** Owners whose documents the present input changed. */
  readonly #touched = new Set<NodeId>();
  /** Owners and members whose changes no view shows yet. */
  readonly #unseenOwners = new Set<NodeId>();
  readonly #unseenMembers = new Set<NodeId>();
  /** Undefined: the next view is made from all there is. */
  #rowsDropped: number | undefined;
  #events: MemberEvent[] = [];
  #timer: Timer | undefined;
  #armedAt: Millis | undefined;
  #view: MeshView;
  #stopped = false;

  constructor(parts: ControlLoopParts, listener: ControlLoopListener) {
    this.#parts = parts;
    this.#listener = listener;
    const { transport } = parts;
    this.#membershipOutput = {
      dial: (address, expect) => transport.dial(address, expect),
      send: (peer, packet) => transport.send(peer, tagged(MEMBERSHIP_PACKET, packet)),
      hangUp: (peer) => transport.hangUp(peer),
      changed: (event) => {
        this.#unseenMembers.add(event.peer);
        this.#events.push(event);
      },
    };
    this.#directoryOutput = {
      send: (peer, packet) => transport.send(peer, tagged(DIRECTORY_PACKET, packet)),
      publish: (topic, message) => transport.publish(topic, message),
      changed: (owner) => {
        this.#touched.add(owner);
      },
      persist: (owner, message, part) => listener.onDocument(owner, message, part),
      report: (report) => listener.onDirectoryReport(report),
    };
    this.#view = parts.views.update([], [], parts.clock.now());
  }

  view(): MeshView {
    this.#updateView(this.#parts.clock.now());
    return this.#view;
  }

  /** Begins with the tables of a mesh that has long since formed; see Membership.takeOver. */
  takeOver(members: Members, store: FingerprintTree, regions: Iterable<string>): void {
    this.#rowsDropped = undefined;
    this.#run((now) => {
      this.#parts.membership.takeOver(members, now);
      this.#parts.directory.takeOver(store, regions, now);
    });
  }

  /** The member table, to be compared with another; not to be written to. */
  membersTable(): Members {
    return this.#parts.membership.table;
  }

  /** What the failure detector holds of a member; undefined if it does not know it. */
  memberState(peer: NodeId): MemberState | undefined {
    return this.#parts.membership.state(peer);
  }

  start(seeds: readonly string[]): void {
    this.#parts.transport.start(this);
    this.#run((now) => {
      this.#parts.membership.start(now, this.#membershipOutput);
      this.#parts.membership.addSeeds(seeds, now, this.#membershipOutput);
    });
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  /** Uses the membership part, then publishes what that changed. */
  withMembership(
    use: (membership: Membership, now: Millis, output: MembershipOutput) => void,
  ): void {
    this.#run((now) => use(this.#parts.membership, now, this.#membershipOutput));
  }

  setOwn(content: OwnContent): void {
    this.#run((now) =>
      this.#parts.directory.setOwn(content, now, this.#parts.clock.wall(), this.#directoryOutput),
    );
  }

  setFailing(failing: readonly string[]): void {
    this.#run((now) =>
      this.#parts.directory.setFailing(
        failing,
        now,
        this.#parts.clock.wall(),
        this.#directoryOutput,
      ),
    );
  }

  /** Takes a statement that was on disk. */
  restore(message: Uint8Array): DirectoryVerdict {
    let verdict: DirectoryVerdict = "ignored";
    this.#run((now) => {
      verdict = this.#parts.directory.restore(message, now, this.#parts.clock.wall());
    });
    return verdict;
  }

  onConnected(peer: NodeId, _certificate: Uint8Array, address: string | undefined): void {
    this.#run((now) => {
      this.#parts.membership.onConnected(peer, address, now, this.#membershipOutput);
      this.#parts.directory.onPeerUp(peer, now, this.#parts.clock.wall(), this.#directoryOutput);
    });
    if (address !== undefined) this.#listener.onDialed(address, undefined);
  }

  onDisconnected(peer: NodeId, reason: CloseReason): void {
    this.#run((now) => {
      this.#parts.directory.onPeerDown(peer, now);
      this.#parts.membership.onDisconnected(peer, reason, now, this.#membershipOutput);
    });
  }

  onDialFailed(address: string, expected: NodeId | undefined, reason: CloseReason): void {
    this.#run((now) =>
      this.#parts.membership.onDialFailed(address, expected, reason, now, this.#membershipOutput),
    );
    this.#listener.onDialed(address, reason);
  }

  onPacket(peer: NodeId, packet: Uint8Array): void {
    if (packet[0] === MEMBERSHIP_PACKET && this.#isCalmPacket(peer, packet)) return;
    this.#run((now) => {
      const body = packet.subarray(1);
      this.#parts.membership.onHeard(peer, now);
      const verdict = this.#dispatch(packet[0], peer, body, now);
      if (verdict !== undefined) this.#listener.onRefused(peer, verdict);
    });
  }

  onPublished(topic: string, from: NodeId, message: Uint8Array): "accept" | "ignore" | "reject" {
    const verdicts: ("accept" | "ignore" | "reject")[] = [];
    this.#run((now) => {
      const wall = this.#parts.clock.wall();
      this.#parts.membership.onHeard(from, now);
      verdicts.push(
        this.#parts.directory.onPublished(topic, message, now, wall, this.#directoryOutput),
      );
    });
    const verdict = verdicts[0] ?? "ignore";
    if (verdict === "reject") this.#listener.onRefused(from, `published on ${topic}`);
    return verdict;
  }

  #dispatch(
    kind: number | undefined,
    peer: NodeId,
    body: Uint8Array,
    now: Millis,
  ): string | undefined {
    if (kind === MEMBERSHIP_PACKET) {
      return refusal(
        this.#parts.membership.onPacket(peer, body, now, this.#membershipOutput),
        "membership",
      );
    }
    if (kind === DIRECTORY_PACKET) {
      const wall = this.#parts.clock.wall();
      return refusal(
        this.#parts.directory.onPacket(peer, body, now, wall, this.#directoryOutput),
        "directory",
      );
    }
    return "unknown kind of packet";
  }

  #isCalmPacket(peer: NodeId, packet: Uint8Array): boolean {
    if (this.#stopped) return false;
    const { membership, clock } = this.#parts;
    return membership.onCalmPacket(peer, packet, 1, clock.now(), this.#membershipOutput);
  }

  /** One input from start to end: the input itself, what follows from it, the view, the timer. */
  #run(input: (now: Millis) => void): void {
    if (this.#stopped) return;
    const now = this.#parts.clock.now();
    input(now);
    this.#carryOver(now);
    this.#publishView(now);
    this.#arm();
    this.#reportEvents();
  }

  #carryOver(now: Millis): void {
    for (const owner of this.#touched) {
      this.#unseenOwners.add(owner);
      const document = this.#parts.directory.get(owner);
      if (document === undefined || document.bind === "") continue;
      this.#parts.membership.learnAddress(owner, document.bind, now, this.#membershipOutput);
    }
    this.#touched.clear();
    for (const event of this.#events) {
      this.#parts.directory.onMemberState(event.peer);
    }
  }

  #publishView(now: Millis): void {
    const former = this.#view;
    if (this.#listener.followsViews()) {
      this.#updateView(now);
      if (this.#view !== former) this.#listener.onView(this.#view, former);
    } else if (this.#unseenMembers.size + this.#unseenOwners.size > UNSEEN_CHANGES_MAX) {
      this.#rowsDropped = undefined;
      this.#unseenMembers.clear();
      this.#unseenOwners.clear();
    }
  }

  #updateView(now: Millis): void {
    const isWhole = this.#parts.membership.dropped !== this.#rowsDropped;
    if (!isWhole && this.#unseenMembers.size === 0 && this.#unseenOwners.size === 0) return;
    this.#view = isWhole ? this.#wholeView(now) : this.#changedView(now);
    this.#unseenMembers.clear();
    this.#unseenOwners.clear();
  }

  #wholeView(now: Millis): MeshView {
    const { membership, directory, views } = this.#parts;
    const touched = this.#rowsDropped === undefined ? directory.owners() : this.#unseenOwners;
    this.#rowsDropped = membership.dropped;
    return views.update(membership.snapshot().members, touched, now);
  }

  /** Work in proportion to what has changed, not to the size of the mesh. */
  #changedView(now: Millis): MeshView {
    const { membership, views } = this.#parts;
    const changed: MemberRow[] = [];
    const removed: NodeId[] = [];
    // Nobody tells a node of its own changes.
    if (this.#unseenMembers.size > 0) this.#unseenMembers.add(this.#view.self);
    for (const peer of this.#unseenMembers) {
      const row = membership.row(peer);
      if (row === undefined) removed.push(peer);
      else changed.push(row);
    }
    return views.apply(changed, removed, this.#unseenOwners, now);
  }

  #reportEvents(): void {
    if (this.#events.length === 0) return;
    const events = this.#events;
    this.#events = [];
    for (const event of events) this.#listener.onMemberEvent(event);
  }

  #arm(): void {
    const deadline = earlier(
      this.#parts.membership.nextDeadline(),
      this.#parts.directory.nextDeadline(),
    );
    if (deadline === this.#armedAt) return;
    this.#timer?.cancel();
    this.#armedAt = deadline;
    this.#timer =
      deadline === undefined
        ? undefined
        : this.#parts.clock.at(deadline, () => {
            this.#armedAt = undefined;
            this.#onDeadline();
          });
  }

  #onDeadline(): void {
    this.#run((now) => {
      const { membership, directory, clock } = this.#parts;
      membership.onDeadline(now, this.#membershipOutput);
      const due = directory.nextDeadline();
      if (due !== undefined && due <= now) {
        directory.onDeadline(now, clock.wall(), this.#directoryOutput);
      }
    });
  }
}

function tagged(kind: number, packet: Uint8Array): Uint8Array {
  const whole = new Uint8Array(packet.length + 1);
  whole[0] = kind;
  whole.set(packet, 1);
  return whole;
}

function refusal(verdict: string, protocol: string): string | undefined {
  return verdict === "malformed" || verdict === "forged"
    ? `${verdict} ${protocol} packet`
    : undefined;
}
