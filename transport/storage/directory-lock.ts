/**
 * A lock that one process holds on a name in the file system, and that the operating system takes
 * back when the process ends, however it ends: an exclusive SQLite transaction on a file made for
 * it (byte-range locks underneath, and SQLite's own table between threads of one process). Who
 * holds it stands in a second file, for error messages only; the first must not be opened by
 * other code, since closing any handle on it would drop the lock.
 */
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";

const SQLITE_BUSY = 5;
/** Keeps the handles of held locks: one that is collected as garbage would drop its lock. */
const held = new Set<DatabaseSync>();

export interface HeldLock {
  release(): void;
}

/** Undefined if another holder lives. Throws what the file system throws. */
export function tryLock(path: string): HeldLock | undefined {
  const database = new DatabaseSync(path, { timeout: 0 });
  try {
    // Without a journal file the lock leaves nothing behind that a crash would have to repair.
    database.exec("PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE");
  } catch (error) {
    database.close();
    if ((error as { errcode?: number }).errcode === SQLITE_BUSY) return undefined;
    throw error;
  }
  writeHolder(path);
  held.add(database);
  return {
    release() {
      if (!held.delete(database)) return;
      rmSync(holderPath(path), { force: true });
      database.close();
    },
  };
}

/** The process that says it holds the lock; undefined if nobody has written one down. */
export function lockHolder(path: string): number | undefined {
  try {
    const pid = Number(readFileSync(holderPath(path), "utf8"));
    return Number.isSafeInteger(pid) && pid > 0 ? pid : undefined;
  } catch {
    return undefined;
  }
}

function holderPath(path: string): string {
  return `${path}.pid`;
}

function writeHolder(path: string): void {
  try {
    writeFileSync(holderPath(path), `${process.pid}\n`, { mode: 0o600 });
  } catch {
    // The lock holds without it; only a message would be poorer.
  }
}
