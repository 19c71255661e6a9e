/**
 * Identifiers of requests and of traces (W3C Trace Context, level 1). A request that carries no
 * traceparent gets one, so that what the instances log can be joined with the decision record; it
 * is marked as sampled because the record is in fact kept.
 */
import type { RawHeaders } from "./exchange/contract.ts";
import type { Random } from "./seams.ts";

/** The two digits of each byte: Number's own conversion takes hundreds of nanoseconds. */
const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

const TRACEPARENT = /^[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}/;

/** 16 hexadecimal digits. */
export function createRequestId(random: Random): string {
  return hex32(random.next()) + hex32(random.next());
}

/** The headers with a traceparent in them, and its value: the one that is there, or a new one. */
export function withTrace(
  headers: RawHeaders,
  requestId: string,
  random: Random,
): { readonly headers: RawHeaders; readonly traceparent: string } {
  const present = traceparentOf(headers);
  if (present !== undefined) return { headers, traceparent: present };
  const traceparent = createTraceparent(random, requestId);
  return { headers: replaceTrace(headers, traceparent), traceparent };
}

/** The value of the first traceparent field if it is well-formed. */
function traceparentOf(headers: RawHeaders): string | undefined {
  for (let at = 0; at + 1 < headers.length; at += 2) {
    if ((headers[at] as string).length !== 11) continue;
    if ((headers[at] as string).toLowerCase() !== "traceparent") continue;
    const value = headers[at + 1] as string;
    return TRACEPARENT.test(value) ? value : undefined;
  }
  return undefined;
}

/** A new trace whose first span has the id of the request. */
function createTraceparent(random: Random, requestId: string): string {
  const trace = createRequestId(random) + hex32(random.next()) + hex32(random.next() | 1);
  const span = /^0+$/.test(requestId) ? "0000000000000001" : requestId;
  return `00-${trace}-${span}-01`;
}

/** The headers with the traceparent in place of a malformed one and of what belonged to that. */
function replaceTrace(headers: RawHeaders, traceparent: string): RawHeaders {
  const kept: string[] = [];
  for (let at = 0; at + 1 < headers.length; at += 2) {
    const name = headers[at] as string;
    if (!isTraceField(name)) kept.push(name, headers[at + 1] as string);
  }
  kept.push("traceparent", traceparent);
  return kept;
}

/** "traceparent" or "tracestate", whatever the case; most names are told by their length. */
function isTraceField(name: string): boolean {
  return (name.length === 10 || name.length === 11) && /^trace(parent|state)$/i.test(name);
}

function hex32(value: number): string {
  const high = `${HEX[value >>> 24]}${HEX[(value >>> 16) & 255]}`;
  return `${high}${HEX[(value >>> 8) & 255]}${HEX[value & 255]}`;
}
