/**
 * Request targets (RFC 9112 §3.2) and the host and port inside them. A proxy must know without
 * doubt which host a request means, so that everything unusual (user names, empty hosts, ports that
 * are no numbers) is refused instead of guessed.
 */
import { type HttpFault, isRegName, isTarget, parseDecimal } from "./syntax.ts";

export type TargetForm = "origin" | "absolute" | "authority" | "asterisk";

export interface Target {
  readonly form: TargetForm;
  /** Path and query, or "*"; "" for CONNECT. */
  readonly path: string;
  /** From absolute and authority form; undefined where the Host field decides. */
  readonly authority: string | undefined;
}

export interface HostPort {
  /** In lower case, without brackets and without a trailing dot. */
  readonly host: string;
  readonly port: number | undefined;
}

const IPV6 = /^[0-9a-f:.]{2,45}$/i;

/** Reads "host", "host:port", "[v6]" and "[v6]:port"; undefined for anything else. */
export function parseHostPort(text: string): HostPort | undefined {
  const inBrackets = text.charCodeAt(0) === 91;
  const hostEnd = inBrackets ? text.indexOf("]") + 1 : hostLength(text);
  if (hostEnd === 0) return undefined;
  const host = inBrackets ? text.slice(1, hostEnd - 1) : text.slice(0, hostEnd);
  if (inBrackets ? !IPV6.test(host) : !isRegName(host)) return undefined;
  const plain = (host.endsWith(".") ? host.slice(0, -1) : host).toLowerCase();
  if (plain === "") return undefined;
  if (hostEnd === text.length) return { host: plain, port: undefined };
  if (text.charCodeAt(hostEnd) !== 58) return undefined;
  const digits = text.slice(hostEnd + 1);
  // "host:" is allowed by RFC 3986 and means the default port.
  if (digits === "") return { host: plain, port: undefined };
  const port = parseDecimal(digits);
  if (port === undefined || port < 1 || port > 65_535) return undefined;
  return { host: plain, port };
}

function hostLength(text: string): number {
  const colon = text.indexOf(":");
  return colon < 0 ? text.length : colon;
}

export function parseTarget(method: string, target: string): Target | HttpFault {
  if (!isTarget(target)) {
    return { code: "bad_request", message: "a character that a request target may not have" };
  }
  if (method === "CONNECT") {
    const place = parseHostPort(target);
    if (place?.port === undefined) {
      return { code: "bad_request", message: "CONNECT needs HOST:PORT as its target" };
    }
    return { form: "authority", path: "", authority: target };
  }
  if (target.charCodeAt(0) === 47) return { form: "origin", path: target, authority: undefined };
  if (target === "*") {
    if (method === "OPTIONS") return { form: "asterisk", path: "*", authority: undefined };
    return { code: "bad_request", message: 'only OPTIONS may have the target "*"' };
  }
  return parseAbsolute(method, target);
}

function parseAbsolute(method: string, target: string): Target | HttpFault {
  const schemeEnd = target.indexOf("://");
  if (schemeEnd <= 0) {
    return { code: "bad_request", message: "a request target that is neither a path nor a URL" };
  }
  const scheme = target.slice(0, schemeEnd).toLowerCase();
  if (scheme !== "http") {
    return {
      code: "unsupported",
      message: `the proxy takes http:// URLs, not ${scheme}://; for TLS the client uses CONNECT`,
    };
  }
  const start = schemeEnd + 3;
  let end = start;
  while (end < target.length) {
    const character = target.charCodeAt(end);
    if (character === 47 || character === 63) break;
    end += 1;
  }
  const authority = target.slice(start, end);
  if (parseHostPort(authority) === undefined) {
    return { code: "bad_request", message: "a request URL whose host or port is not valid" };
  }
  const rest = target.slice(end);
  if (rest === "") {
    return { form: "absolute", path: method === "OPTIONS" ? "*" : "/", authority };
  }
  return { form: "absolute", path: rest.charCodeAt(0) === 63 ? `/${rest}` : rest, authority };
}
