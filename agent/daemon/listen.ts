/**
 * Opens a listener where the configuration wants it. A default of a development agent is movable:
 * if the port is taken, the next free one does as well, and since several agents may start at the
 * same moment, losing the race for a port only means to look again.
 */
import { GrapevineError } from "../../core/errors.ts";
import { formatHostPort } from "../../transport/addresses.ts";
import { firstFreePort } from "../../transport/storage/dev-host.ts";
import type { ListenAddress } from "../config/config.ts";

const RACES_MAX = 20;

/** `flag` names the setting in the error. Rejects with `address_in_use`. */
export async function listenAt<Listener>(
  wanted: ListenAddress,
  flag: string,
  open: (host: string, port: number) => Promise<Listener>,
): Promise<Listener> {
  let { port } = wanted;
  for (let race = 1; ; race += 1) {
    if (wanted.movable) port = await firstFreePort(wanted.host, port);
    try {
      return await open(wanted.host, port);
    } catch (error) {
      if (!isInUse(error)) throw error;
      if (wanted.movable && race < RACES_MAX) continue;
      throw new GrapevineError(
        "address_in_use",
        `${flag} ${formatHostPort(wanted.host, port)} is in use by another process; ` +
          `stop it, or give another address with ${flag} HOST:PORT (port 0 takes a free one)`,
        { cause: error },
      );
    }
  }
}

function isInUse(error: unknown): boolean {
  if (error instanceof GrapevineError && error.short === "address_in_use") return true;
  return (error as NodeJS.ErrnoException | undefined)?.code === "EADDRINUSE";
}
