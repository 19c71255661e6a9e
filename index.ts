/** Grapevine for programs: actors, a node in this process, and the way through the local agent. */

export type { ActorReferences } from "./agent/actors/reference.ts";
export { type ActorConnection, type ConnectOptions, connect } from "./agent/client/connect.ts";
export { createNode, type EmbeddedNode, type NodeOptions } from "./agent/embedded/create-node.ts";
export type {
  ActorAddress,
  ActorContext,
  ActorDefinition,
  ActorOptions,
  AnyActorDefinition,
  CallOptions,
  Ref,
} from "./core/actors/definition.ts";
export { defineActor, tell, withOptions } from "./core/actors/definition.ts";
export { RemoteError } from "./core/actors/remote-error.ts";
export { GrapevineError } from "./core/errors.ts";
