/**
 * What each field of a directory document may hold. The same rules judge what a peer sent and what
 * this agent is about to publish, so that an agent never signs what others would refuse. Every
 * function gives the first thing wrong in words, or undefined.
 */
import {
  ACTOR_HOSTINGS_PER_AGENT_MAX,
  INSTANCES_PER_AGENT_MAX,
  LABELS_MAX,
} from "../core/limits.ts";
import { isLabel } from "../core/names.ts";
import { WEIGHT_MAX } from "../core/ring/ring.ts";
import { CERTIFICATE_BYTES_MAX } from "../core/trust/certificate.ts";
import { isBytes, isPlace, isRecord, isText, isWhole } from "../core/trust/fields.ts";
import { SERVICE_PROTOCOLS } from "../core/types.ts";
import type { InstanceEntry, OwnerDocument } from "./document.ts";

/** Far above any wall clock in milliseconds, far below where doubles lose whole numbers. */
export const EPOCH_MAX = 2 ** 52;
export const SEQ_MAX = 2 ** 48;
const NONCE_MAX = Number.MAX_SAFE_INTEGER;
const WALL_MS_MAX = 2 ** 52;
const TAGS_MAX = 32;
const TAG_KEY_LENGTH_MAX = 63;
const TAG_VALUE_LENGTH_MAX = 256;
const PORTS_PER_INSTANCE_MAX = 16;
/** An instance with several ports lists an address for each. */
const ADDRESS_LENGTH_MAX = 1_024;
const VERSION_LENGTH_MAX = 64;
const HOST_PORT = /^(?:\[[0-9A-Fa-f:.%a-z]{2,64}\]|[A-Za-z0-9._-]{1,253}):\d{1,5}$/;
const PROTOCOLS: readonly unknown[] = [...SERVICE_PROTOCOLS, "actor"];
/** What is registered, and the actor types beside it. */
const INSTANCES_MAX = INSTANCES_PER_AGENT_MAX + ACTOR_HOSTINGS_PER_AGENT_MAX;

/** What setOwn is given: everything that the directory does not decide itself. */
export type OwnContent = Omit<OwnerDocument, "owner" | "epoch" | "seq" | "nonce" | "notAfter">;

/** "namespace/name/id": how vitals name an instance. */
export function instanceKey(instance: Pick<InstanceEntry, "namespace" | "name" | "id">): string {
  return `${instance.namespace}/${instance.name}/${instance.id}`;
}

export function isInstanceKey(value: unknown): value is string {
  if (typeof value !== "string" || value.length > 191) return false;
  const parts = value.split("/");
  return parts.length === 3 && parts.every(isLabel);
}

export function faultOfOrder(fields: Readonly<Record<string, unknown>>): string | undefined {
  if (!isWhole(fields["epoch"], EPOCH_MAX)) return "epoch is not a whole number in range";
  if (!isWhole(fields["seq"], SEQ_MAX)) return "seq is not a whole number in range";
  return undefined;
}

export function faultOfLease(fields: Readonly<Record<string, unknown>>): string | undefined {
  if (!isWhole(fields["nonce"], NONCE_MAX)) return "nonce is not a whole number in range";
  if (!isWhole(fields["notAfter"], WALL_MS_MAX)) return "notAfter is not a moment in milliseconds";
  return undefined;
}

export function faultOfContent(fields: Readonly<Record<string, unknown>>): string | undefined {
  const { name, bind, link, zone, region, labels, version, certificate, instances } = fields;
  if (typeof name !== "string" || !isLabel(name)) return "name is not a DNS label";
  if (!isHostPort(bind)) return "bind is not HOST:PORT";
  if (!isHostPort(link)) return "link is not HOST:PORT";
  if (!isPlace(zone)) return "zone is not a place name";
  if (!isPlace(region)) return "region is not a place name";
  if (!isTextMap(labels, LABELS_MAX)) return `labels are not a map of at most ${LABELS_MAX} texts`;
  if (!isText(version, VERSION_LENGTH_MAX)) return "version is not a short text";
  if (!isBytes(certificate, CERTIFICATE_BYTES_MAX)) return "certificate is not bytes";
  if (!Array.isArray(instances)) return "instances is not a list";
  if (instances.length > INSTANCES_MAX) return `more than ${INSTANCES_MAX} instances`;
  return faultOfInstances(instances);
}

function faultOfInstances(instances: readonly unknown[]): string | undefined {
  const seen = new Set<string>();
  for (const [at, instance] of instances.entries()) {
    if (!isRecord(instance)) return `instance ${at} is not a map`;
    const fault = faultOfEntry(instance);
    if (fault !== undefined) return `instance ${at}: ${fault}`;
    const key = instanceKey(instance as unknown as InstanceEntry);
    if (seen.has(key)) return `instance ${key} is listed twice`;
    seen.add(key);
  }
  return undefined;
}

/** What is wrong with one instance, for a caller that would rather leave it out. */
export function faultOfInstance(entry: InstanceEntry): string | undefined {
  return faultOfEntry({ ...entry });
}

function faultOfEntry(fields: Readonly<Record<string, unknown>>): string | undefined {
  const { namespace, name, id, protocol, ports, address, version, weight, tags } = fields;
  if (typeof namespace !== "string" || !isLabel(namespace)) return "namespace is not a DNS label";
  if (typeof name !== "string" || !isLabel(name)) return "name is not a DNS label";
  if (typeof id !== "string" || !isLabel(id)) return "id is not a DNS label";
  if (!PROTOCOLS.includes(protocol)) return "protocol is not known";
  if (!Array.isArray(ports) || ports.length > PORTS_PER_INSTANCE_MAX || !ports.every(isPort)) {
    return `ports are not at most ${PORTS_PER_INSTANCE_MAX} port numbers`;
  }
  if (!isText(address, ADDRESS_LENGTH_MAX)) return "address is not a short text";
  if (!isText(version, VERSION_LENGTH_MAX)) return "version is not a short text";
  if (!isWhole(weight, WEIGHT_MAX)) return `weight is not a whole number from 0 to ${WEIGHT_MAX}`;
  if (!isTextMap(tags, TAGS_MAX)) return `tags are not a map of at most ${TAGS_MAX} texts`;
  return undefined;
}

function isHostPort(value: unknown): boolean {
  return typeof value === "string" && (value === "" || HOST_PORT.test(value));
}

function isPort(value: unknown): boolean {
  return isWhole(value, 65_535) && value > 0;
}

function isTextMap(value: unknown, sizeMax: number): boolean {
  if (!isRecord(value)) return false;
  const entries = Object.entries(value);
  return (
    entries.length <= sizeMax &&
    entries.every(
      ([key, text]) => isText(key, TAG_KEY_LENGTH_MAX) && isText(text, TAG_VALUE_LENGTH_MAX),
    )
  );
}
