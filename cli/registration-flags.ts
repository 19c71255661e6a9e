/**
 * The flags by which `register` and `run` describe an instance, and the body that the local API
 * takes for it. The agent checks the values again; here are only mistakes of the command line.
 */

import { InvalidValue, readDialAddress, readDuration, readPair } from "../agent/config/values.ts";
import { closest } from "../agent/registrations/closest.ts";
import { isLabel } from "../core/names.ts";
import { SERVICE_PROTOCOLS } from "../core/types.ts";
import { type Flag, type FlagReader, usageError } from "./command.ts";

export const REGISTRATION_FLAGS: readonly Flag[] = [
  {
    name: "port",
    kind: "many",
    placeholder: "PORT[:SERVICE_PORT]",
    summary: "port on 127.0.0.1, and the port by which callers dial it; may be repeated",
  },
  {
    name: "address",
    kind: "one",
    placeholder: "HOST:PORT",
    summary: "instead of --port: elsewhere",
  },
  {
    name: "unix",
    kind: "one",
    placeholder: "PATH",
    summary: "instead of --port: a Unix socket",
    complete: "file",
  },
  {
    name: "instance",
    kind: "one",
    placeholder: "ID",
    summary: "DNS label, unique in the service",
    fallback: "<agent>-<port>",
  },
  {
    name: "protocol",
    kind: "one",
    placeholder: SERVICE_PROTOCOLS.join("|"),
    summary: "what the instance speaks",
    fallback: "http",
    complete: SERVICE_PROTOCOLS,
  },
  { name: "version", kind: "one", placeholder: "VERSION", summary: "version of the program" },
  {
    name: "weight",
    kind: "one",
    placeholder: "WEIGHT",
    summary: "share of the traffic; 0 takes no new requests",
    fallback: "1",
  },
  { name: "tag", kind: "many", placeholder: "KEY=VALUE", summary: "a tag; may be repeated" },
  {
    name: "check",
    kind: "one",
    placeholder: "http:/PATH|tcp|grpc|ttl|exec:COMMAND",
    summary: "how the agent finds out whether the instance is healthy",
    complete: ["http:/", "tcp", "grpc", "ttl", "exec:"],
  },
  {
    name: "check-interval",
    kind: "one",
    placeholder: "DURATION",
    summary: "between two checks; for ttl: how long a word of the instance holds",
  },
];

type Check = Readonly<Record<string, string | number>>;

export interface RegistrationBody {
  readonly ports?: readonly { readonly port: number; readonly servicePort?: number }[];
  readonly address?: string;
  readonly unix?: string;
  readonly protocol?: string;
  readonly version?: string;
  readonly weight?: number;
  readonly tags?: Readonly<Record<string, string>>;
  readonly check?: Check;
  readonly leaseMs?: number;
}

/** The id in the path of the local API; "_" leaves it to the agent. Throws `usage`. */
export function readInstanceId(values: FlagReader): string {
  const id = values.one("instance");
  if (id === undefined) return "_";
  if (isLabel(id)) return id;
  throw usageError(
    `--instance: "${id}" is not a DNS label (1 to 63 of a-z, 0-9 and "-", no "-" at either end)`,
  );
}

/** Throws `usage`. */
export function readRegistrationBody(values: FlagReader): RegistrationBody {
  const protocol = values.one("protocol");
  if (protocol !== undefined && !SERVICE_PROTOCOLS.some((known) => known === protocol)) {
    const list = SERVICE_PROTOCOLS.join(", ").replace(/, (?=\w+$)/, " or ");
    throw usageError(`--protocol: expects ${list}, not "${protocol}"`);
  }
  const version = values.one("version");
  const weight = values.one("weight");
  const tags = values.many("tag").map((text) => reading("tag", () => readPair(text)));
  const check = readCheck(values);
  return {
    ...readPlace(values),
    ...(protocol === undefined ? {} : { protocol }),
    ...(version === undefined ? {} : { version }),
    ...(weight === undefined ? {} : { weight: wholeNumber("weight", weight, 0, 1_000) }),
    ...(tags.length === 0 ? {} : { tags: Object.fromEntries(tags) }),
    ...(check === undefined ? {} : { check }),
  };
}

function readPlace(values: FlagReader): RegistrationBody {
  const given = ["port", "address", "unix"].filter((name) => values.has(name));
  if (given.length === 0) {
    throw usageError("where does the instance listen? Give --port PORT, --address or --unix");
  }
  if (given.length > 1) {
    throw usageError(`give only one of --${given.join(" and --")}: an instance has one place`);
  }
  const address = values.one("address");
  if (address !== undefined) return { address: reading("address", () => readDialAddress(address)) };
  const unix = values.one("unix");
  if (unix !== undefined) {
    if (unix.startsWith("/")) return { unix };
    throw usageError(`--unix: "${unix}" is not an absolute path; the agent may run elsewhere`);
  }
  return { ports: values.many("port").map(readPort) };
}

function readPort(text: string): { port: number; servicePort?: number } {
  const match = /^(\d{1,5})(?::(\d{1,5}))?$/.exec(text);
  if (match === null) {
    throw usageError(`--port: expects PORT or PORT:SERVICE_PORT such as 8080:80, not "${text}"`);
  }
  const [, port = "", servicePort] = match;
  const local = wholeNumber("port", port, 1, 65_535);
  if (servicePort === undefined) return { port: local };
  return { port: local, servicePort: wholeNumber("port", servicePort, 1, 65_535) };
}

function readCheck(values: FlagReader): Check | undefined {
  const interval = values.one("check-interval");
  const intervalMs =
    interval === undefined ? undefined : reading("check-interval", () => readDuration(interval));
  const text = values.one("check");
  if (text === undefined) {
    if (interval !== undefined) throw usageError("--check-interval needs --check");
    return undefined;
  }
  const colon = text.indexOf(":");
  const type = colon < 0 ? text : text.slice(0, colon);
  const rest = colon < 0 ? undefined : text.slice(colon + 1);
  const every = intervalMs === undefined ? {} : { intervalMs };
  switch (type) {
    case "http":
      if (rest !== undefined && !rest.startsWith("/")) break;
      return { type, path: rest ?? "/", ...every };
    case "tcp":
      if (rest !== undefined) break;
      return { type, ...every };
    case "grpc":
      return { type, ...(rest ? { service: rest } : {}), ...every };
    case "ttl":
      if (rest !== undefined) break;
      return { type, ...(intervalMs === undefined ? {} : { ttlMs: intervalMs }) };
    case "exec":
      if (!rest) break;
      return { type, command: rest, ...every };
  }
  const meant = closest(type, ["http", "tcp", "grpc", "ttl", "exec"]);
  const advice = meant === undefined || meant === type ? "" : `; did you mean ${meant}?`;
  throw usageError(
    `--check: expects http:/PATH, tcp, grpc, ttl or exec:COMMAND, not "${text}"${advice}`,
  );
}

function wholeNumber(flag: string, text: string, min: number, max: number): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= min && value <= max) return value;
  throw usageError(`--${flag}: expects a whole number from ${min} to ${max}, not "${text}"`);
}

/** Puts the flag's name in front of what is wrong with its value. */
export function reading<Value>(flag: string, read: () => Value): Value {
  try {
    return read();
  } catch (problem) {
    if (!(problem instanceof InvalidValue)) throw problem;
    throw usageError(`${/^[a-z]/.test(flag) ? `--${flag}` : flag}: ${problem.message}`);
  }
}
