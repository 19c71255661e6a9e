/**
 * The Unix socket's file: who may open it, and whose it is. The socket is made under a name that
 * nobody knows, given its mode, and only then linked to its path, which fails if something is
 * there: so it is never open to others for a moment, and of two agents that start at once only one
 * gets it. What is there already is asked first: a living agent keeps it, a dead one's socket is
 * replaced.
 */
import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { chmod, chown, link, lstat, readFile, rename, unlink } from "node:fs/promises";
import { request } from "node:http";
import type { Server } from "node:net";
import { connect } from "node:net";
import { basename, dirname, join } from "node:path";
import { promisify } from "node:util";
import { GrapevineError } from "../../core/errors.ts";
import { makeFolder } from "../../transport/storage/make-folder.ts";

/** sockaddr_un.sun_path without its closing zero byte: 108 on Linux, 104 on macOS. */
export const SOCKET_PATH_BYTES_MAX = process.platform === "darwin" ? 103 : 107;
const PROBE_TIMEOUT_MS = 1_000;
/** Another agent may take or leave the path between two of our steps; then we look again. */
const TRIES_MAX = 3;

export interface SocketFileOptions {
  readonly path: string;
  /** Name or number of the group that may open it too. */
  readonly group: string | undefined;
}

export interface SocketFile {
  /** Removes the file if it is still this server's. */
  remove(): Promise<void>;
}

/** Lets `server` listen there. Throws `socket_in_use`, `forbidden` or `invalid_argument`. */
export async function listenOnSocketFile(
  server: Server,
  options: SocketFileOptions,
): Promise<SocketFile> {
  try {
    return await make(server, options);
  } catch (error) {
    if (error instanceof GrapevineError) throw error;
    const why = error instanceof Error ? error.message : String(error);
    throw new GrapevineError(
      "invalid_argument",
      `cannot make the socket ${options.path}: ${why}; choose another path with --socket`,
      { cause: error },
    );
  }
}

async function make(server: Server, { path, group }: SocketFileOptions): Promise<SocketFile> {
  // The hidden name must fit as well; only for very short names is it the longer of the two.
  const hidden = join(dirname(path), `.${randomBytes(3).toString("hex")}`);
  checkLength(path, Math.max(Buffer.byteLength(path), Buffer.byteLength(hidden)));
  const gid = group === undefined ? undefined : await findGroup(group);
  await prepareFolder(dirname(path), gid);
  await refuseIfTaken(path);
  await listen(server, hidden);
  try {
    await chmod(hidden, gid === undefined ? 0o600 : 0o660);
    if (gid !== undefined) await setGroup(hidden, gid, group);
    await publish(hidden, path);
  } catch (error) {
    server.close();
    throw error;
  }
  const { ino } = await lstat(path);
  return {
    remove: async () => {
      const there = await lstat(path).catch(() => undefined);
      if (there?.ino === ino) await unlink(path).catch(() => undefined);
    },
  };
}

function checkLength(path: string, bytes: number): void {
  if (bytes <= SOCKET_PATH_BYTES_MAX) return;
  const limit = `the system allows ${SOCKET_PATH_BYTES_MAX} bytes for a Unix socket`;
  throw new GrapevineError(
    "invalid_argument",
    `the socket's path is too long (${bytes} bytes; ${limit}): ${path}; choose a shorter --socket`,
  );
}

async function prepareFolder(folder: string, gid: number | undefined): Promise<void> {
  const first = makeFolder(folder, gid === undefined ? 0o700 : 0o750);
  if (first === undefined || gid === undefined) return;
  await chown(folder, -1, gid);
}

/** Throws if something other than the socket of a dead agent is there; removes that. */
async function refuseIfTaken(path: string): Promise<void> {
  const there = await lstat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });
  if (there === undefined) return;
  if (!there.isSocket()) {
    const advice = "remove it or choose another --socket";
    throw new GrapevineError("socket_in_use", `${path} exists and is not a socket; ${advice}`);
  }
  const state = await probeSocket(path);
  if (state === "dead") {
    const again = await lstat(path).catch(() => undefined);
    if (again?.ino === there.ino) await unlink(path).catch(() => undefined);
    return;
  }
  if (state === "forbidden") {
    const advice = "it belongs to another user; choose another --socket";
    throw new GrapevineError("socket_in_use", `the socket ${path} cannot be opened: ${advice}`);
  }
  const owner = await askOwner(path);
  throw new GrapevineError(
    "socket_in_use",
    `the socket ${path} is served by ${owner}; stop it or choose another --socket`,
  );
}

function probeSocket(path: string): Promise<"alive" | "dead" | "forbidden"> {
  return new Promise((resolve) => {
    const socket = connect({ path });
    socket.once("connect", () => {
      socket.destroy();
      resolve("alive");
    });
    socket.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "EACCES" || error.code === "EPERM") resolve("forbidden");
      // EAGAIN: somebody listens and is too busy to accept.
      else resolve(error.code === "EAGAIN" ? "alive" : "dead");
    });
  });
}

/** "a running agent (a, pid 4711)", as far as it tells. */
function askOwner(path: string): Promise<string> {
  const unknown = "another process";
  return new Promise((resolve) => {
    const signal = AbortSignal.timeout(PROBE_TIMEOUT_MS);
    const outgoing = request({ socketPath: path, path: "/v1/status", agent: false, signal });
    outgoing.on("error", () => resolve(unknown));
    outgoing.on("response", async (response) => {
      try {
        let text = "";
        for await (const chunk of response) {
          text += chunk;
          if (text.length > 65_536) throw new Error("too long for a status");
        }
        const status = JSON.parse(text);
        const known = typeof status.pid === "number" && typeof status.name === "string";
        resolve(known ? `a running agent (${status.name}, pid ${status.pid})` : unknown);
      } catch {
        resolve(unknown);
      }
    });
    outgoing.end();
  });
}

async function listen(server: Server, path: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen({ path }, () => {
      server.removeListener("error", reject);
      resolve();
    });
  });
}

/** Gives the socket its path, if nobody has taken that in the meantime. */
async function publish(hidden: string, path: string): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      await link(hidden, path);
      await unlink(hidden);
      return;
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === "EPERM" || code === "ENOTSUP" || code === "EOPNOTSUPP") {
        // No hard links on this file system: the last to come would win, as with any other daemon.
        await rename(hidden, path);
        return;
      }
      if (code !== "EEXIST" || attempt === TRIES_MAX) throw error;
      await refuseIfTaken(path);
    }
  }
}

async function setGroup(path: string, gid: number, group: string | undefined): Promise<void> {
  try {
    await chown(path, -1, gid);
  } catch (error) {
    throw new GrapevineError(
      "forbidden",
      `cannot give ${basename(path)} to the group ${group}: this user is not a member of it`,
      { cause: error },
    );
  }
}

/** Node has no getgrnam; getent knows directories beyond /etc/group too. */
async function findGroup(group: string): Promise<number> {
  if (/^\d{1,9}$/.test(group)) return Number(group);
  const file = await readFile("/etc/group", "utf8").catch(() => "");
  let row = file.split("\n").find((line) => line.startsWith(`${group}:`));
  if (row === undefined && /^[\w.-]+$/.test(group)) {
    const found = await promisify(execFile)("getent", ["group", group]).catch(() => undefined);
    row = found?.stdout;
  }
  const gid = Number(row?.split(":")[2]);
  if (row !== undefined && Number.isInteger(gid)) return gid;
  const message = `there is no group "${group}" for --socket-group`;
  throw new GrapevineError("invalid_argument", message);
}
