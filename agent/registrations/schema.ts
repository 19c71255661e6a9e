/**
 * The strict reader of registrations: it turns what somebody wrote (the body of a PUT, an entry of
 * `services:` in the configuration, a row on disk) into a Registration, or into the complete list
 * of what is wrong with it. Nothing is guessed and nothing is ignored.
 */

import { isActorService } from "../../core/actors/definition.ts";
import { isLabel, parseServiceName } from "../../core/names.ts";
import type { ServiceProtocol } from "../../core/types.ts";
import { SERVICE_PROTOCOLS } from "../../core/types.ts";
import { parseHostPort } from "../../transport/addresses.ts";
import { readCheck } from "./check-schema.ts";
import type { Problem } from "./fields.ts";
import { Fields, hasControl } from "./fields.ts";
import type { RegisteredPort, Registration } from "./registration.ts";
import { describeTarget } from "./registration.ts";

/** Ports of one instance: each is a listener in the application. */
const PORTS_PER_INSTANCE_MAX = 16;
/** Tags of one instance: they travel in the owner's document to every agent. */
const TAGS_MAX = 32;
const TAG_KEY = /^[A-Za-z][A-Za-z0-9_./-]{0,62}$/;
const TAG_VALUE_LENGTH_MAX = 255;
const VERSION_LENGTH_MAX = 64;
/** What the directory accepts. */
const WEIGHT_MAX = 1_000;
const ADDRESS_LENGTH_MAX = 255;
/** Shorter leases would end between two renewals on a busy host. */
const LEASE_MS_MIN = 1_000;
const LEASE_MS_MAX = 24 * 3_600_000;
/** What sockaddr_un holds on Linux and, less four, on macOS, without the closing zero byte. */
const UNIX_PATH_BYTES_MAX = process.platform === "darwin" ? 103 : 107;
/** What callers dial when they give no port. */
const HTTP_SERVICE_PORT = 80;

const KNOWN = [
  "namespace",
  "name",
  "id",
  "ports",
  "address",
  "unix",
  "servicePort",
  "protocol",
  "version",
  "weight",
  "tags",
  "check",
  "leaseMs",
] as const;

export type ReadRegistration =
  | { readonly ok: true; readonly registration: Registration }
  | { readonly ok: false; readonly problems: readonly Problem[] };

/**
 * Reads one registration. `name` is "web" or "shop/web"; without `namespace` it is "default";
 * without `id` the agent chooses one. Exactly one of `ports`, `address` and `unix` says where the
 * instance listens.
 */
export function readRegistration(input: unknown): ReadRegistration {
  const problems: Problem[] = [];
  const fields = Fields.of(input, KNOWN, "", problems);
  if (fields === undefined) return { ok: false, problems };
  const names = readNames(fields);
  const id = readId(fields);
  const protocol = fields.oneOf("protocol", SERVICE_PROTOCOLS) ?? "http";
  const ports = readPorts(fields, protocol);
  const version = fields.text("version", VERSION_LENGTH_MAX, true) ?? "";
  const weight = fields.integer("weight", 0, WEIGHT_MAX) ?? 1;
  const tags = readTags(fields);
  const check = readCheck(fields);
  const leaseMs = fields.integer("leaseMs", LEASE_MS_MIN, LEASE_MS_MAX);
  if (problems.length > 0 || names === undefined || ports === undefined) {
    return { ok: false, problems };
  }
  return {
    ok: true,
    registration: { ...names, id, protocol, ports, version, weight, tags, check, leaseMs },
  };
}

function readNames(fields: Fields): { namespace: string; name: string } | undefined {
  if (!fields.has("name")) return fields.problem("name", "is missing: the service needs a name");
  const text = fields.text("name", 127);
  const namespace = fields.text("namespace", 63);
  if (text === undefined) return undefined;
  const parsed = parseServiceName(text);
  if (parsed === undefined) return fields.problem("name", notALabel(text));
  if (isActorService(parsed.name)) {
    return fields.problem(
      "name",
      `"${parsed.name}" is kept for actor types, which are not registered`,
    );
  }
  if (namespace === undefined) return parsed;
  if (!isLabel(namespace)) return fields.problem("namespace", notALabel(namespace));
  if (text.includes("/") && namespace !== parsed.namespace) {
    return fields.problem("namespace", `"${namespace}" contradicts the name "${text}"`);
  }
  return { namespace, name: parsed.name };
}

/** Says what a DNS label is, and what was found instead. */
export function notALabel(text: string): string {
  const shown = JSON.stringify(text.slice(0, 64));
  return `${shown} is not a DNS label: 1 to 63 of a-z, 0-9 and "-", with no "-" at either end`;
}

function readId(fields: Fields): string | undefined {
  const id = fields.text("id", 63);
  if (id === undefined || isLabel(id)) return id;
  return fields.problem("id", notALabel(id));
}

