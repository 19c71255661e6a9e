/**
 * Merges flags, GRAPEVINE_* variables, the YAML file and the defaults, in this order of precedence,
 * into the configuration of one agent. All problems are collected, so that a person sees every
 * mistake at once, each with the flag, the variable or the line that holds it.
 */
import { hostname } from "node:os";
import { isAbsolute, join, resolve } from "node:path";
import { GrapevineError } from "../../core/errors.ts";
import { LABELS_MAX } from "../../core/limits.ts";
import { isLabel } from "../../core/names.ts";
import {
  formatHostPort,
  type HostPort,
  isLoopback,
  parseHostPort,
} from "../../transport/addresses.ts";
import { SOCKET_PATH_BYTES_MAX } from "../api/socket-file.ts";
import { type AgentConfig, CLUSTER_DEFAULT, type ListenAddress } from "./config.ts";
import { type FlagValues, fromFlags, fromVariables, type Given } from "./given.ts";
import { defaultDataDir, defaultSocketPath, type HostFacts } from "./paths.ts";
import { SETTINGS, type SettingKey, type SettingValue } from "./settings.ts";
import { InvalidValue } from "./values.ts";
import { type ConfigFile, readConfigFile } from "./yaml-file.ts";

export interface ConfigSource {
  /** By name without dashes; "config" names the file, "json" is a switch. */
  readonly flags: FlagValues;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly folder: string;
  readonly host: HostFacts;
}

export interface LoadedConfig {
  readonly config: AgentConfig;
  readonly warnings: readonly string[];
}

/** Throws GrapevineError `config_invalid` with all problems, or `identity_missing`. */
export function loadConfig(source: ConfigSource): LoadedConfig {
  const file = readFile(source);
  const variables = fromVariables(source.env, source.folder);
  const merged = new Merged(
    [fromFlags(source.flags, source.folder), variables.given, file.given],
    [...file.problems],
  );
  const config = build(merged, file, source);
  if (merged.problems.length > 0) throw invalid(merged.problems);
  if (config === undefined) throw identityMissing();
  return { config, warnings: [...variables.warnings, ...unserved(merged)] };
}

/** The contract has these settings already; nobody should wonder why they change nothing. */
function unserved(merged: Merged): string[] {
  return (["dns", "vip"] as const)
    .filter((key) => merged.get(key) !== undefined)
    .map((key) => `${merged.place(key)}: is accepted, but has no effect yet`);
}

function readFile({ flags, env, folder }: ConfigSource): ConfigFile {
  const given = flags["config"] ?? env["GRAPEVINE_CONFIG"];
  if (typeof given !== "string" || given === "") {
    return { given: new Map(), services: [], problems: [] };
  }
  return readConfigFile(resolve(folder, given));
}

/** Looks a setting up in flags, then variables, then the file. */
class Merged {
  readonly problems: string[];
  readonly #layers: readonly Given[];

  constructor(layers: readonly Given[], problems: string[]) {
    this.#layers = layers;
    this.problems = problems;
  }

  has(key: SettingKey): boolean {
    return this.#layers.some((layer) => layer.has(key));
  }

  /** "--bind", "GRAPEVINE_BIND" or file, line, column and key. */
  place(key: SettingKey): string {
    return this.#texts(key)[0]?.place ?? `--${SETTINGS[key].flag}`;
  }

  /** The last value given; undefined if there is none, if it is wrong, or if it reads as that. */
  get<Key extends SettingKey>(key: Key): SettingValue<Key> | undefined {
    return this.all(key).at(-1);
  }

  all<Key extends SettingKey>(key: Key): SettingValue<Key>[] {
    const { read, isPath } = SETTINGS[key];
    const values: SettingValue<Key>[] = [];
    for (const { text, place, folder } of this.#texts(key)) {
      try {
        const full = isPath && text !== "" && !isAbsolute(text) ? join(folder, text) : text;
        values.push(read(full) as SettingValue<Key>);
      } catch (problem) {
        if (!(problem instanceof InvalidValue)) throw problem;
        this.problems.push(`${place}: ${problem.message}`);
      }
    }
    return values;
  }

  #texts(key: SettingKey) {
    return this.#layers.find((layer) => layer.has(key))?.get(key) ?? [];
  }
}

