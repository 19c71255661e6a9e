/** How actors of this process take turns, and how its references call. */
import type { PromiseCall } from "../../core/actors/promise-call.ts";
import type { ActorRouter } from "../../core/actors/router.ts";
import type { ActorCaller } from "./reference.ts";

const settled = Promise.resolve();

/**
 * Calls back as a microtask, as soon as the running code lets go. A settled promise's reaction costs
 * a third of queueMicrotask, which makes an async resource.
 */
export function turnSoon(callback: () => void): void {
  void settled.then(callback);
}

/** Calls through a node of this process; it is looked up late, because its actors need this first. */
export function nodeCaller(
  node: () => { readonly actors: { readonly router: ActorRouter } },
): ActorCaller {
  return {
    now: () => performance.now(),
    start: (call: PromiseCall) => node().actors.router.call(call),
  };
}
