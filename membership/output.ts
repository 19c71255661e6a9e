/** What the failure detector asks of the world, and what it tells its node. */
import type { MemberState, Millis, NodeId } from "../core/types.ts";

export type MemberEventKind =
  | "joined"
  | "alive"
  | "suspect"
  | "dead"
  | "left"
  | "leaving"
  | "refuted"
  | "forgotten"
  | "duplicate_identity";

export interface MemberEvent {
  readonly kind: MemberEventKind;
  readonly peer: NodeId;
  /** For people: who said so and on what ground. */
  readonly why: string;
  readonly epoch: number;
  readonly incarnation: number;
  readonly at: Millis;
}

export interface MembershipOutput {
  dial(address: string, expect: NodeId | undefined): void;
  send(peer: NodeId, packet: Uint8Array): void;
  hangUp(peer: NodeId): void;
  changed(event: MemberEvent): void;
}

/** "ok": dealt with. "ignored": of a later version. The others blame the sender. */
export type PacketVerdict = "ok" | "ignored" | "malformed" | "forged";

export interface MemberRow {
  readonly id: NodeId;
  readonly state: MemberState;
  readonly leaving: boolean;
  readonly self: boolean;
  readonly epoch: number;
  readonly incarnation: number;
  /** HOST:PORT of the control plane. */
  readonly bind: string;
  readonly since: Millis;
  /** Who accuses it; empty unless it is suspect, dead or forgotten. */
  readonly accuser: NodeId | "";
  readonly basis: string;
  /** Accusers that this node knows of while it is suspect. */
  readonly accusers: number;
}
