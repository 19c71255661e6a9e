/**
 * The repository's own source as data: each file parsed once, with what the tidy rules ask about.
 * Rules see the syntax tree's facts and never the raw text, so that a word in a string or a comment
 * is not mistaken for code.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { parseSync } from "vite";

export interface ImportFact {
  readonly specifier: string;
  /** The imported file's path in the repository; undefined for packages and node: modules. */
  readonly target: string | undefined;
  readonly line: number;
  /** Names as the imported module exports them; "*" means all of them. */
  readonly names: readonly string[];
  /** True if nothing of it is left at run time. */
  readonly typeOnly: boolean;
}

export interface ExportFact {
  readonly name: string;
  readonly line: number;
  readonly isType: boolean;
}

export interface Fact {
  readonly text: string;
  readonly line: number;
}

export interface FunctionFact extends Fact {
  readonly lineCount: number;
}

export interface SourceFile {
  /** With "/" and relative to the repository: "core/names.ts". */
  readonly path: string;
  readonly lineCount: number;
  readonly imports: readonly ImportFact[];
  readonly exports: readonly ExportFact[];
  /** Names that are used and not merely declared: "Date", "setTimeout". Types included. */
  readonly references: readonly Fact[];
  /** Accesses by name: "Math.random", "it.only". */
  readonly members: readonly Fact[];
  readonly functions: readonly FunctionFact[];
  /** Constants in capitals, exported or not: "HEAD_BYTES_MAX". */
  readonly constants: readonly Fact[];
  /** Of async functions, await and for await. */
  readonly asyncs: readonly Fact[];
  /** Of the type `any`. */
  readonly anys: readonly Fact[];
  readonly comments: readonly Fact[];
}

const FOLDERS = [
  "core",
  "membership",
  "policies",
  "transport",
  "agent",
  "sim",
  "cli",
  "test",
  "bench",
  "examples",
];

/** What programs import. */
const ROOT_FILES = ["index.ts"];

/** Every TypeScript file of the repository, sorted by path. */
export function readRepository(root: string): SourceFile[] {
  const present = FOLDERS.filter((folder) => existsSync(join(root, folder)));
  const paths = present.flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && entry.name.endsWith(".ts"))
      .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1)),
  );
  paths.push(...ROOT_FILES.filter((file) => existsSync(join(root, file))));
  return paths.sort().map((path) => parseSource(path, readFileSync(join(root, path), "utf8")));
}

export function parseSource(path: string, text: string): SourceFile {
  const { program, module, comments, errors } = parseSync(path, text, { lang: "ts" });
  if (errors.length > 0) throw new Error(`${path}: ${errors[0]?.message}`);
  const lines = new Lines(text);
  const facts = new Collector(lines);
  facts.walk(program as unknown as TreeNode, undefined, "");
  const at = (offset: number) => lines.at(offset);
  const resolve = (specifier: string) =>
    specifier.startsWith(".") ? normalize(join(dirname(path), specifier)) : undefined;
  const imports: ImportFact[] = module.staticImports.map(({ start, moduleRequest, entries }) => ({
    specifier: moduleRequest.value,
    target: resolve(moduleRequest.value),
    line: at(start),
    names: entries.map(({ importName }) => importName.name ?? "*"),
    typeOnly: entries.length > 0 && entries.every(({ isType }) => isType),
  }));
  for (const { start, moduleRequest } of module.dynamicImports) {
    const specifier = text.slice(moduleRequest.start + 1, moduleRequest.end - 1);
    const target = resolve(specifier);
    imports.push({ specifier, target, line: at(start), names: ["*"], typeOnly: false });
  }
  const exports: ExportFact[] = [];
  for (const { start, entries } of module.staticExports) {
    for (const { exportName, isType, moduleRequest, importName } of entries) {
      const name = exportName.kind === "Default" ? "default" : (exportName.name ?? "*");
      exports.push({ name, line: at(start), isType: isType || facts.types.has(name) });
      if (moduleRequest === null) continue;
      const specifier = moduleRequest.value;
      const names = [importName.name ?? "*"];
      imports.push({
        specifier,
        target: resolve(specifier),
        line: at(start),
        names,
        typeOnly: isType,
      });
    }
  }
  return {
    path,
    lineCount: lines.count,
    imports,
    exports,
    references: facts.references,
    members: facts.members,
    functions: facts.functions,
    constants: facts.constants,
    asyncs: facts.asyncs,
    anys: facts.anys,
    comments: comments.map(({ value, start }) => ({ text: value, line: at(start) })),
  };
}

