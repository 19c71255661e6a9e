/**
 * The two documents by which an agent tells the mesh what it offers, as data. The owner document
 * says what is registered and where the agent is reached; it changes when somebody registers. The
 * vitals say how the instances are right now; they change often and are small. Both are signed by
 * their owner, and both are replaced whole, never merged: the newest by (epoch, seq, hash) wins.
 */
import type { NodeId, ServiceProtocol } from "../core/types.ts";

export interface InstanceEntry {
  readonly namespace: string;
  readonly name: string;
  readonly id: string;
  readonly protocol: ServiceProtocol;
  readonly ports: readonly number[];
  readonly address: string;
  readonly version: string;
  readonly weight: number;
  readonly tags: Readonly<Record<string, string>>;
}

export interface OwnerDocument {
  readonly owner: NodeId;
  readonly epoch: number;
  readonly seq: number;
  /** Random per process start: tells a restarted self from a clone with the same key. */
  readonly nonce: number;
  /** Unix milliseconds; for garbage collection only. */
  readonly notAfter: number;
  readonly name: string;
  /** HOST:PORT of the control plane and of the link port. */
  readonly bind: string;
  readonly link: string;
  readonly zone: string;
  readonly region: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly version: string;
  /** The owner's node certificate, as issued. */
  readonly certificate: Uint8Array;
  readonly instances: readonly InstanceEntry[];
}

export interface VitalsDocument {
  readonly owner: NodeId;
  readonly epoch: number;
  readonly seq: number;
  /** "namespace/name/id" of each instance that does not pass its checks. */
  readonly failing: readonly string[];
}
