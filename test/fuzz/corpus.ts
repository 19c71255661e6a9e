/**
 * The corpus: inputs worth trying in each run, by target. A .hex file holds hexadecimal digits and
 * white space; a .txt file holds Latin-1 text in which \r, \n, \t, \0, \\ and \xNN stand for what
 * they stand for in code, and the ends of its own lines for nothing. "#" begins a comment line.
 */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { latin1 } from "./target.ts";

const FOLDER = fileURLToPath(new URL("./corpus", import.meta.url));

const ESCAPES: Readonly<Record<string, string>> = {
  r: "\r",
  n: "\n",
  t: "\t",
  "0": "\0",
  "\\": "\\",
};

function parseHex(lines: readonly string[]): Uint8Array {
  return new Uint8Array(Buffer.from(lines.join("").replaceAll(/\s/g, ""), "hex"));
}

function parseText(lines: readonly string[]): Uint8Array {
  const text = lines
    .join("")
    .replaceAll(/\\(?:x([0-9a-fA-F]{2})|(.))/g, (_all, digits?: string, letter?: string) =>
      digits === undefined
        ? (ESCAPES[letter ?? ""] ?? "")
        : String.fromCharCode(Number.parseInt(digits, 16)),
    );
  return latin1(text);
}

export interface CorpusEntry {
  readonly file: string;
  readonly input: Uint8Array;
}

export function corpusOf(target: string): CorpusEntry[] {
  const folder = `${FOLDER}/${target}`;
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .sort()
    .map((name) => {
      const lines = readFileSync(`${folder}/${name}`, "latin1")
        .split("\n")
        .filter((line) => !line.startsWith("#"));
      const input = name.endsWith(".hex") ? parseHex(lines) : parseText(lines);
      return { file: `${target}/${name}`, input };
    });
}

/** Keeps a failing input for the next runs; gives its path. */
export function remember(target: string, input: Uint8Array, why: string): string {
  const digest = createHash("sha256").update(input).digest("hex").slice(0, 12);
  const path = `${FOLDER}/${target}/found-${digest}.hex`;
  const digits = Buffer.from(input)
    .toString("hex")
    .replaceAll(/.{96}/g, (line) => `${line}\n`);
  mkdirSync(`${FOLDER}/${target}`, { recursive: true });
  const [first = ""] = why.split("\n");
  writeFileSync(path, `# ${first.slice(0, 160)}\n${digits}\n`);
  return path;
}
