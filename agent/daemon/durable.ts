/**
 * Adapts the agent's database to what keeps things in it: registrations, forwards, and what was
 * learned of other agents, which makes the next start quicker but is never relied upon.
 */
import { parseServiceName } from "../../core/names.ts";
import type { NodeId } from "../../core/types.ts";
import type { MeshView } from "../../core/view.ts";
import type { AgentState } from "../../transport/storage/state.ts";
import type { RegistrationStore } from "../registrations/store.ts";

export function registrationStore(state: AgentState): RegistrationStore {
  return {
    put: (key, value) => state.putRegistration(registrationKey(key), value),
    delete: (key) => {
      state.deleteRegistration(registrationKey(key));
    },
    all: () =>
      state
        .registrations()
        .map(
          ({ namespace, name, id, document }) => [`${namespace}/${name}/${id}`, document] as const,
        ),
  };
}

function registrationKey(key: string) {
  const slash = key.lastIndexOf("/");
  const service = parseServiceName(key.slice(0, slash));
  if (service === undefined) throw new Error(`assertion failed: ${key} is not a registration key`);
  return { ...service, id: key.slice(slash + 1) };
}

/** What was learned of other agents, by owner and part of its statements. */
export class Learned {
  readonly #state: AgentState;
  readonly #self: NodeId;
  readonly #binds = new Map<NodeId, string>();

  constructor(state: AgentState, self: NodeId) {
    this.#state = state;
    this.#self = self;
    for (const { id, bind } of state.knownPeers()) this.#binds.set(id, bind);
  }

  peers(): readonly { readonly id: NodeId; readonly bind: string }[] {
    return [...this.#binds].map(([id, bind]) => ({ id, bind }));
  }

  /** Hands over every statement on disk; one that is not taken (its lease is over) is deleted. */
  restore(take: (message: Uint8Array) => boolean): void {
    for (const { owner, bytes } of this.#state.documents()) {
      if (!take(bytes)) this.#state.deleteDocument(owner);
    }
  }

  keepStatement(owner: NodeId, message: Uint8Array, part: number): void {
    if (owner !== this.#self) this.#state.putDocument(`${owner}#${part}` as NodeId, message);
  }

  forget(owner: NodeId): void {
    this.#binds.delete(owner);
    for (const { owner: key } of this.#state.documents()) {
      if (key.startsWith(`${owner}#`)) this.#state.deleteDocument(key);
    }
  }

  /** Keeps the addresses of live members that are new or have changed. */
  onView(view: MeshView, wallMs: number): void {
    for (const { id, bind, state, self } of view.members.values()) {
      if (self || bind === "" || state !== "alive" || this.#binds.get(id) === bind) continue;
      this.#binds.set(id, bind);
      this.#state.putKnownPeer({ id, bind, lastSeen: wallMs });
    }
  }
}
