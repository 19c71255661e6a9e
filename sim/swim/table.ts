/**
 * Who is alive, suspect or dead, as memberlist decides it (state.go): claims of an older
 * incarnation are void; only the subject raises its incarnation, to refute; a suspicion that nobody
 * refutes ends in death; and a table that arrives by push/pull never kills, it only makes suspect.
 */
import type { Awareness } from "./awareness.ts";
import { Broadcasts } from "./broadcasts.ts";
import { type SwimConfig, suspicionMinMs } from "./config.ts";
import type { MemberMode, Rumour, StateRow } from "./messages.ts";
import type { Alarm, SwimListener, SwimSeat } from "./seat.ts";
import { Suspicion } from "./suspicion.ts";

export interface Member {
  readonly node: number;
  incarnation: number;
  mode: MemberMode;
  changedAt: number;
}

interface Case {
  readonly suspicion: Suspicion;
  alarm: Alarm;
}

export class Table {
  readonly broadcasts = new Broadcasts();
  /** In the order of probing. */
  members: Member[] = [];
  readonly #byNode = new Map<number, Member>();
  readonly #cases = new Map<number, Case>();
  readonly #config: SwimConfig;
  readonly #seat: SwimSeat;
  readonly #awareness: Awareness;
  readonly #listener: SwimListener;

  constructor(config: SwimConfig, seat: SwimSeat, awareness: Awareness, listener: SwimListener) {
    this.#config = config;
    this.#seat = seat;
    this.#awareness = awareness;
    this.#listener = listener;
  }

  get(node: number): Member | undefined {
    return this.#byNode.get(node);
  }

  rows(): readonly StateRow[] {
    return this.members.map(({ node, incarnation, mode }) => ({ node, incarnation, mode }));
  }

  /** A member that is known from the start: nothing is said about it. */
  admit(node: number): void {
    this.#insert({ node, incarnation: 1, mode: "alive", changedAt: this.#seat.now() });
  }

  hear(rumour: Rumour): void {
    if (rumour.kind === "alive") this.#alive(rumour);
    else if (rumour.kind === "suspect") this.suspect(rumour);
    else this.#dead(rumour);
  }

  merge(rows: readonly StateRow[]): void {
    const from = this.#seat.self;
    for (const { node, incarnation, mode } of rows) {
      const kind = mode === "alive" ? "alive" : "suspect";
      this.hear({ kind, node, incarnation, from });
    }
  }

