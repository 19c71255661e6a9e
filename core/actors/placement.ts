/**
 * Who owns an actor: the first in its key's preference list whose agent is not leaving. The list is
 * the one that keyed HTTP requests use, so all nodes with the same members agree. Breakers and
 * latency have no say: a second activation is worse than an error, so a call never walks past the
 * owner.
 */
import type { ServiceState, Target } from "../router/services.ts";
import type { NodeId } from "../types.ts";
import type { MeshView } from "../view.ts";

/** Undefined if every host is leaving. `avoid` is known to leave before the view says so. */
export function ownerOf(
  state: ServiceState,
  view: MeshView,
  key: string,
  avoid?: NodeId,
): Target | undefined {
  const { ring } = state;
  const first = ring.ownerOf(key);
  if (first === undefined || isStaying(first, view, avoid)) return first;
  return ring
    .preferenceList(key, ring.members.length)
    .find((target) => isStaying(target, view, avoid));
}

function isStaying({ instance: { agent } }: Target, view: MeshView, avoid?: NodeId): boolean {
  return agent !== avoid && view.members.get(agent)?.leaving !== true;
}

/** Equal for two moments between which no key of the service can have changed its owner. */
export function placementVersion(state: ServiceState, view: MeshView): string {
  const leaving = state.targets.filter((target) => !isStaying(target, view));
  const owners = state.targets.map(({ id, instance }) => `${id}=${instance.agent}`);
  return `${owners.join(" ")} -${leaving.map(({ id }) => id).join(" ")}`;
}