class Lines {
  readonly #starts: number[] = [0];
  readonly count: number;

  constructor(text: string) {
    for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) {
      this.#starts.push(at + 1);
    }
    this.count = text.endsWith("\n") ? this.#starts.length - 1 : this.#starts.length;
  }

  /** From 1. */
  at(offset: number): number {
    let low = 0;
    let high = this.#starts.length;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if ((this.#starts[middle] as number) <= offset) low = middle;
      else high = middle;
    }
    return low + 1;
  }
}

interface TreeNode {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly [field: string]: unknown;
}

const FUNCTIONS = new Set(["FunctionDeclaration", "FunctionExpression", "ArrowFunctionExpression"]);
/** Where an identifier is a name that is being given, and not a use of something. */
const NAMING: Readonly<Record<string, readonly string[]>> = {
  Property: ["key"],
  MemberExpression: ["property"],
  MethodDefinition: ["key"],
  PropertyDefinition: ["key"],
  VariableDeclarator: ["id"],
  FunctionDeclaration: ["id", "params"],
  FunctionExpression: ["id", "params"],
  ArrowFunctionExpression: ["params"],
  ClassDeclaration: ["id"],
  ImportSpecifier: ["imported", "local"],
  ExportSpecifier: ["exported"],
  LabeledStatement: ["label"],
  TSPropertySignature: ["key"],
  TSMethodSignature: ["key", "params"],
  TSInterfaceDeclaration: ["id"],
  TSTypeAliasDeclaration: ["id"],
  TSTypeParameter: ["name"],
  TSFunctionType: ["params"],
  TSNamedTupleMember: ["label"],
  TSQualifiedName: ["right"],
};

const CAPITALS = /^[A-Z][A-Z0-9_]*$/;

class Collector {
  readonly references: Fact[] = [];
  readonly members: Fact[] = [];
  readonly functions: FunctionFact[] = [];
  readonly constants: Fact[] = [];
  readonly asyncs: Fact[] = [];
  readonly anys: Fact[] = [];
  /** Names of interfaces and type aliases that the file declares. */
  readonly types = new Set<string>();
  readonly #lines: Lines;

  constructor(lines: Lines) {
    this.#lines = lines;
  }

  walk(node: TreeNode, parent: TreeNode | undefined, field: string): void {
    this.#note(node, parent, field);
    for (const [name, value] of Object.entries(node)) {
      if (Array.isArray(value)) {
        for (const item of value) if (isNode(item)) this.walk(item, node, name);
      } else if (isNode(value)) {
        this.walk(value, node, name);
      }
    }
  }

  #note(node: TreeNode, parent: TreeNode | undefined, field: string): void {
    const line = this.#lines.at(node.start);
    const { type } = node;
    if (type === "Identifier") {
      const computed = parent?.["computed"] === true;
      const naming = parent !== undefined && NAMING[parent.type]?.includes(field) === true;
      if (!naming || (computed && field !== "params")) {
        this.references.push({ text: String(node["name"]), line });
      }
    } else if (type === "MemberExpression" && node["computed"] !== true) {
      this.members.push({ text: `${nameOf(node["object"])}.${nameOf(node["property"])}`, line });
    } else if (FUNCTIONS.has(type)) {
      const lineCount = this.#lines.at(node.end) - line + 1;
      const name = nameOf(node["id"]) || nameOf(parent?.["key"]) || nameOf(parent?.["id"]);
      this.functions.push({ text: name || "a function", line, lineCount });
      if (node["async"] === true) this.asyncs.push({ text: "async", line });
    } else if (type === "VariableDeclarator" && CAPITALS.test(nameOf(node["id"]))) {
      this.constants.push({ text: nameOf(node["id"]), line });
    } else if (type === "AwaitExpression" || node["await"] === true) {
      this.asyncs.push({ text: "await", line });
    } else if (type === "TSAnyKeyword") {
      this.anys.push({ text: "any", line });
    } else if (type === "TSInterfaceDeclaration" || type === "TSTypeAliasDeclaration") {
      this.types.add(nameOf(node["id"]));
    }
  }
}

function isNode(value: unknown): value is TreeNode {
  return (
    typeof value === "object" && value !== null && typeof Reflect.get(value, "type") === "string"
  );
}

function nameOf(node: unknown): string {
  return isNode(node) ? String(node["name"] ?? "") : "";
}
