/**
 * Which peers are connected. Two agents that dial each other at once get two connections, and both
 * are kept: closing one would have to be agreed, and a dead one cannot be told from a live one at
 * once. A peer is connected while it has at least one; the newest carries what is sent.
 */
import { CONTROL_CONNECTIONS_PER_PEER_MAX } from "../../core/limits.ts";
import type { NodeId } from "../../core/types.ts";
import type { ControlChannel } from "./channel.ts";

export class PeerTable {
  /** Oldest first; never an empty list. */
  readonly #channels = new Map<NodeId, ControlChannel[]>();

  newest(peer: NodeId): ControlChannel | undefined {
    return this.#channels.get(peer)?.at(-1);
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
