/** A copy of the source in a folder of its own, for one mutant, with the dependencies linked to. */
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { applyHunks, type FilePatch } from "./patch.ts";

const ROOT = fileURLToPath(new URL("../../../", import.meta.url));
/** Everything that the command line reaches. */
const COPIED = ["agent", "cli", "core", "membership", "policies", "sim", "transport"];
const ALONE = ["index.ts", "package.json", "tsconfig.json"];

export interface Tree {
  readonly root: string;
  remove(): void;
}

/** Throws, and leaves nothing behind, if the patch does not apply. */
export function createTree(files: readonly FilePatch[]): Tree {
  const root = mkdtempSync(join(tmpdir(), "grapevine-mutant-"));
  const remove = () => rmSync(root, { recursive: true, force: true });
  try {
    for (const name of [...COPIED, ...ALONE]) {
      cpSync(join(ROOT, name), join(root, name), { recursive: true });
    }
    symlinkSync(join(ROOT, "node_modules"), join(root, "node_modules"), "dir");
    for (const file of files) writeFileSync(join(root, file.path), mutated(file));
  } catch (error) {
    remove();
    throw error;
  }
  return { root, remove };
}

/** The text of the file with its hunks; throws if they do not fit. */
export function mutated(file: FilePatch): string {
  return applyHunks(readFileSync(join(ROOT, file.path), "utf8"), file);
}
