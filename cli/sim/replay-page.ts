/**
 * Puts the replay's page together: its markup, style and scripts, the mesh's own ring, and the trace
 * as compressed text, in one file that needs nothing else. The scripts are modules on disk, so that
 * they can be checked one by one, and one script in the page.
 */
import { readFileSync } from "node:fs";
import { stripTypeScriptTypes } from "node:module";
import { gzipSync } from "node:zlib";

/** In the order in which they need each other. */
const SCRIPTS = ["format", "state", "nodes", "beliefs", "lamport", "ring-view", "log", "main"];
/** What the ring of a service is computed with, in the same order. */
const RING = ["hash.ts", "ring/log2.ts", "ring/ring.ts"];

/** `data`: JSON. */
export function assemblePage(data: string): string {
  const script = [ringScript(), ...SCRIPTS.map((name) => inlined(read(`replay/${name}.js`)))];
  const parts: Readonly<Record<string, string>> = {
    "/* STYLE */": read("replay/style.css"),
    GRAPEVINE_TRACE: gzipSync(data).toString("base64"),
    "/* SCRIPT */": script.join("\n"),
  };
  return Object.entries(parts).reduce(
    (page, [place, part]) => page.replace(place, () => part),
    read("replay/page.html"),
  );
}

function read(path: string): string {
  return readFileSync(new URL(path, import.meta.url), "utf8");
}

/** In a scope of its own: its names are not the page's. */
function ringScript(): string {
  const sources = RING.map((path) => read(`../../core/${path}`));
  const plain = quietly(() => sources.map((source) => inlined(stripTypeScriptTypes(source))));
  return `const Ring = (() => {\n${plain.join("\n")}\nreturn Ring;\n})();`;
}

function inlined(source: string): string {
  return source
    .replace(/^import [^;]*;$/gm, "")
    .replace(/^export /gm, "")
    .replaceAll("</script", "<\\/script");
}

/** Node calls the stripping of types experimental as a function, though it runs every file by it. */
function quietly<Value>(body: () => Value): Value {
  const { emitWarning } = process;
  process.emitWarning = () => undefined;
  try {
    return body();
  } finally {
    process.emitWarning = emitWarning;
  }
}
