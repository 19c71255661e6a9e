/**
 * The agent's epoch outside the database, so that it survives the database's loss. The epoch must
 * grow with every start: peers take the larger one for the newer life of this node.
 */
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from "node:fs";
import { dirname } from "node:path";

/** 0 if there is none that can be read. */
export function readEpoch(path: string): number {
  try {
    const epoch = Number(readFileSync(path, "utf8"));
    return Number.isSafeInteger(epoch) && epoch > 0 ? epoch : 0;
  } catch {
    return 0;
  }
}

/** On disk, whole, when it returns. */
export function writeEpoch(path: string, epoch: number): void {
  const temporary = `${path}.tmp`;
  const file = openSync(temporary, "w", 0o600);
  try {
    writeSync(file, `${epoch}\n`);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(temporary, path);
  const folder = openSync(dirname(path), "r");
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}
