/**
 * Readers of single values, as flags, variables and configuration files spell them. Each takes text
 * and gives the value, or throws InvalidValue with a message that says what is expected and shows
 * an example; whoever calls knows the place and puts it in front.
 */
import { isIP } from "node:net";
import { isLabel } from "../../core/names.ts";
import { formatHostPort, type HostPort, parseHostPort } from "../../transport/addresses.ts";

export class InvalidValue extends Error {}

const UNIT_MS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
type Unit = keyof typeof UNIT_MS;
/** Ten years: longer than anything that is configured, and a safe integer in milliseconds. */
const DURATION_MS_MAX = 3660 * UNIT_MS.d;

/** "250ms", "15s", "1h", "1m30s", "90d": whole milliseconds. */
export function readDuration(text: string): number {
  if (text.length > 64 || !/^(?:\d+(?:\.\d+)?(?:ms|s|m|h|d))+$/.test(text)) {
    throw new InvalidValue(`expects a duration such as 250ms, 15s or 1h, not "${text}"`);
  }
  let total = 0;
  for (const [, amount, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/g)) {
    total += Number(amount) * UNIT_MS[unit as Unit];
  }
  if (total > DURATION_MS_MAX) throw new InvalidValue(`"${text}" is longer than ten years`);
  return Math.round(total);
}

/** HOST:PORT or [IPv6]:PORT; port 0 lets the system choose. */
export function readHostPort(text: string): HostPort {
  const address = parseHostPort(text);
  if (address !== undefined) return address;
  const bare = isIP(text) === 6 || isIP(text.replace(/:\d+$/, "")) === 6;
  const hint = bare && !text.startsWith("[") ? "; an IPv6 address goes in brackets" : "";
  throw new InvalidValue(
    `expects HOST:PORT such as 127.0.0.1:7946 or [::1]:7946, not "${text}"${hint}`,
  );
}

/** The text of an address to dial: as readHostPort, but port 0 names nothing there. */
export function readDialAddress(text: string): string {
  const { host, port } = readHostPort(text);
  if (port === 0) throw new InvalidValue(`expects a port from 1 to 65535 in "${text}"`);
  return formatHostPort(host, port);
}

/** HOST:PORT; "off" gives undefined. */
export function readHostPortOrOff(text: string): HostPort | undefined {
  if (text === "off") return undefined;
  try {
    return readHostPort(text);
  } catch {
    throw new InvalidValue(`expects HOST:PORT such as 127.0.0.1:15001, or off, not "${text}"`);
  }
}

/** A network such as 127.77.0.0/16; "off" gives undefined. */
export function readNetworkOrOff(text: string): string | undefined {
  if (text === "off") return undefined;
  const [address = "", bits = "", ...more] = text.split("/");
  const family = isIP(address);
  const widest = family === 4 ? 32 : 128;
  if (family === 0 || more.length > 0 || !/^\d{1,3}$/.test(bits) || Number(bits) > widest) {
    throw new InvalidValue(`expects a network such as 127.77.0.0/16, or off, not "${text}"`);
  }
  return text;
}

export function readLabel(text: string): string {
  if (isLabel(text)) return text;
  throw new InvalidValue(
    `expects a DNS label (1 to 63 of a-z, 0-9 and "-", no "-" at either end), not "${text}"`,
  );
}

/** A short name of free form: zone, region, group. */
export function readWord(text: string): string {
  if (/^[\w.-]{1,63}$/.test(text)) return text;
  throw new InvalidValue(`expects 1 to 63 letters, digits, ".", "_" and "-", not "${text}"`);
}

/** A path of the file system, not yet made absolute. */
export function readPath(text: string): string {
  if (text !== "" && !text.includes("\0")) return text;
  throw new InvalidValue("expects a path, not nothing");
}

/** KEY=VALUE. */
export function readPair(text: string): readonly [string, string] {
  const equals = text.indexOf("=");
  if (equals < 1) throw new InvalidValue(`expects KEY=VALUE, not "${text}"`);
  const key = text.slice(0, equals);
  const value = text.slice(equals + 1);
  if (!/^[A-Za-z][\w./-]{0,62}$/.test(key)) {
    throw new InvalidValue(
      `expects a key of at most 63 letters, digits, ".", "_", "/", "-" that begins with a letter, ` +
        `not "${key}"`,
    );
  }
  if (value.length > 256) throw new InvalidValue("expects a value of at most 256 characters");
  return [key, value];
}

export function readBoolean(text: string): boolean {
  if (/^(?:true|1|yes|on)$/i.test(text)) return true;
  if (/^(?:false|0|no|off)$/i.test(text)) return false;
  throw new InvalidValue(`expects true or false, not "${text}"`);
}

/** A reader for one of a few words. */
export function oneOf<const Word extends string>(words: readonly Word[]): (text: string) => Word {
  return (text) => {
    const found = words.find((word) => word === text);
    if (found !== undefined) return found;
    const choice = words.join(", ").replace(/, (?=[^,]+$)/, " or ");
    throw new InvalidValue(`expects ${choice}, not "${text}"`);
  };
}
