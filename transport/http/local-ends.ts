/**
 * Knows the connections that this process has opened, from their other end. A service registered at
 * the agent's own proxy, or a name outside that resolves to it, would send a request round and
 * round; the listener that is reached in this way recognises the connection as the agent's own,
 * whatever name or address led there.
 */
import type { Socket } from "node:net";

export class LocalEnds {
  readonly #connecting = new Set<Socket>();
  readonly #connected = new Set<string>();

  /** Follows a socket from its first attempt to connect to its close. */
  add(socket: Socket): void {
    this.#connecting.add(socket);
    let ends: string | undefined;
    socket.once("connect", () => {
      this.#connecting.delete(socket);
      ends = `${localEnd(socket)} ${remoteEnd(socket)}`;
      this.#connected.add(ends);
    });
    socket.once("close", () => {
      this.#connecting.delete(socket);
      if (ends !== undefined) this.#connected.delete(ends);
    });
  }

  /** Whether an accepted socket is the other end of one that was added. */
  has(accepted: Socket): boolean {
    const from = remoteEnd(accepted);
    if (this.#connected.has(`${from} ${localEnd(accepted)}`)) return true;
    // The listener may see a connection in the turn before its dialer does.
    for (const socket of this.#connecting) if (localEnd(socket) === from) return true;
    return false;
  }
}

function localEnd(socket: Socket): string {
  return `${plain(socket.localAddress)} ${socket.localPort}`;
}

function remoteEnd(socket: Socket): string {
  return `${plain(socket.remoteAddress)} ${socket.remotePort}`;
}

/** IPv4 as such, also on a dual-stack socket. */
function plain(address: string | undefined): string {
  return (address ?? "").replace(/^::ffff:/, "");
}