  /** Up to `count` members that pass, by random attempts (util.go, kRandomNodes). */
  draw(count: number, passes: (member: Member) => boolean): readonly Member[] {
    const drawn: Member[] = [];
    const { members } = this;
    const attempts = 3 * members.length;
    for (let at = 0; at < attempts && drawn.length < count; at += 1) {
      const member = members[this.#seat.random.below(members.length)] as Member;
      if (member.node === this.#seat.self || !passes(member) || drawn.includes(member)) continue;
      drawn.push(member);
    }
    return drawn;
  }

  /** The round of probes is over: the dead of long ago are forgotten, the rest is shuffled. */
  reset(): void {
    const oldest = this.#seat.now() - this.#config.gossipToTheDeadMs;
    const isKept = ({ mode, changedAt }: Member) => mode !== "dead" || changedAt >= oldest;
    for (const { node } of this.members.filter((member) => !isKept(member))) {
      this.#byNode.delete(node);
    }
    this.members = this.members.filter(isKept);
    for (let at = this.members.length - 1; at > 0; at -= 1) {
      this.#swap(at, this.#seat.random.below(at + 1));
    }
  }

  suspect({ node, incarnation, from }: Omit<Rumour, "kind">): void {
    const member = this.#byNode.get(node);
    if (member === undefined || incarnation < member.incarnation) return;
    const known = this.#cases.get(node);
    if (known !== undefined) {
      if (!known.suspicion.confirm(from)) return;
      this.#setAlarm(node, known);
      this.broadcasts.add({ kind: "suspect", node, incarnation, from });
      return;
    }
    if (member.mode !== "alive") return;
    if (node === this.#seat.self) {
      this.#refute(member, incarnation);
      return;
    }
    this.broadcasts.add({ kind: "suspect", node, incarnation, from });
    this.#change(member, "suspect", incarnation);
    this.#open(member, from);
  }

  #open(member: Member, from: number): void {
    const config = this.#config;
    const members = this.members.length;
    const minMs = suspicionMinMs(config, members);
    // memberlist wants two confirmations less than alpha, and none where too few could give them.
    const all = config.suspicionMult - 2;
    const wanted = config.lhaSuspicion && members - 2 >= all ? all : 0;
    const bounds = { wanted, minMs, maxMs: minMs * config.suspicionMaxTimeoutMult };
    const suspicion = new Suspicion(from, bounds, this.#seat.now());
    const opened: Case = { suspicion, alarm: { cancel: () => {} } };
    this.#cases.set(member.node, opened);
    this.#setAlarm(member.node, opened);
  }

  #setAlarm(node: number, its: Case): void {
    its.alarm.cancel();
    const leftMs = Math.max(0, its.suspicion.endsAt - this.#seat.now());
    its.alarm = this.#seat.after(leftMs, () => {
      const member = this.#byNode.get(node);
      if (member?.mode !== "suspect" || this.#cases.get(node) !== its) return;
      const { incarnation } = member;
      this.#dead({ kind: "dead", node, incarnation, from: this.#seat.self });
    });
  }

  #alive(rumour: Rumour): void {
    const { node, incarnation } = rumour;
    const known = this.#byNode.get(node);
    if (node === this.#seat.self) {
      // A life of this node that it did not state, or its own word come round.
      if (known !== undefined && incarnation > known.incarnation) this.#refute(known, incarnation);
      return;
    }
    if (known !== undefined && incarnation <= known.incarnation) return;
    this.#close(node);
    this.broadcasts.add(rumour);
    if (known !== undefined) {
      known.incarnation = incarnation;
      if (known.mode !== "alive") this.#change(known, "alive", incarnation);
      return;
    }
    this.#insert({ node, incarnation, mode: "alive", changedAt: this.#seat.now() });
    this.#listener.onMode(node, "alive");
  }

  #dead(rumour: Rumour): void {
    const { node, incarnation } = rumour;
    const member = this.#byNode.get(node);
    if (member === undefined || incarnation < member.incarnation) return;
    this.#close(node);
    if (member.mode === "dead") return;
    if (node === this.#seat.self) {
      this.#refute(member, incarnation);
      return;
    }
    this.broadcasts.add(rumour);
    this.#change(member, "dead", incarnation);
  }

  /** A later life than the one that was accused; and a sign that this node is slow. */
  #refute(self: Member, accused: number): void {
    self.incarnation = Math.max(self.incarnation, accused) + 1;
    if (this.#config.lhaProbe) this.#awareness.apply(1);
    const { node, incarnation } = self;
    this.broadcasts.add({ kind: "alive", node, incarnation, from: node });
  }

  #change(member: Member, mode: MemberMode, incarnation: number): void {
    member.mode = mode;
    member.incarnation = incarnation;
    member.changedAt = this.#seat.now();
    this.#listener.onMode(member.node, mode);
  }

  #close(node: number): void {
    this.#cases.get(node)?.alarm.cancel();
    this.#cases.delete(node);
  }

  /** At a random place, so that not everybody probes newcomers at the same time. */
  #insert(member: Member): void {
    this.#byNode.set(member.node, member);
    this.members.push(member);
    this.#swap(this.members.length - 1, this.#seat.random.below(this.members.length));
  }

  #swap(one: number, other: number): void {
    const { members } = this;
    const member = members[one] as Member;
    members[one] = members[other] as Member;
    members[other] = member;
  }
}
