/**
 * What this node believes of the mesh, as immutable snapshots. The control loop makes a new one
 * after each change; the router, DNS, metrics and the API read the newest and never keep parts of
 * an older one. Events elsewhere are only hints that a newer snapshot exists.
 */
import type {
  InstanceHealth,
  MemberState,
  Millis,
  NodeId,
  ServiceKey,
  ServiceProtocol,
} from "./types.ts";

export interface MemberView {
  readonly id: NodeId;
  /** From its certificate; "" until the certificate or its document is known. */
  readonly name: string;
  readonly state: MemberState;
  readonly leaving: boolean;
  readonly self: boolean;
  /** HOST:PORT of the control plane and of the link port; "" while not known. */
  readonly bind: string;
  readonly link: string;
  readonly zone: string;
  readonly region: string;
  readonly epoch: number;
  readonly incarnation: number;
  /** Grapevine's version there. */
  readonly version: string;
  /** When the state was last entered, on this node's clock. */
  readonly since: Millis;
}

export interface InstanceView {
  /** DNS label, unique in the service. */
  readonly id: string;
  readonly service: ServiceKey;
  readonly agent: NodeId;
  readonly agentName: string;
  readonly protocol: ServiceProtocol;
  /** Service ports that it answers for: 80 in http://web.mesh. */
  readonly ports: readonly number[];
  /** Where the agent finds it, for people: "127.0.0.1:8080" or "unix:/run/web.sock". */
  readonly address: string;
  readonly version: string;
  /** 0 takes no new traffic; others in proportion. */
  readonly weight: number;
  readonly tags: Readonly<Record<string, string>>;
  readonly health: InstanceHealth;
  readonly zone: string;
  readonly region: string;
  /** When this node learned of the instance. */
  readonly since: Millis;
  /** True where another agent registered the same id and wins: shown, but never routed to. */
  readonly conflict: boolean;
}

export interface ServiceView {
  readonly key: ServiceKey;
  readonly namespace: string;
  readonly name: string;
  readonly protocol: ServiceProtocol;
  /**
   * All known instances on members that are not dead or left, sorted by id, then agent. Empty where
   * only members that are dead or have left offered the service.
   */
  readonly instances: readonly InstanceView[];
}

export interface MeshView {
  /** Grows with each change. */
  readonly version: number;
  readonly self: NodeId;
  readonly members: ReadonlyMap<NodeId, MemberView>;
  readonly services: ReadonlyMap<ServiceKey, ServiceView>;
}
