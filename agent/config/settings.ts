/**
 * The one table of everything that an agent can be told: for each setting its key in the YAML file,
 * its flag, how its text is read and what it means. The flags of `grapevine agent`, the GRAPEVINE_*
 * variables, the file and the help are all derived from it, so that they cannot disagree.
 */
import {
  oneOf,
  readBoolean,
  readDialAddress,
  readDuration,
  readHostPort,
  readHostPortOrOff,
  readLabel,
  readNetworkOrOff,
  readPair,
  readPath,
  readWord,
} from "./values.ts";

/** "one": a text. "many": a flag that may be repeated, a list in the file. "switch": no value. */
type SettingKind = "one" | "many" | "pairs" | "switch";

export interface Setting<Value> {
  readonly flag: string;
  readonly kind: SettingKind;
  /** What stands for the value in help: HOST:PORT. "" for switches. */
  readonly placeholder: string;
  readonly summary: string;
  /** What holds if nothing is given, for help. */
  readonly fallback: string;
  /** Paths are relative to the file that gives them, or to the working directory. */
  readonly isPath: boolean;
  /** What a value may be, for completion. */
  readonly words: readonly string[];
  /** Throws InvalidValue. */
  readonly read: (text: string) => Value;
}

interface Details {
  readonly fallback?: string;
  readonly isPath?: boolean;
  readonly words?: readonly string[];
  readonly kind?: SettingKind;
}

function setting<Value>(
  flag: string,
  placeholder: string,
  read: (text: string) => Value,
  summary: string,
  details: Details = {},
): Setting<Value> {
  const { fallback = "", isPath = false, words = [], kind = "one" } = details;
  return { flag, kind, placeholder, summary, fallback, isPath, words, read };
}

const LOG_LEVELS = ["trace", "debug", "info", "warn", "error", "fatal"] as const;
const EGRESS = ["allow", "deny"] as const;

export type LogLevel = (typeof LOG_LEVELS)[number];
export type Egress = (typeof EGRESS)[number];

const path = (flag: string, placeholder: string, summary: string, fallback = "") =>
  setting(flag, placeholder, readPath, summary, { isPath: true, fallback });
const flag = (name: string, summary: string) =>
  setting(name, "", readBoolean, summary, { kind: "switch" });

/** By key in the YAML file. */
export const SETTINGS = {
  name: setting("name", "NAME", readLabel, "name of this agent", {
    fallback: "first label of the host name",
  }),
  dataDir: path(
    "data-dir",
    "DIR",
    "where registrations, the epoch and known peers are kept",
    "/var/lib/grapevine for root, else $XDG_STATE_HOME/grapevine",
  ),
  socket: path(
    "socket",
    "PATH",
    "Unix socket of the local API",
    "$XDG_RUNTIME_DIR/grapevine/agent.sock, /run/grapevine/agent.sock (root), " +
      "$TMPDIR/grapevine-UID/agent.sock",
  ),
  socketGroup: setting("socket-group", "GROUP", readWord, "group that may use the socket (0660)"),
  bind: setting("bind", "HOST:PORT", readHostPort, "where the control plane listens", {
    fallback: "0.0.0.0:7946",
  }),
  advertise: setting("advertise", "HOST:PORT", readDialAddress, "where others reach it"),
  linkBind: setting(
    "link-bind",
    "HOST:PORT",
    readHostPort,
    "where links of the data plane listen",
    {
      fallback: "0.0.0.0:7947",
    },
  ),
  linkAdvertise: setting("link-advertise", "HOST:PORT", readDialAddress, "where others reach them"),
  httpProxy: setting("http-proxy", "HOST:PORT|off", readHostPortOrOff, "proxy for applications", {
    fallback: "127.0.0.1:15001",
  }),
  admin: setting("admin", "HOST:PORT|off", readHostPortOrOff, "metrics and health of the agent", {
    fallback: "127.0.0.1:15000",
  }),
  dns: setting(
    "dns",
    "HOST:PORT|off",
    readHostPortOrOff,
    "resolver for .mesh names; no effect yet",
    {
      fallback: "127.0.0.1:15053",
    },
  ),
  vip: setting("vip", "CIDR|off", readNetworkOrOff, "virtual addresses; no effect yet", {
    fallback: "off",
  }),
  join: setting("join", "HOST:PORT", readDialAddress, "an agent to join; may be repeated", {
    kind: "many",
  }),
  zone: setting("zone", "ZONE", readWord, "availability zone"),
  region: setting("region", "REGION", readWord, "region"),
  labels: setting("label", "KEY=VALUE", readPair, "label of this agent; may be repeated", {
    kind: "pairs",
  }),
  cluster: setting("cluster", "NAME", readLabel, "agents of other clusters are refused", {
    fallback: "default",
  }),
  identity: path("identity", "FILE", "identity bundle made by `grapevine ca issue`"),
  dev: flag("dev", "development: well-known identity, loopback addresses only"),
  egress: setting("egress", EGRESS.join("|"), oneOf(EGRESS), "names outside the mesh", {
    fallback: "allow",
    words: EGRESS,
  }),
  drainTimeout: setting("drain-timeout", "DURATION", readDuration, "for requests when leaving", {
    fallback: "15s",
  }),
  logLevel: setting("log-level", "LEVEL", oneOf(LOG_LEVELS), LOG_LEVELS.join(", "), {
    fallback: "info",
    words: LOG_LEVELS,
  }),
  enableExecChecks: flag("enable-exec-checks", "accept exec checks over the socket"),
} as const;

export type SettingKey = keyof typeof SETTINGS;

/** What each setting's text is read as. */
export type SettingValue<Key extends SettingKey> = ReturnType<(typeof SETTINGS)[Key]["read"]>;

export const SETTING_KEYS = Object.keys(SETTINGS) as readonly SettingKey[];

/** The variable that gives a setting: GRAPEVINE_ and the flag's name. */
export function variableOf(flagName: string): string {
  return `GRAPEVINE_${flagName.replaceAll("-", "_").toUpperCase()}`;
}

/** Variables that mean something to Grapevine and are no settings of an agent. */
export const OTHER_VARIABLES: readonly string[] = [
  "GRAPEVINE_CONFIG",
  "GRAPEVINE_CA_PASSPHRASE",
  "GRAPEVINE_SERVICE",
  "GRAPEVINE_INSTANCE",
  "GRAPEVINE_ADDRESS",
];
