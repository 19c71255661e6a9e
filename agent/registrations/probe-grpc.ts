/**
 * The gRPC check: a call of grpc.health.v1.Health/Check (github.com/grpc/grpc, doc/health-
 * checking.md) over HTTP/2 without TLS. Request and answer are messages of one field each, so they
 * are written and read here by hand: HealthCheckRequest { string service = 1 },
 * HealthCheckResponse { enum status = 1 }, each behind gRPC's prefix of one flag byte and a 32-bit
 * length.
 */
import { requestHttp2 } from "./http2-request.ts";
import type { ProbeResult } from "./probe.ts";
import { failed } from "./probe.ts";
import type { LocalTarget } from "./registration.ts";

const PREFIX_BYTES = 5;
const SERVING = 1;
const STATUS_NAMES = ["UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"];
const HEADERS = {
  ":method": "POST",
  ":path": "/grpc.health.v1.Health/Check",
  "content-type": "application/grpc",
  te: "trailers",
  "user-agent": "grapevine-health-check",
};
/** gRPC status codes that say something about the check itself. */
const NOT_FOUND = "5";
const UNIMPLEMENTED = "12";

export async function probeGrpc(
  service: string,
  target: LocalTarget,
  signal: AbortSignal,
): Promise<ProbeResult> {
  try {
    const answer = await requestHttp2(target, HEADERS, encodeRequest(service), signal);
    if (answer.status !== 200) return { ok: false, message: `HTTP ${answer.status}` };
    // An error without a message comes as a head alone ("trailers-only").
    const fields = answer.trailers["grpc-status"] === undefined ? answer.headers : answer.trailers;
    const code = `${fields["grpc-status"] ?? ""}`;
    if (code !== "0") return { ok: false, message: describeCode(code, fields["grpc-message"]) };
    const status = decodeStatus(answer.body);
    if (status === undefined) return { ok: false, message: "the answer is not a health response" };
    return { ok: status === SERVING, message: STATUS_NAMES[status] ?? `status ${status}` };
  } catch (error) {
    return failed(signal.aborted ? signal.reason : error, target);
  }
}

function describeCode(code: string, message: string | string[] | undefined): string {
  if (code === UNIMPLEMENTED) return "the server does not offer grpc.health.v1.Health";
  if (code === NOT_FOUND) return "the health service does not know this service";
  if (code === "") return "the answer has no grpc-status";
  return `grpc-status ${code}${message === undefined ? "" : `: ${message}`}`;
}

export function encodeRequest(service: string): Uint8Array {
  const name = Buffer.from(service);
  const field = name.length === 0 ? [] : [0x0a, ...varint(name.length), ...name];
  const prefixed = Buffer.alloc(PREFIX_BYTES + field.length);
  prefixed.writeUInt32BE(field.length, 1);
  prefixed.set(field, PREFIX_BYTES);
  return prefixed;
}

function varint(value: number): number[] {
  const bytes: number[] = [];
  while (value > 0x7f) {
    bytes.push((value & 0x7f) | 0x80);
    value >>>= 7;
  }
  bytes.push(value);
  return bytes;
}

/** The status in a prefixed HealthCheckResponse; undefined for anything else. */
export function decodeStatus(body: Uint8Array): number | undefined {
  if (body.length < PREFIX_BYTES || body[0] !== 0) return undefined;
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  const message = body.subarray(PREFIX_BYTES);
  if (view.getUint32(1) !== message.length) return undefined;
  let status = 0;
  let at = 0;
  while (at < message.length) {
    const tag = readVarint(message, at);
    if (tag === undefined) return undefined;
    const value = readVarint(message, tag.end);
    if (value === undefined) return undefined;
    const wireType = tag.value % 8;
    if (wireType === 0) {
      if (tag.value === 0x08) status = value.value;
      at = value.end;
    } else if (wireType === 2) {
      at = value.end + value.value;
    } else {
      at = tag.end + (wireType === 1 ? 8 : wireType === 5 ? 4 : Number.POSITIVE_INFINITY);
    }
  }
  return at === message.length ? status : undefined;
}

function readVarint(bytes: Uint8Array, from: number): { value: number; end: number } | undefined {
  let value = 0;
  let scale = 1;
  for (let at = from; at < bytes.length && at < from + 7; at += 1) {
    const byte = bytes[at] ?? 0;
    value += (byte & 0x7f) * scale;
    if (byte < 0x80) return { value, end: at + 1 };
    scale *= 128;
  }
  return undefined;
}
