/**
 * Tells which process opened a connection, so that one relay before each agent can treat each pair
 * of agents differently. The kernel lists every socket with its two ports and a number, and each
 * process's descriptors name the numbers of its sockets.
 */
import { existsSync, readdirSync, readFileSync, readlinkSync } from "node:fs";

const SOCKETS = "/proc/net/tcp";
const LOOPBACK = "0100007F";

export class Dialers {
  /** By the number of the socket. */
  readonly #owners = new Map<string, number>();
  readonly #pids: () => ReadonlyMap<number, number>;

  /** `pids`: the running processes and their nodes. */
  constructor(pids: () => ReadonlyMap<number, number>) {
    this.#pids = pids;
  }

  static get isPossible(): boolean {
    return existsSync(SOCKETS);
  }

  /** The node whose process connected from `port` to `relayPort`, both on 127.0.0.1. */
  find(port: number, relayPort: number): number | undefined {
    const inode = socketNumber(port, relayPort);
    if (inode === undefined) return undefined;
    if (!this.#owners.has(inode)) this.#scan();
    return this.#owners.get(inode);
  }

  #scan(): void {
    this.#owners.clear();
    for (const [pid, node] of this.#pids()) {
      for (const inode of socketsOf(pid)) this.#owners.set(inode, node);
    }
  }
}

function socketNumber(port: number, relayPort: number): string | undefined {
  const hex = (number: number) => number.toString(16).toUpperCase().padStart(4, "0");
  const wanted = `${LOOPBACK}:${hex(port)} ${LOOPBACK}:${hex(relayPort)} `;
  const line = readFileSync(SOCKETS, "utf8")
    .split("\n")
    .find((each) => each.includes(wanted));
  // Slot, two addresses, state, queues, timer, retransmits, user, timeout, number.
  return line?.trim().split(/\s+/)[9];
}

function socketsOf(pid: number): string[] {
  const folder = `/proc/${pid}/fd`;
  const found: string[] = [];
  try {
    for (const descriptor of readdirSync(folder)) {
      const inode = /^socket:\[(\d+)\]$/.exec(linkOf(`${folder}/${descriptor}`))?.[1];
      if (inode !== undefined) found.push(inode);
    }
  } catch {
    // The process has just ended.
  }
  return found;
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return "";
  }
}
