/** The words that every part of Grapevine shares: identities, moments in time, names. */

declare const brand: unique symbol;
type Brand<Base, Name extends string> = Base & { readonly [brand]: Name };

/** A node's identity: its Ed25519 libp2p PeerId in base58 ("12D3KooW…"); it contains the public key. */
export type NodeId = Brand<string, "NodeId">;

/** Milliseconds from an arbitrary zero on a clock that never goes back. May have a fraction. */
export type Millis = Brand<number, "Millis">;

/** Milliseconds since 1970 by the wall clock, which an operator may set. Leases and certificates only. */
export type WallMillis = Brand<number, "WallMillis">;

/** "namespace/name", both DNS labels in lower case. */
export type ServiceKey = Brand<string, "ServiceKey">;

/** How a service speaks: declared at registration, never sniffed. */
export type RegisteredProtocol = "http" | "h2c" | "grpc" | "tcp";

/** What an application may register. */
export const SERVICE_PROTOCOLS: readonly RegisteredProtocol[] = ["http", "h2c", "grpc", "tcp"];

/** "actor": an actor type and a process that hosts it; offered by the actor runtime alone. */
export type ServiceProtocol = RegisteredProtocol | "actor";

/** A member's state as this node sees it; at equal (epoch, incarnation) the later word wins. */
export type MemberState = "alive" | "suspect" | "dead" | "left";

/** What the checks say of an instance: one with a check is "failing" until its first success. */
export type InstanceHealth = "passing" | "failing";
