/**
 * Makes a folder and those above it. Node's own recursive mkdir never returns where the system
 * answers "no such file" inside a folder that exists, as it does under /proc and /sys.
 */
import { existsSync, mkdirSync, statSync } from "node:fs";
import { dirname, resolve } from "node:path";

/** Gives the topmost folder that it made; undefined if all were there. Throws the system's error. */
export function makeFolder(path: string, mode: number): string | undefined {
  const missing: string[] = [];
  for (let at = resolve(path); !existsSync(at); at = dirname(at)) missing.unshift(at);
  for (const folder of missing) {
    try {
      mkdirSync(folder, { mode });
    } catch (error) {
      // Somebody else may have made it in the meantime.
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
  }
  if (!statSync(path).isDirectory()) throw new Error(`${path} is not a folder`);
  return missing[0];
}