function readPorts(
  fields: Fields,
  protocol: ServiceProtocol,
): readonly RegisteredPort[] | undefined {
  const given = ["ports", "address", "unix"].filter((key) => fields.has(key));
  const only = given[0];
  if (only === undefined) {
    return fields.problem("", 'where does it listen? Give "ports", "address" or "unix"');
  }
  if (given.length > 1) {
    return fields.problem("", `give only one of ${given.join(" and ")}: an instance has one place`);
  }
  if (only === "ports") return readPortList(fields, protocol);
  const servicePort = fields.integer("servicePort", 1, 65_535);
  if (only === "unix") {
    const unix = readUnixPath(fields);
    if (unix === undefined) return undefined;
    return [{ servicePort: servicePort ?? HTTP_SERVICE_PORT, target: { unix } }];
  }
  const text = fields.text("address", ADDRESS_LENGTH_MAX);
  if (text === undefined) return undefined;
  const target = parseHostPort(text);
  if (target === undefined || target.port === 0) {
    return fields.problem("address", `"${text}" is not HOST:PORT or [IPV6]:PORT`);
  }
  return [{ servicePort: servicePort ?? defaultServicePort(protocol, target.port), target }];
}

function defaultServicePort(protocol: ServiceProtocol, port: number): number {
  return protocol === "tcp" ? port : HTTP_SERVICE_PORT;
}

function readPortList(fields: Fields, protocol: ServiceProtocol): RegisteredPort[] | undefined {
  if (fields.has("servicePort")) {
    fields.problem("servicePort", "belongs into the entries of ports");
  }
  const list = fields.list("ports", 1, PORTS_PER_INSTANCE_MAX);
  if (list === undefined) return undefined;
  const ports: RegisteredPort[] = [];
  for (const [at, item] of list.entries()) {
    const entry = Fields.of(item, ["port", "servicePort"], `ports[${at}]`, fields.problems);
    if (entry === undefined) continue;
    if (!entry.has("port")) entry.problem("port", "is missing");
    const port = entry.integer("port", 1, 65_535);
    const asked = entry.integer("servicePort", 1, 65_535);
    if (port === undefined) continue;
    const servicePort = asked ?? defaultServicePort(protocol, port);
    if (ports.some((other) => other.servicePort === servicePort)) {
      const advice = 'give each port its own "servicePort"';
      entry.problem("servicePort", `two ports answer for service port ${servicePort}; ${advice}`);
      continue;
    }
    ports.push({ servicePort, target: { host: "127.0.0.1", port } });
  }
  return ports.length === list.length ? ports : undefined;
}

function readUnixPath(fields: Fields): string | undefined {
  const path = fields.text("unix", 4096);
  if (path === undefined) return undefined;
  if (!path.startsWith("/")) return fields.problem("unix", `"${path}" is not an absolute path`);
  const bytes = Buffer.byteLength(path);
  if (bytes > UNIX_PATH_BYTES_MAX) {
    const limit = `the system's limit for Unix sockets is ${UNIX_PATH_BYTES_MAX}`;
    return fields.problem("unix", `is ${bytes} bytes long; ${limit}`);
  }
  return path;
}

function readTags(fields: Fields): Readonly<Record<string, string>> {
  const value = fields.raw("tags");
  if (value === undefined) return {};
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    fields.problem("tags", "must be an object of texts");
    return {};
  }
  const entries = Object.entries(value);
  if (entries.length > TAGS_MAX) {
    fields.problem("tags", `has ${entries.length} entries; the limit is ${TAGS_MAX}`);
    return {};
  }
  const tags: [string, string][] = [];
  for (const [key, tag] of entries) {
    const at = `tags.${key.slice(0, 64)}`;
    if (!TAG_KEY.test(key)) {
      fields.problem(at, "a tag's name is a letter, then up to 62 letters, digits, _ . / or -");
    } else if (
      typeof tag !== "string" ||
      tag.length > TAG_VALUE_LENGTH_MAX ||
      hasControl(tag) ||
      !tag.isWellFormed()
    ) {
      fields.problem(at, `must be a text of at most ${TAG_VALUE_LENGTH_MAX} characters`);
    } else {
      tags.push([key, tag]);
    }
  }
  tags.sort(([left], [right]) => (left < right ? -1 : 1));
  return Object.fromEntries(tags);
}

/** The same registration in the form that readRegistration reads: for the disk. */
export function writeRegistration(registration: Registration): Record<string, unknown> {
  const { ports, ...rest } = registration;
  const [first] = ports;
  const loopback = ports.every(({ target }) => "host" in target && target.host === "127.0.0.1");
  if (loopback || first === undefined) {
    const list = ports.map(({ servicePort, target }) => ({
      port: "port" in target ? target.port : 0,
      servicePort,
    }));
    return { ...rest, ports: list };
  }
  const place =
    "unix" in first.target
      ? { unix: first.target.unix }
      : { address: describeTarget(first.target) };
  return { ...rest, ...place, servicePort: first.servicePort };
}
