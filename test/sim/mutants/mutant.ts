/**
 * A mutant is one deliberate fault in the protocol: a file in patches/, which is a unified diff
 * under a header that says what it breaks, against which row of the table of failure modes
 * (docs/simulator.md), and within how many
 * seeds of which profile the simulator has to find it.
 */
import { readdirSync, readFileSync } from "node:fs";
import { type FilePatch, readPatch } from "./patch.ts";

const FOLDER = new URL("./patches/", import.meta.url);
const SUFFIX = ".patch";

export interface Mutant {
  readonly name: string;
  readonly breaks: string;
  /** The failure mode whose defence is taken away. */
  readonly row: string;
  /** Found within so many seeds of this profile. */
  readonly profile: string;
  readonly seeds: number;
  /** Few seeds suffice, so that it runs with the tests. */
  readonly isQuick: boolean;
  readonly files: readonly FilePatch[];
}

/** All mutants, by name. */
export function readMutants(): readonly Mutant[] {
  const names = readdirSync(FOLDER).filter((name) => name.endsWith(SUFFIX));
  return names.sort().map((file) => {
    const text = readFileSync(new URL(file, FOLDER), "utf8");
    return readMutant(file.slice(0, -SUFFIX.length), text);
  });
}

export function readMutant(name: string, text: string): Mutant {
  const field = (title: string): string => {
    const found = new RegExp(`^${title}: (.+)$`, "m").exec(text)?.[1];
    if (found === undefined) throw new Error(`mutant ${name} has no line "${title}: …"`);
    return found;
  };
  const seeds = Number(field("Seeds"));
  if (!Number.isSafeInteger(seeds) || seeds < 1) {
    throw new Error(`mutant ${name}: "Seeds" is not a number from 1`);
  }
  const files = readPatch(text);
  if (files.length === 0) throw new Error(`mutant ${name} changes nothing`);
  const isQuick = /^Quick: yes$/m.test(text);
  const [breaks, row, profile] = [field("Breaks"), field("Row"), field("Profile")];
  return { name, breaks, row, profile, seeds, isQuick, files };
}
