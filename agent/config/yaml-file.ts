/**
 * Reads the agent's YAML file into given texts and declared registrations. Every problem carries
 * file, line and column; all are reported at once. Durations, addresses and names are texts here
 * like on the command line; a number where a text belongs is an error and not a guess.
 */
import { readFileSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { isAlias, isMap, isScalar, isSeq, LineCounter, type Node, parseDocument } from "yaml";
import { closest } from "../registrations/closest.ts";
import { kindOf } from "../registrations/fields.ts";
import type { Registration } from "../registrations/registration.ts";
import { readDeclared } from "./declared.ts";
import type { Given, GivenText } from "./given.ts";
import { SETTING_KEYS, SETTINGS, type SettingKey } from "./settings.ts";

/** Far above any configuration; keeps a wrong path from being read into memory. */
const CONFIG_BYTES_MAX = 1024 * 1024;
const SERVICES_KEY = "services";

export interface ConfigFile {
  readonly given: Given;
  readonly services: readonly Registration[];
  /** Each with its place in front. */
  readonly problems: readonly string[];
}

export function readConfigFile(path: string): ConfigFile {
  let text: string;
  try {
    if (statSync(path).size > CONFIG_BYTES_MAX) return failed(`${path}: is larger than 1 MiB`);
    text = readFileSync(path, "utf8");
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    return failed(
      code === "ENOENT"
        ? `${path}: there is no such file; give --config another path or leave it out`
        : `${path}: cannot be read: ${message}`,
    );
  }
  return readConfigText(text, path);
}

/** Exported beside readConfigFile so that every mistake can be shown to it without files. */
export function readConfigText(text: string, path: string): ConfigFile {
  return new YamlReader(text, path).read();
}

function failed(problem: string): ConfigFile {
  return { given: new Map(), services: [], problems: [problem] };
}

/** Finds the place of anything in one parsed file. */
export interface Places {
  /** "FILE:LINE:COLUMN: " of the node. */
  of(node: Node | null | undefined): string;
}

class YamlReader implements Places {
  readonly #path: string;
  readonly #lines = new LineCounter();
  readonly #document: ReturnType<typeof parseDocument>;
  readonly #given = new Map<SettingKey, GivenText[]>();
  readonly #problems: string[] = [];

  constructor(text: string, path: string) {
    this.#path = path;
    this.#document = parseDocument(text, {
      lineCounter: this.#lines,
      prettyErrors: false,
      strict: true,
    });
  }

  of(node: Node | null | undefined): string {
    return this.#at(node?.range?.[0] ?? 0);
  }

  read(): ConfigFile {
    // A tag that nothing here understands is only a warning to the library, and a mistake to us.
    const { errors, warnings } = this.#document;
    for (const { message, pos } of [...errors, ...warnings]) {
      this.#problems.push(`${this.#at(pos[0])}: ${message}`);
    }
    if (this.#problems.length > 0) return this.#result([]);
    const root = this.#document.contents;
    if (root === null || (isScalar(root) && root.value === null)) return this.#result([]);
    if (!isMap<Node, Node | null>(root)) {
      this.#problems.push(
        `${this.of(root)}: expects KEY: VALUE lines, for example bind: 0.0.0.0:7946`,
      );
      return this.#result([]);
    }
    let services: readonly Registration[] = [];
    for (const { key, value } of root.items) {
      const name = isScalar(key) ? String(key.value) : "";
      const node = this.#resolve(value);
      const known = SETTING_KEYS.find((candidate) => candidate === name);
      if (known !== undefined) {
        this.#setting(known, node);
      } else if (name === SERVICES_KEY) {
        services = readDeclared(node, this.#document, this, this.#problems);
      } else {
        this.#unknown(name, key);
      }
    }
    return this.#result(services);
  }

  #result(services: readonly Registration[]): ConfigFile {
    return { given: this.#given, services, problems: this.#problems };
  }

  #at(offset: number): string {
    const { line, col } = this.#lines.linePos(offset);
    return `${this.#path}:${line}:${col}`;
  }

  #unknown(name: string, key: Node): void {
    const meant = closest(name, [...SETTING_KEYS, SERVICES_KEY]);
    const flag = SETTING_KEYS.find((candidate) => SETTINGS[candidate].flag === name);
    const advice = flag ?? meant;
    const hint = advice === undefined ? "" : `; did you mean "${advice}"?`;
    this.#problems.push(`${this.of(key)}: unknown key "${name}"${hint}`);
  }

  #resolve(node: Node | null): Node | null {
    return isAlias(node) ? (node.resolve(this.#document) ?? null) : node;
  }

  #setting(key: SettingKey, node: Node | null): void {
    if (node === null || (isScalar(node) && node.value === null)) {
      const advice = "leave the line out for the default";
      this.#problems.push(`${this.of(node)}: ${key} has no value; ${advice}`);
      return;
    }
    const { kind } = SETTINGS[key];
    switch (kind) {
      case "switch":
        if (isScalar(node) && typeof node.value === "boolean") {
          this.#put(key, node, String(node.value));
        } else {
          this.#wrongType(key, "true or false", node);
        }
        break;
      case "one":
        this.#put(key, node, this.#text(key, node));
        break;
      case "many":
        this.#many(key, node);
        break;
      case "pairs":
        this.#pairs(key, node);
        break;
      default:
        kind satisfies never;
    }
  }

  #text(key: string, node: Node): string | undefined {
    if (isScalar(node) && typeof node.value === "string") return node.value;
    this.#wrongType(key, "a text", node);
    return undefined;
  }

  #many(key: SettingKey, node: Node): void {
    if (isSeq<Node>(node)) {
      this.#given.set(key, []);
      for (const item of node.items) this.#put(key, item, this.#text(key, item));
    } else {
      this.#wrongType(key, "a list of texts", node);
    }
  }

  #pairs(key: SettingKey, node: Node): void {
    if (!isMap<Node, Node | null>(node)) {
      this.#wrongType(key, "KEY: VALUE lines", node);
      return;
    }
    this.#given.set(key, []);
    for (const pair of node.items) {
      const name = isScalar(pair.key) ? String(pair.key.value) : "";
      const value = pair.value === null ? "" : this.#text(`${key}.${name}`, pair.value);
      this.#put(key, pair.key, value === undefined ? undefined : `${name}=${value}`);
    }
  }

  #put(key: SettingKey, node: Node, text: string | undefined): void {
    if (text === undefined) return;
    const texts = this.#given.get(key) ?? [];
    texts.push({ text, place: `${this.of(node)}: ${key}`, folder: dirname(this.#path) });
    this.#given.set(key, texts);
  }

  #wrongType(key: string, wanted: string, node: Node): void {
    const value: unknown = isScalar(node) ? node.value : isSeq(node) ? [] : {};
    const quote =
      wanted === "a text" && isScalar(node)
        ? `; put it in quotes if it is meant: "${node.source ?? String(node.value)}"`
        : "";
    this.#problems.push(
      `${this.of(node)}: ${key}: expects ${wanted}, found ${kindOf(value)}${quote}`,
    );
  }
}
