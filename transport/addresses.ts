/**
 * Addresses as people write them ("10.0.0.1:7946", "[::1]:7946", "seed.example:7946") and as libp2p
 * does ("/ip4/10.0.0.1/tcp/7946"). Names stay names: they are resolved again at each dial.
 */
import { isIP, isIPv4, isIPv6 } from "node:net";
import { networkInterfaces } from "node:os";

export interface HostPort {
  /** IPv4, IPv6 without brackets (a zone such as "%eth0" may follow), or a DNS name. */
  readonly host: string;
  readonly port: number;
}

const PORT = /^\d{1,5}$/;
const DNS_LABEL = "[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?";
const DNS_NAME = new RegExp(`^(?=.{1,254}$)${DNS_LABEL}(?:\\.${DNS_LABEL})*\\.?$`);
const ALL_DIGITS_AND_DOTS = /^[\d.]+$/;

/** Reads HOST:PORT; undefined if it is not one. Port 0 is allowed: a listener picks a free one. */
export function parseHostPort(text: string): HostPort | undefined {
  const colon = text.lastIndexOf(":");
  if (colon <= 0) return undefined;
  const portText = text.slice(colon + 1);
  const port = Number(portText);
  if (!PORT.test(portText) || port > 65_535) return undefined;
  const left = text.slice(0, colon);
  if (left.startsWith("[")) {
    const host = left.slice(1, -1);
    return left.endsWith("]") && isIPv6(host) ? { host, port } : undefined;
  }
  if (isIPv4(left)) return { host: left, port };
  // "1.2.3" and "300.1.1.1" are mistyped addresses, not names.
  if (ALL_DIGITS_AND_DOTS.test(left) || !DNS_NAME.test(left)) return undefined;
  return { host: left, port };
}

export function formatHostPort(host: string, port: number): string {
  return isIPv6(host) ? `[${host}]:${port}` : `${host}:${port}`;
}

/** True for 127.0.0.0/8, ::1, and the names that by definition mean them (RFC 6761). */
export function isLoopback(host: string): boolean {
  if (isIPv4(host)) return host.startsWith("127.");
  if (isIPv6(host)) {
    const plain = withoutZone(host);
    return normalizeIPv6(plain) === "::1" || mappedIPv4(plain)?.startsWith("127.") === true;
  }
  const name = host.toLowerCase().replace(/\.$/, "");
  return name === "localhost" || name.endsWith(".localhost");
}

/** True for the addresses that mean "every interface" in a bind and nothing in a dial. */
export function isUnspecified(host: string): boolean {
  if (isIPv4(host)) return host === "0.0.0.0";
  if (!isIPv6(host)) return false;
  return normalizeIPv6(withoutZone(host)) === "::" || mappedIPv4(host) === "0.0.0.0";
}

/**
 * The host by which others reach a listener bound to `host`: itself, or for "every interface" this
 * machine's first outward address of the same family, IPv4 before IPv6; loopback if it has none.
 */
export function reachableHost(host: string): string {
  if (!isUnspecified(host)) return host;
  const outward = Object.values(networkInterfaces())
    .flatMap((entries) => entries ?? [])
    .filter((entry) => !entry.internal && !entry.address.startsWith("fe80:"));
  const first = outward.find((entry) => entry.family === "IPv4");
  if (first !== undefined) return first.address;
  const second = isIPv6(host) ? outward.find((entry) => entry.family === "IPv6") : undefined;
  return second?.address ?? (isIPv4(host) ? "127.0.0.1" : "::1");
}

/** "/ip4/…/tcp/…", "/ip6/…/tcp/…" or "/dns/…/tcp/…". */
export function toMultiaddrText(address: HostPort): string {
  const { host, port } = address;
  if (isIPv4(host)) return `/ip4/${host}/tcp/${port}`;
  if (isIP(host) === 0) return `/dns/${host.replace(/\.$/, "")}/tcp/${port}`;
  const percent = host.indexOf("%");
  const zone = percent < 0 ? "" : `/ip6zone/${host.slice(percent + 1)}`;
  return `${zone}/ip6/${withoutZone(host)}/tcp/${port}`;
}

/** HOST:PORT of a TCP multiaddr, whatever follows the port; undefined for other kinds. */
export function fromMultiaddrText(text: string): string | undefined {
  const [, zone, kind, host, port] =
    /^(?:\/ip6zone\/([^/]+))?\/(ip4|ip6|dns|dns4|dns6)\/([^/]+)\/tcp\/(\d{1,5})(?:\/|$)/.exec(
      text,
    ) ?? [];
  if (kind === undefined || host === undefined || port === undefined) return undefined;
  return formatHostPort(zone === undefined ? host : `${host}%${zone}`, Number(port));
}

function withoutZone(host: string): string {
  const percent = host.indexOf("%");
  return percent < 0 ? host : host.slice(0, percent);
}

/** The canonical short form, as the URL standard writes it. */
function normalizeIPv6(host: string): string {
  return new URL(`http://[${host}]`).hostname.slice(1, -1);
}

/** The IPv4 address inside ::ffff:a.b.c.d. */
function mappedIPv4(host: string): string | undefined {
  const [, high, low] =
    /^::ffff:([0-9a-f]+):([0-9a-f]+)$/.exec(normalizeIPv6(withoutZone(host))) ?? [];
  if (high === undefined || low === undefined) return undefined;
  const bits = Number.parseInt(high, 16) * 65_536 + Number.parseInt(low, 16);
  return [24, 16, 8, 0].map((shift) => Math.floor(bits / 2 ** shift) % 256).join(".");
}
