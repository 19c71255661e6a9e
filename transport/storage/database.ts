/**
 * The state database: opened, checked, and set aside if it is broken. SQLite in WAL mode survives a
 * crash at any moment; what it cannot survive (bytes changed or cut off from outside) is found when
 * it is opened, and the agent goes on with an empty one, since its registrations come back from the
 * services and everything else from the mesh.
 */
import { chmodSync, existsSync, renameSync, statSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { GrapevineError } from "../../core/errors.ts";

const SCHEMA_VERSION = 1;
const SCHEMA = `
  CREATE TABLE facts (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
  CREATE TABLE registrations (
    namespace TEXT NOT NULL, name TEXT NOT NULL, id TEXT NOT NULL, document TEXT NOT NULL,
    PRIMARY KEY (namespace, name, id)
  ) WITHOUT ROWID;
  CREATE TABLE forwards (key TEXT PRIMARY KEY, document TEXT NOT NULL) WITHOUT ROWID;
  CREATE TABLE peers (
    id TEXT PRIMARY KEY, bind TEXT NOT NULL, last_seen INTEGER NOT NULL
  ) WITHOUT ROWID;
  CREATE TABLE documents (owner TEXT PRIMARY KEY, bytes BLOB NOT NULL);
`;
const WITHOUT_EARLIER =
  "this agent starts without its earlier registrations and forwards: register the services again";
/** SQLite's words for a file that is not, or no longer, a database. */
const SQLITE_CORRUPT = 11;
const SQLITE_NOTADB = 26;

export interface OpenedDatabase {
  readonly database: DatabaseSync;
  /** Set if a broken database was set aside. */
  readonly warning: string | undefined;
}

/** Throws `data_dir_invalid` for a database of a newer Grapevine, else what SQLite throws. */
export function openDatabase(path: string): OpenedDatabase {
  // For SQLite an empty file is a new database; for us it is one whose content was cut off.
  const isCutOff = existsSync(path) && statSync(path).size === 0;
  try {
    const warning = isCutOff ? `${path} was empty; ${WITHOUT_EARLIER}` : undefined;
    return { database: openChecked(path), warning };
  } catch (error) {
    if (!isCorruption(error)) throw error;
    const aside = setAside(path);
    const why = (error instanceof Error ? error.message : String(error)).replaceAll(/\s+/g, " ");
    return {
      database: openChecked(path),
      warning: `${path} was damaged (${why}) and has been kept as ${aside}; ${WITHOUT_EARLIER}`,
    };
  }
}

export function isCorruption(error: unknown): boolean {
  const code = (error as { errcode?: number }).errcode;
  // Extended codes carry the primary one in their low byte.
  return code !== undefined && [SQLITE_CORRUPT, SQLITE_NOTADB].includes(code & 0xff);
}

function openChecked(path: string): DatabaseSync {
  const database = new DatabaseSync(path, { timeout: 2_000 });
  try {
    database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;");
    const check = database.prepare("PRAGMA quick_check(1)").get() as { quick_check: string };
    if (check.quick_check !== "ok") throw corruption(check.quick_check);
    chmodSync(path, 0o600);
    migrate(database, path);
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

function migrate(database: DatabaseSync, path: string): void {
  const { user_version: version } = database.prepare("PRAGMA user_version").get() as {
    user_version: number;
  };
  if (version === SCHEMA_VERSION) return;
  if (version > SCHEMA_VERSION) {
    throw new GrapevineError(
      "data_dir_invalid",
      `${path} was written by a newer Grapevine (format ${version}, this one knows ` +
        `${SCHEMA_VERSION}); use that version, or another --data-dir`,
    );
  }
  database.exec(`BEGIN; ${SCHEMA} PRAGMA user_version = ${SCHEMA_VERSION}; COMMIT;`);
}

function setAside(path: string): string {
  const stamp = new Date().toISOString().replaceAll(/[:.]/g, "-");
  const aside = `${path}.corrupt-${stamp}`;
  for (const suffix of ["", "-wal", "-shm"]) {
    if (existsSync(path + suffix)) renameSync(path + suffix, aside + suffix);
  }
  return aside;
}

function corruption(detail: string): Error {
  return Object.assign(new Error(detail), { errcode: SQLITE_CORRUPT });
}
