/**
 * What the directory is given and what it gives back: its bounds and intervals, the seams that it
 * works through, and the effects that it asks for.
 */
import { MEMBERS_MAX } from "../core/limits.ts";
import type { Random, Signer, Verifier } from "../core/seams.ts";
import type { MemberState, NodeId } from "../core/types.ts";
import { ANTI_ENTROPY_DEFAULTS, type AntiEntropyConfig } from "./anti-entropy.ts";
import type { CertificateCheck } from "./document-codec.ts";
import type { StatementReader } from "./statement-reader.ts";

export interface DirectoryConfig {
  /**
   * This node's region, as in its certificate and its document: it names the topic that it
   * publishes on. "" where regions are not used.
   */
  readonly region: string;
  /** False leaves everything to anti-entropy. */
  readonly pushEnabled: boolean;
  /** How long others keep the documents of an owner that is gone. */
  readonly leaseMs: number;
  /** Between two own publications after the first. */
  readonly publishIntervalMs: number;
  /** Pushes accepted of one owner. */
  readonly ownerPushesPerSecond: number;
  readonly ownerPushBurst: number;
  /** Refused messages that are remembered, and for how long. */
  readonly quarantineMax: number;
  readonly quarantineMs: number;
  readonly ownersMax: number;
  /** All messages together. */
  readonly storedBytesMax: number;
  readonly sweepIntervalMs: number;
  readonly antiEntropy: AntiEntropyConfig;
}

export const DIRECTORY_DEFAULTS: DirectoryConfig = {
  region: "",
  pushEnabled: true,
  leaseMs: 12 * 3_600_000,
  publishIntervalMs: 1_000,
  ownerPushesPerSecond: 2,
  ownerPushBurst: 20,
  quarantineMax: 1_024,
  quarantineMs: 600_000,
  ownersMax: MEMBERS_MAX,
  storedBytesMax: 512 * 1024 * 1024,
  sweepIntervalMs: 60_000,
  antiEntropy: ANTI_ENTROPY_DEFAULTS,
};

export interface DirectoryOptions {
  readonly self: NodeId;
  /** One per start of the node, growing, on disk before it is used. */
  readonly epoch: number;
  /** Random per start: tells a former life from a clone with the same key. */
  readonly nonce: number;
  readonly config: DirectoryConfig;
  readonly random: Random;
  readonly signer: Signer;
  readonly verifier: Verifier;
  readonly checkCertificate: CertificateCheck;
  /** What the failure detector holds of a member; undefined if it does not know it. */
  readonly memberState: (peer: NodeId) => MemberState | undefined;
  /** Shared by the nodes of one simulation; an agent has its own. */
  readonly reader?: StatementReader;
}

/** What an operator should hear of; none of it needs an answer but "duplicate_identity". */
export type DirectoryReport =
  | { readonly kind: "refused"; readonly owner: NodeId | undefined; readonly reason: string }
  /** One owner signed two different statements with one (epoch, seq). */
  | {
      readonly kind: "equivocation";
      readonly owner: NodeId;
      readonly epoch: number;
      readonly seq: number;
    }
  /** Statements of this node that it does not know were met, and outrun. */
  | { readonly kind: "outrun"; readonly epoch: number; readonly seq: number }
  /** Somebody else publishes under this node's key right now: one of the two must stop. */
  | { readonly kind: "duplicate_identity"; readonly nonce: number }
  /** An own registration that others would refuse; it is not published. */
  | { readonly kind: "not_offered"; readonly instance: string; readonly reason: string };

export interface DirectoryOutput {
  send(peer: NodeId, packet: Uint8Array): void;
  publish(topic: string, message: Uint8Array): void;
  /** What get or failing say of this owner may have changed. */
  changed(owner: NodeId): void;
  /** Worth keeping for the next start; replaces what was kept for this owner and part. */
  persist(owner: NodeId, message: Uint8Array, part: number): void;
  report?(report: DirectoryReport): void;
}
