/**
 * The house rules that a machine can check. Each takes the repository's files and gives one line
 * for each violation: where, what, and what to do instead.
 */
import type { SourceFile } from "./source.ts";

export type Rule = (files: readonly SourceFile[]) => string[];

const FILE_LINES_MAX = 500;
const FUNCTION_LINES_MAX = 70;

function folderOf(path: string): string {
  return path.slice(0, path.indexOf("/"));
}

const PURE = ["core", "membership", "policies"];

/** Who may import whom; what is not listed may import everything. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  core: ["core"],
  membership: ["core", "membership"],
  policies: ["core", "policies"],
  transport: ["core", "transport"],
  agent: ["core", "membership", "policies", "transport", "agent"],
  sim: ["core", "membership", "policies", "agent/assemble.ts", "sim"],
  cli: ["core", "membership", "policies", "transport", "agent", "sim", "cli"],
};

export const importTable: Rule = (files) => {
  const problems: string[] = [];
  for (const { path, imports } of files) {
    const allowed = MAY_IMPORT[folderOf(path)];
    if (allowed === undefined) continue;
    for (const { target, line } of imports) {
      if (target === undefined) continue;
      if (allowed.includes(folderOf(target)) || allowed.includes(target)) continue;
      problems.push(
        `${path}:${line}: must not import ${target}: ${folderOf(path)} may import ` +
          `${allowed.join(", ")}; take what it needs as a seam or a parameter`,
      );
    }
  }
  return problems;
};

const ASSEMBLE = "agent/assemble.ts";

/** What production and the simulator share reaches no I/O, however indirectly. */
export const assembleIsPure: Rule = (files) => {
  const byPath = new Map(files.map((file) => [file.path, file]));
  const cameFrom = new Map<string, string>();
  const waiting = [ASSEMBLE];
  const problems: string[] = [];
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    for (const { target, specifier, typeOnly } of byPath.get(path)?.imports ?? []) {
      if (target === undefined && !typeOnly && !isPackageAllowed(path, specifier)) {
        problems.push(`${way(path, cameFrom)} imports ${specifier}`);
      }
      if (target === undefined || typeOnly || cameFrom.has(target)) continue;
      cameFrom.set(target, path);
      if (PURE.includes(folderOf(target))) waiting.push(target);
      else problems.push(`${way(target, cameFrom)}: reaches beyond ${PURE.join(", ")}`);
    }
  }
  return problems.map((problem) => `${problem}; it must run in the simulator as well`);
};

function way(path: string, cameFrom: ReadonlyMap<string, string>): string {
  const steps = [path];
  for (let at = cameFrom.get(path); at !== undefined; at = cameFrom.get(at)) steps.unshift(at);
  return steps.join(" -> ");
}

/** What the pure folders and the simulator must not use, and what they use instead. */
const AMBIENT: Readonly<Record<string, string>> = {
  Date: "the `now` argument, or Clock.wall() for leases and certificates",
  performance: "the `now` argument",
  setTimeout: "nextDeadline(), or Clock.at() on the data path",
  setInterval: "nextDeadline(), or Clock.at() on the data path",
  setImmediate: "nextDeadline(), or Clock.at() on the data path",
  queueMicrotask: "an effect on `out`",
  process: "a seam or the configuration",
  globalThis: "a seam",
  crypto: "the injected Random, Signer or Verifier",
  console: "an effect on `out`",
  Promise: "an effect on `out`",
  EventEmitter: "an effect on `out`",
  EventTarget: "an effect on `out`",
  fetch: "a seam",
  Intl: "plain comparison: locales differ between nodes",
  WeakRef: "a bounded collection: garbage collection is not reproducible",
  FinalizationRegistry: "a bounded collection: garbage collection is not reproducible",
};

const AMBIENT_MEMBERS: Readonly<Record<string, string>> = {
  "Math.random": "the injected Random",
};
const LOCALE_MEMBER = /\.(?:localeCompare|toLocale\w+)$/;

export const pureFolders: Rule = (files) => {
  const problems: string[] = [];
  for (const file of files) {
    if (!PURE.includes(folderOf(file.path)) && folderOf(file.path) !== "sim") continue;
    const add = (line: number, what: string, instead: string) =>
      problems.push(`${file.path}:${line}: ${what} is banned here; use ${instead}`);
    for (const { text, line } of file.references) {
      const instead = Object.hasOwn(AMBIENT, text) ? AMBIENT[text] : undefined;
      if (instead !== undefined) add(line, text, instead);
    }
    for (const { text, line } of file.members) {
      const instead = Object.hasOwn(AMBIENT_MEMBERS, text) ? AMBIENT_MEMBERS[text] : undefined;
      if (instead !== undefined) add(line, text, instead);
      if (LOCALE_MEMBER.test(text)) add(line, text, "plain comparison: locales differ");
    }
    for (const { text, line } of file.asyncs) add(line, text, "an effect on `out` and a new input");
    for (const { specifier, target, line } of file.imports) {
      if (target !== undefined || isPackageAllowed(file.path, specifier)) continue;
      add(line, `importing ${specifier}`, "a seam of core/seams.ts that transport/ implements");
    }
  }
  return problems;
};

