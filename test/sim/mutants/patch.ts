/**
 * Applies a unified diff, strictly. A mutant must change what it says it changes and nothing else,
 * so the lines that a hunk expects have to stand in the file exactly once, wherever that is; a
 * hunk's line numbers are ignored, because code moves. What does not fit is an error that says
 * which lines were looked for.
 */

interface Hunk {
  readonly before: string;
  readonly after: string;
}

export interface FilePatch {
  /** From the root of the tree. */
  readonly path: string;
  readonly hunks: readonly Hunk[];
}

/** Text above the first "---" is not part of the diff. */
export function readPatch(text: string): readonly FilePatch[] {
  const files: { path: string; hunks: { before: string; after: string }[] }[] = [];
  for (const line of text.split("\n")) {
    if (line.startsWith("--- ")) continue;
    const hunks = files.at(-1)?.hunks;
    const hunk = hunks?.at(-1);
    if (line.startsWith("+++ b/")) files.push({ path: line.slice("+++ b/".length), hunks: [] });
    else if (line.startsWith("@@ ")) hunks?.push({ before: "", after: "" });
    else if (hunk !== undefined && /^[ +-]/.test(line)) {
      const kept = `${line.slice(1)}\n`;
      if (!line.startsWith("+")) hunk.before += kept;
      if (!line.startsWith("-")) hunk.after += kept;
    }
  }
  return files;
}

/** The file's text with the hunks applied; throws if one does not fit, or fits twice. */
export function applyHunks(source: string, { path, hunks }: FilePatch): string {
  let text = source;
  for (const { before, after } of hunks) {
    const at = text.indexOf(before);
    const places = at < 0 ? "nowhere" : text.includes(before, at + 1) ? "more than once" : "once";
    if (places !== "once") {
      throw new Error(`the patch fits ${places} in ${path}: it looks for\n${before}`);
    }
    text = text.slice(0, at) + after + text.slice(at + before.length);
  }
  return text;
}
