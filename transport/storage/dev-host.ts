/**
 * What makes several `--dev` agents on one host get along: names that are unique among the live
 * agents of this user, and ports that are free. A name is a lock that ends with its process, so a
 * killed agent's name is free again at once, whoever gets its process id.
 */
import { createHash } from "node:crypto";
import { lstatSync, rmSync } from "node:fs";
import net from "node:net";
import { tmpdir, userInfo } from "node:os";
import { join, resolve } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { GrapevineError } from "../../core/errors.ts";
import { isLabel } from "../../core/names.ts";
import { isCorruption } from "./database.ts";
import { type HeldLock, tryLock } from "./directory-lock.ts";
import { makeFolder } from "./make-folder.ts";

/** Agents of one user on one host; each has a name to itself. */
const DEV_AGENTS_MAX = 1_000;
const NAMES_FILE = "names.db";
const LABEL_LENGTH_MAX = 63;
const PORT_MAX = 65_535;

export interface ClaimedName {
  readonly name: string;
  /** Frees the name; the end of the process does the same. */
  release(): void;
}

/**
 * `wanted`, or `wanted`-2, -3 … if live agents hold those before it. A data directory gets the name
 * again that it had, if that is free. `registryDir` is for tests.
 */
export function claimDevName(
  wanted: string,
  dataDir: string,
  registryDir: string = join(tmpdir(), `grapevine-dev-${userInfo().uid}`),
): ClaimedName {
  if (!isLabel(wanted)) {
    throw new GrapevineError("config_invalid", `name "${wanted}" is not a DNS label`);
  }
  checkRegistry(registryDir);
  try {
    return claim(wanted, resolve(dataDir), registryDir);
  } catch (cause) {
    if (cause instanceof GrapevineError) throw cause;
    if (!isCorruption(cause)) throw unusableRegistry(registryDir, cause);
    // It only remembers preferences: the locks say what is taken.
    rmSync(join(registryDir, NAMES_FILE), { force: true });
    return claim(wanted, resolve(dataDir), registryDir);
  }
}

function claim(wanted: string, folder: string, registryDir: string): ClaimedName {
  const database = new DatabaseSync(join(registryDir, NAMES_FILE), { timeout: 5_000 });
  try {
    // Nothing here must survive a crash of the machine, and nobody may claim while another does.
    database.exec("PRAGMA synchronous = OFF; BEGIN IMMEDIATE");
    database.exec("CREATE TABLE IF NOT EXISTS names (folder TEXT PRIMARY KEY, name TEXT NOT NULL)");
    const kept = database.prepare("SELECT name FROM names WHERE folder = ?").get(folder)?.["name"];
    const claimed = firstFree(candidates(wanted, kept), registryDir);
    database
      .prepare("INSERT INTO names VALUES (?, ?) ON CONFLICT DO UPDATE SET name = excluded.name")
      .run(folder, claimed.name);
    database.exec("COMMIT");
    return claimed;
  } finally {
    database.close();
  }
}

function* candidates(wanted: string, kept: unknown): Generator<string> {
  if (typeof kept === "string" && isVariant(kept, wanted)) yield kept;
  yield wanted;
  for (let number = 2; number <= DEV_AGENTS_MAX; number += 1) yield variant(wanted, number);
}

function variant(wanted: string, number: number): string {
  const suffix = `-${number}`;
  return wanted.slice(0, LABEL_LENGTH_MAX - suffix.length).replace(/-+$/, "") + suffix;
}

function isVariant(name: string, wanted: string): boolean {
  if (name === wanted) return true;
  const number = Number(/-(\d+)$/.exec(name)?.[1]);
  return Number.isSafeInteger(number) && name === variant(wanted, number);
}

function firstFree(names: Iterable<string>, registryDir: string): ClaimedName {
  for (const name of names) {
    const lock = lockName(name, registryDir);
    if (lock !== undefined) return { name, release: () => lock.release() };
  }
  throw new GrapevineError("conflict", `${DEV_AGENTS_MAX} development agents run on this host`);
}

function lockName(name: string, registryDir: string): HeldLock | undefined {
  // Hashed, since a file system may not tell names apart that differ for DNS.
  const file = createHash("sha256").update(name).digest("hex").slice(0, 32);
  return tryLock(join(registryDir, `${file}.lock`));
}

/** Others must not be able to hold our names or to lead us to their files. */
function checkRegistry(registryDir: string): void {
  try {
    makeFolder(registryDir, 0o700);
    const { uid, mode } = lstatSync(registryDir);
    const { uid: own } = userInfo();
    if (!lstatSync(registryDir).isDirectory()) throw new Error("it is not a folder");
    if (own >= 0 && uid !== own) throw new Error("it belongs to another user");
    if (process.platform !== "win32" && (mode & 0o022) !== 0)
      throw new Error("others may write to it");
  } catch (cause) {
    throw unusableRegistry(registryDir, cause);
  }
}

function unusableRegistry(registryDir: string, cause: unknown): GrapevineError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new GrapevineError(
    "data_dir_invalid",
    `${registryDir}, where development agents agree on names, cannot be used: ${why}; remove it, ` +
      `set TMPDIR, or give the agent a name with --name`,
    { cause },
  );
}

/** The first port from `from` upwards that can be listened on now; `from` itself if it is 0. */
export async function firstFreePort(host: string, from: number): Promise<number> {
  if (from === 0) return 0;
  for (let port = from; port <= Math.min(from + DEV_AGENTS_MAX, PORT_MAX); port += 1) {
    if (await canListen(host, port)) return port;
  }
  throw new GrapevineError("address_in_use", `no free port on ${host} from ${from} upwards`);
}

function canListen(host: string, port: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const server = net.createServer();
    server.once("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "EADDRINUSE" || error.code === "EACCES") resolve(false);
      else
        reject(new GrapevineError("config_invalid", `cannot listen on ${host}: ${error.message}`));
    });
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(true)));
  });
}