/** Packages that compute and touch nothing, each known to one file alone. */
const PURE_PACKAGES: Readonly<Record<string, string>> = {
  "core/codec.ts": "msgpackr",
  "core/trust/sha256.ts": "@noble/hashes/sha2.js",
};

function isPackageAllowed(path: string, specifier: string): boolean {
  if (PURE_PACKAGES[path] === specifier) return true;
  return path.startsWith("sim/gossip/") && specifier === "@libp2p/gossipsub";
}

/** Packages that only some folders may know. */
const GUESTS: readonly { readonly name: RegExp; readonly folders: readonly string[] }[] = [
  { name: /^(?:libp2p|@libp2p\/.*|@multiformats\/.*)$/, folders: ["transport", "test", "bench"] },
  { name: /^sodium-native$/, folders: ["transport", "test", "bench"] },
  { name: /^msgpackr$/, folders: ["core", "bench"] },
];

export const guests: Rule = (files) =>
  files.flatMap(({ path, imports }) =>
    imports.flatMap(({ specifier, line }) => {
      const guest = GUESTS.find(({ name }) => name.test(specifier));
      if (guest === undefined || guest.folders.includes(folderOf(path))) return [];
      if (isPackageAllowed(path, specifier)) return [];
      return [`${path}:${line}: ${specifier} belongs into ${guest.folders.join(", ")} alone`];
    }),
  );

export const sizes: Rule = (files) =>
  files.flatMap(({ path, lineCount, functions }) => {
    const problems: string[] = [];
    if (lineCount > FILE_LINES_MAX) {
      problems.push(`${path}: ${lineCount} lines; split it before ${FILE_LINES_MAX}`);
    }
    // A describe block holds many tests; its length says nothing.
    if (path.endsWith(".test.ts")) return problems;
    for (const { text, line, lineCount: length } of functions) {
      if (length < FUNCTION_LINES_MAX) continue;
      const limit = `keep functions below ${FUNCTION_LINES_MAX}`;
      problems.push(`${path}:${line}: ${text} has ${length} lines; ${limit}`);
    }
    return problems;
  });

/** Read by people and tools, and not imported by anything. */
const ENTRY_POINTS = new Set([
  ...["index.ts", "test/integration/actor-host.ts"],
  ...["agent/daemon.ts", "cli/main.ts", "vitest.config.ts", "test/fuzz/main.ts"],
  "test/sim/mutants/main.ts",
]);

/** An export that nothing imports. A type may also be exported because a signature names it. */
export const deadExports: Rule = (files) => {
  const used = new Map<string, Set<string>>();
  for (const { imports } of files) {
    for (const { target, names } of imports) {
      if (target === undefined) continue;
      const known = used.get(target) ?? new Set();
      for (const name of names) known.add(name);
      used.set(target, known);
    }
  }
  return files.flatMap(({ path, exports, references }) => {
    const names = used.get(path);
    if (ENTRY_POINTS.has(path) || names?.has("*") === true) return [];
    return exports.flatMap(({ name, isType, line }) => {
      const inSignature = isType && references.some(({ text }) => text === name);
      if (name === "*" || names?.has(name) === true || inSignature) return [];
      return [`${path}:${line}: nothing imports ${name}; remove it, or only its export`];
    });
  });
};

/** Files that no other file, script or test uses. */
export const deadFiles: Rule = (files) => {
  const used = new Set(files.flatMap(({ imports }) => imports.map(({ target }) => target)));
  return files.flatMap(({ path }) => {
    const isEntry =
      ENTRY_POINTS.has(path) || /^(?:bench|examples)\//.test(path) || path.endsWith(".test.ts");
    return isEntry || used.has(path) ? [] : [`${path}: nothing imports this file; remove it`];
  });
};

const UNFINISHED = /\b(?:TODO|FIXME|XXX|HACK)\b/;
const SILENCED = /@ts-(?:ignore|nocheck)\b/;
const NARROWED = /^(?:it|test|describe)\.(?:only|skip|todo|fails)$/;

export const leftovers: Rule = (files) =>
  files.flatMap(({ path, comments, members, anys, references }) => [
    ...comments.flatMap(({ text, line }) => {
      const found = (UNFINISHED.exec(text) ?? SILENCED.exec(text))?.[0];
      return found === undefined ? [] : [`${path}:${line}: ${found}; finish it, or file an issue`];
    }),
    ...members.flatMap(({ text, line }) =>
      NARROWED.test(text) ? [`${path}:${line}: ${text} silences tests; remove it`] : [],
    ),
    ...references.flatMap(({ text, line }) =>
      text === "console" ? [`${path}:${line}: console; report to the caller or to the log`] : [],
    ),
    ...anys.map(({ line }) => `${path}:${line}: the type any; use unknown and look at it`),
  ]);

