/**
 * Which peers are connected. Two agents that dial each other at once get two connections, and both
 * are kept: closing one would have to be agreed, and a dead one cannot be told from a live one at
 * once. A peer is connected while it has at least one. What is sent goes where the peer was last
 * heard: a connection that died in silence is left at once, and two agents with one key, each
 * with its own connection, both get answers and so learn of each other.
 */
import { CONTROL_CONNECTIONS_PER_PEER_MAX } from "../../core/limits.ts";
import type { NodeId } from "../../core/types.ts";
import type { ControlChannel } from "./channel.ts";

export class PeerTable {
  /** The one last heard from at the end; never an empty list. */
  readonly #channels = new Map<NodeId, ControlChannel[]>();

  lastHeard(peer: NodeId): ControlChannel | undefined {
    return this.#channels.get(peer)?.at(-1);
  }

  onHeard(channel: ControlChannel): void {
    const channels = this.#channels.get(channel.peer);
    if (channels === undefined || channels.at(-1) === channel) return;
    const at = channels.indexOf(channel);
    if (at >= 0) channels.push(...channels.splice(at, 1));
  }

  of(peer: NodeId): readonly ControlChannel[] {
    return [...(this.#channels.get(peer) ?? [])];
  }

  all(): ControlChannel[] {
    return [...this.#channels.values()].flat();
  }

  peers(): NodeId[] {
    return [...this.#channels.keys()];
  }

  /** Adds it; `first` if the peer was not connected, `surplus` is one to close for the new one. */
  add(channel: ControlChannel): {
    readonly first: boolean;
    readonly surplus: ControlChannel | undefined;
  } {
    const channels = this.#channels.get(channel.peer);
    if (channels === undefined) {
      this.#channels.set(channel.peer, [channel]);
      return { first: true, surplus: undefined };
    }
    channels.push(channel);
    const over = channels.length > CONTROL_CONNECTIONS_PER_PEER_MAX;
    return { first: false, surplus: over ? channels[0] : undefined };
  }

  /** True if that was the peer's last connection. */
  remove(channel: ControlChannel): boolean {
    const channels = this.#channels.get(channel.peer);
    const at = channels?.indexOf(channel) ?? -1;
    if (channels === undefined || at < 0) return false;
    channels.splice(at, 1);
    if (channels.length > 0) return false;
    this.#channels.delete(channel.peer);
    return true;
  }
}
