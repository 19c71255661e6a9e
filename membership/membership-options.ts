/** What one node's failure detector is made from. */
import type { Random, Signer, Verifier } from "../core/seams.ts";
import type { NodeId } from "../core/types.ts";
import type { MembershipConfig } from "./config.ts";
import type { Registry } from "./registry.ts";

export interface MembershipOptions {
  readonly self: NodeId;
  /** Persisted before use, and greater than any earlier one of this identity. */
  readonly epoch: number;
  /** Random per process start. */
  readonly nonce: number;
  /** HOST:PORT at which others reach this node's control plane. */
  readonly bind: string;
  readonly config: MembershipConfig;
  readonly random: Random;
  readonly signer: Signer;
  readonly verifier: Verifier;
  /** Shared by the nodes of one simulation; an agent has its own. */
  readonly registry?: Registry;
}