const KEBAB = /^[a-z0-9]+(?:-[a-z0-9]+)*(?:\.test|\.d)?\.ts$/;
const VAGUE = /^(?:utils?|helpers?|common|misc|\w*-?manager)(?:\.test)?\.ts$/;

export const names: Rule = (files) =>
  files.flatMap(({ path, exports }) => {
    const file = path.slice(path.lastIndexOf("/") + 1);
    const problems: string[] = [];
    if (!KEBAB.test(file)) problems.push(`${path}: file names are in kebab-case`);
    if (VAGUE.test(file)) problems.push(`${path}: name the file after what it decides`);
    const whole = exports.find(({ name }) => name === "default");
    if (whole !== undefined) problems.push(`${path}:${whole.line}: export it under a name`);
    return problems;
  });

/**
 * Every pure file that does something is run by a test of its own folder: the test imports it, or a
 * file of that folder which does. Parts of one machine are tested through the machine.
 */
export const pureFilesAreTested: Rule = (files) => {
  const byPath = new Map(files.map((file) => [file.path, file]));
  const reachedFrom = new Map<string, Set<string>>();
  const reached = (folder: string) => {
    const known = reachedFrom.get(folder);
    if (known !== undefined) return known;
    const seen = new Set<string>();
    const waiting = files.filter(
      ({ path }) => path.startsWith(`test/${folder}/`) && path.endsWith(".test.ts"),
    );
    for (let file = waiting.pop(); file !== undefined; file = waiting.pop()) {
      for (const { target, typeOnly } of file.imports) {
        if (target === undefined || typeOnly || seen.has(target)) continue;
        seen.add(target);
        const next = byPath.get(target);
        const near = target.startsWith(`${folder}/`) || target.startsWith(`test/${folder}/`);
        if (next !== undefined && near) waiting.push(next);
      }
    }
    reachedFrom.set(folder, seen);
    return seen;
  };
  return files.flatMap(({ path, functions }) => {
    if (!PURE.includes(folderOf(path)) || functions.length === 0) return [];
    if (reached(path.slice(0, path.lastIndexOf("/"))).has(path)) return [];
    return [`${path}: no unit test runs it; write test/${path.replace(/\.ts$/, ".test.ts")}`];
  });
};

/** Compares the catalogue of errors with the table rows of docs/errors.md. */
export function errorsAreDocumented(codes: readonly string[], document: string): string[] {
  const rows = [...document.matchAll(/^\| `([a-z_]+)` \|/gm)].map(([, code]) => code as string);
  return [
    ...codes
      .filter((code) => !rows.includes(code))
      .map((code) => `docs/errors.md: ${code} of core/errors.ts has no row`),
    ...rows
      .filter((code) => !codes.includes(code))
      .map((code) => `docs/errors.md: ${code} is not in core/errors.ts`),
    ...rows
      .filter((code, at) => rows.indexOf(code) !== at)
      .map((code) => `docs/errors.md: ${code} has two rows`),
  ];
}

const SHIPPED = ["core", "membership", "policies", "transport", "agent"];
/** Files whose every number is a bound. */
const LIMIT_FILES = ["core/limits.ts", "core/link/config.ts"];

/**
 * Compares the bounds of the code with the table rows of docs/limits.md: constants that end in _MAX
 * anywhere, those in bytes and milliseconds of the limits files, and the fields of `settings`.
 */
export function limitsAreDocumented(
  files: readonly SourceFile[],
  settings: readonly string[],
  document: string,
): string[] {
  const rows = new Set(
    [...document.matchAll(/^\| `(\w+)` \|/gm)].map(([, name]) => name as string),
  );
  const known = new Set(settings);
  const problems: string[] = [];
  for (const { path, constants } of files) {
    if (!SHIPPED.includes(folderOf(path))) continue;
    const isBound = LIMIT_FILES.includes(path) ? /_(?:MAX|BYTES|MS)$/ : /_MAX$/;
    for (const { text, line } of constants) {
      known.add(text);
      if (!isBound.test(text) || rows.has(text)) continue;
      problems.push(
        `${path}:${line}: ${text} has no row in docs/limits.md; say why, and what happens`,
      );
    }
  }
  for (const name of settings) {
    if (!rows.has(name)) problems.push(`docs/limits.md: the setting ${name} has no row`);
  }
  for (const name of rows) {
    if (!known.has(name)) problems.push(`docs/limits.md: ${name} is no bound of the code any more`);
  }
  return problems;
}
