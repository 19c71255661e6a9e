/**
 * Names of services and instances, and the host names by which applications dial them:
 * `web.mesh` is default/web, `web.shop.mesh` is shop/web, and one instance is always four labels,
 * `ID.web.default.mesh`. Host names compare without regard to case; a trailing dot is ignored.
 */
import type { ServiceKey } from "./types.ts";

const LABEL = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;
export const DEFAULT_NAMESPACE = "default";
export const MESH_DOMAIN = "mesh";

/** A DNS label in lower case: 1 to 63 of a-z, 0-9 and "-", with no "-" at either end (RFC 1123). */
export function isLabel(text: string): boolean {
  return LABEL.test(text);
}

export interface ServiceName {
  readonly namespace: string;
  readonly name: string;
}

/** Reads "NAME" or "NAMESPACE/NAME"; undefined if a part is not a DNS label. */
export function parseServiceName(text: string): ServiceName | undefined {
  const slash = text.indexOf("/");
  const namespace = slash < 0 ? DEFAULT_NAMESPACE : text.slice(0, slash);
  const name = text.slice(slash + 1);
  return isLabel(namespace) && isLabel(name) ? { namespace, name } : undefined;
}

export function serviceKey(namespace: string, name: string): ServiceKey {
  return `${namespace}/${name}` as ServiceKey;
}

export interface MeshTarget {
  readonly service: ServiceKey;
  /** Set where the host name names one instance. */
  readonly instance: string | undefined;
}

/** True for every name under ".mesh", whether or not it can name a service. */
export function isMeshHost(host: string): boolean {
  return trimDot(host).toLowerCase().endsWith(`.${MESH_DOMAIN}`);
}

/** The service or instance that a host name (without port) means; undefined if it means neither. */
export function parseMeshHost(host: string): MeshTarget | undefined {
  const labels = trimDot(host).toLowerCase().split(".");
  if (labels.pop() !== MESH_DOMAIN || !labels.every(isLabel)) return undefined;
  const [first, second, third] = labels;
  if (first === undefined) return undefined;
  if (labels.length === 1) {
    return { service: serviceKey(DEFAULT_NAMESPACE, first), instance: undefined };
  }
  if (second === undefined) return undefined;
  if (labels.length === 2) return { service: serviceKey(second, first), instance: undefined };
  if (third === undefined || labels.length !== 3) return undefined;
  return { service: serviceKey(third, second), instance: first };
}

function trimDot(host: string): string {
  return host.endsWith(".") ? host.slice(0, -1) : host;
}
