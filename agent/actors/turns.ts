/** How actors of this process take turns, and how its references call. */
import type { AnyActorDefinition } from "../../core/actors/definition.ts";
import type { PromiseCall } from "../../core/actors/promise-call.ts";
import type { ActorRouter } from "../../core/actors/router.ts";
import type { ActorSeams } from "../assemble.ts";
import { type ActorCaller, referenceTo } from "./reference.ts";

/** The part of a mesh node that calls go through. */
interface Calling {
  readonly actors: { readonly router: ActorRouter };
}

const settled = Promise.resolve();

/**
 * Calls back as a microtask, as soon as the running code lets go. A settled promise's reaction costs
 * a third of queueMicrotask, which makes an async resource.
 */
export function turnSoon(callback: () => void): void {
  void settled.then(callback);
}

/** Calls through a node of this process; it is looked up late, because its actors need this first. */
export function nodeCaller(node: () => Calling): ActorCaller {
  return {
    now: () => performance.now(),
    start: (call: PromiseCall) => node().actors.router.call(call),
  };
}

export function actorSeams(node: () => Calling): ActorSeams {
  const caller = nodeCaller(node);
  return {
    soon: turnSoon,
    reference: (definition: AnyActorDefinition, key: string) =>
      referenceTo(caller, definition, key),
  };
}
