/**
 * An agent's data directory: made for its owner alone, writable, and used by one agent at a time.
 */
import { accessSync, chmodSync, constants, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { GrapevineError } from "../../core/errors.ts";
import { type HeldLock, lockHolder, tryLock } from "./directory-lock.ts";
import { makeFolder } from "./make-folder.ts";

const LOCK_FILE = "agent.lock";
const REMEDY = "choose another folder with --data-dir, or change its owner or mode";

/**
 * Makes the directory (mode 0700) if need be and locks it. Throws `data_dir_invalid`, or
 * `data_dir_in_use` naming the process that holds it.
 */
export function lockDataDir(dir: string): HeldLock {
  const path = resolve(dir);
  try {
    makeFolder(path, 0o700);
    accessSync(path, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (cause) {
    throw unusable(path, cause);
  }
  restrict(path);
  const file = join(path, LOCK_FILE);
  let lock: HeldLock | undefined;
  try {
    lock = tryLock(file);
  } catch (cause) {
    throw unusable(path, cause);
  }
  if (lock === undefined) {
    const pid = lockHolder(file);
    throw new GrapevineError(
      "data_dir_in_use",
      `data directory ${path} is used by another agent (pid ${pid ?? "unknown"}); stop it, or ` +
        `choose another folder with --data-dir`,
    );
  }
  return lock;
}

export function unusable(path: string, cause: unknown): GrapevineError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new GrapevineError(
    "data_dir_invalid",
    `data directory ${path} cannot be used: ${why}; ${REMEDY}`,
    { cause },
  );
}

/** Others may not read keys and registrations; a folder of another owner stays as it is. */
function restrict(path: string): void {
  try {
    if ((statSync(path).mode & 0o077) !== 0) chmodSync(path, 0o700);
  } catch {
    // Not ours to change.
  }
}
