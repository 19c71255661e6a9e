/**
 * Files that a command is asked to write. A place that cannot be written is the caller's mistake and
 * not a defect, and it is found before minutes of simulation would be lost on it.
 */
import { accessSync, constants, statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { GrapevineError } from "../../core/errors.ts";

/** Where `file` lies; throws `invalid_argument` if nothing can be written there. */
export function outputFile(what: string, file: string, folder: string): string {
  const path = resolve(folder, file);
  writing(what, file, () => {
    if (statSync(path, { throwIfNoEntry: false })?.isDirectory() === true) {
      throw new Error("it is a directory");
    }
    accessSync(dirname(path), constants.W_OK);
  });
  return path;
}

/** As outputFile, for a directory that is made, with those above it, when there is need of it. */
export function outputFolder(what: string, file: string, folder: string): string {
  const path = resolve(folder, file);
  writing(what, file, () => {
    let above = path;
    const found = () => statSync(above, { throwIfNoEntry: false });
    while (found() === undefined && above !== dirname(above)) above = dirname(above);
    if (found()?.isDirectory() !== true) throw new Error(`${above} is not a directory`);
    accessSync(above, constants.W_OK);
  });
  return path;
}

/** Turns what the file system says into an error that names what was to be written, and where. */
export function writing<Result>(what: string, file: string, body: () => Result): Result {
  try {
    return body();
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    const message = `cannot write the ${what} to "${file}": ${why}; name a place that can be written`;
    throw new GrapevineError("invalid_argument", message, { cause: error });
  }
}