/** Undefined if nothing says whom to trust, or that problem is noted already. */
function build(merged: Merged, file: ConfigFile, source: ConfigSource): AgentConfig | undefined {
  const { env, host, flags } = source;
  const dev = merged.get("dev") === true;
  const given = merged.get("name");
  const anywhere = dev ? "127.0.0.1" : "0.0.0.0";
  const config: Omit<AgentConfig, "trust"> = {
    name: given ?? defaultName(),
    nameGiven: given !== undefined,
    dataDir: merged.get("dataDir") ?? defaultDataDir(env, host),
    socket: merged.get("socket") ?? defaultSocketPath(env, host),
    socketGroup: merged.get("socketGroup"),
    bind: listen(merged.get("bind"), anywhere, 7946, dev),
    linkBind: listen(merged.get("linkBind"), anywhere, 7947, dev),
    advertise: merged.get("advertise"),
    linkAdvertise: merged.get("linkAdvertise"),
    httpProxy: optional(merged, "httpProxy", 15_001, dev),
    admin: optional(merged, "admin", 15_000, dev),
    dns: optional(merged, "dns", 15_053, dev),
    vip: merged.get("vip"),
    join: [...new Set(merged.all("join"))],
    zone: merged.get("zone"),
    region: merged.get("region"),
    labels: readLabels(merged),
    cluster: merged.get("cluster") ?? CLUSTER_DEFAULT,
    egress: merged.get("egress") ?? "allow",
    drainTimeoutMs: merged.get("drainTimeout") ?? 15_000,
    logLevel: merged.get("logLevel") ?? "info",
    enableExecChecks: merged.get("enableExecChecks") === true,
    services: file.services,
    json: flags["json"] === true,
    source,
  };
  checkSocket(merged, config.socket);
  const identity = merged.get("identity");
  if (dev && identity !== undefined) {
    merged.problems.push(
      `${merged.place("dev")} and ${merged.place("identity")} exclude each other: an agent has a ` +
        "real identity or the development one",
    );
  }
  if (dev) checkLoopback(merged, config);
  if (dev) return { ...config, trust: { kind: "dev" } };
  if (identity !== undefined) return { ...config, trust: { kind: "identity", file: identity } };
  return undefined;
}

function listen(
  given: HostPort | undefined,
  host: string,
  port: number,
  dev: boolean,
): ListenAddress {
  return given === undefined ? { host, port, movable: dev } : { ...given, movable: false };
}

function optional(
  merged: Merged,
  key: "httpProxy" | "admin" | "dns",
  port: number,
  dev: boolean,
): ListenAddress | undefined {
  const given = merged.get(key);
  if (given === undefined && merged.has(key)) return undefined;
  return listen(given, "127.0.0.1", port, dev);
}

function checkSocket(merged: Merged, path: string): void {
  const bytes = Buffer.byteLength(path);
  if (bytes <= SOCKET_PATH_BYTES_MAX) return;
  merged.problems.push(
    `${merged.place("socket")}: ${path} is ${bytes} bytes long; the system's limit for Unix ` +
      `sockets is ${SOCKET_PATH_BYTES_MAX}; choose a shorter path`,
  );
}

function readLabels(merged: Merged): Readonly<Record<string, string>> {
  const labels = Object.fromEntries(merged.all("labels"));
  const count = Object.keys(labels).length;
  if (count > LABELS_MAX) {
    merged.problems.push(
      `${merged.place("labels")}: an agent may have ${LABELS_MAX} labels, not ${count}`,
    );
  }
  return labels;
}

/** Everybody knows the development identity: with it, nothing may be reachable from elsewhere. */
function checkLoopback(merged: Merged, config: Omit<AgentConfig, "trust">): void {
  const { bind, linkBind, httpProxy, admin, dns, advertise, linkAdvertise } = config;
  const addresses: [SettingKey, HostPort | undefined][] = [
    ["bind", bind],
    ["linkBind", linkBind],
    ["advertise", parseHostPort(advertise ?? "")],
    ["linkAdvertise", parseHostPort(linkAdvertise ?? "")],
    ["httpProxy", httpProxy],
    ["admin", admin],
    ["dns", dns],
    ...config.join.map((text): [SettingKey, HostPort | undefined] => ["join", parseHostPort(text)]),
  ];
  for (const [key, address] of addresses) {
    if (address === undefined || isLoopback(address.host)) continue;
    merged.problems.push(
      `${merged.place(key)}: ${formatHostPort(address.host, address.port)} is not a loopback ` +
        "address, and --dev allows no other; use 127.0.0.1, or an identity (grapevine ca init, " +
        "grapevine ca issue) instead of --dev",
    );
  }
}

/** The first label of the host name, with what no DNS label may hold replaced. */
function defaultName(): string {
  const first = hostname().toLowerCase().split(".")[0] ?? "";
  const label = first
    .replaceAll(/[^a-z0-9-]/g, "-")
    .replace(/^-+/, "")
    .slice(0, 60);
  const trimmed = label.replace(/-+$/, "");
  return isLabel(trimmed) ? trimmed : "agent";
}

function invalid(problems: readonly string[]): GrapevineError {
  const list = problems.length === 1 ? `: ${problems[0]}` : `:\n  ${problems.join("\n  ")}`;
  return new GrapevineError("config_invalid", `the configuration is not valid${list}`);
}

function identityMissing(): GrapevineError {
  return new GrapevineError(
    "identity_missing",
    "an agent needs an identity: give --identity FILE (or identity: in the configuration file).\n" +
      "  Make one, once for the mesh and once for each agent, on a machine that is no agent:\n" +
      "    grapevine ca init ./ca --trust-domain example.org\n" +
      "    grapevine ca issue --ca ./ca --name NAME -o NAME.id\n" +
      "  To try Grapevine on this machine only, give --dev instead.",
  );
}
