/**
 * The admin listener: /metrics, /healthz and /readyz on a TCP address, for Prometheus and load
 * balancers. It changes nothing and tells little, yet a web page must not read it through the
 * browser of somebody who can reach it: a Host that is not this listener's (DNS rebinding) and a
 * foreign Origin are refused.
 */

import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { isIP } from "node:net";
import { GrapevineError } from "../../core/errors.ts";
import type { Registry } from "./metrics.ts";

const METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8";
const TEXT_TYPE = "text/plain; charset=utf-8";
/** Scrapers and probes are few; more is a mistake or an attack. */
const CONNECTIONS_MAX = 256;
const REQUEST_TIMEOUT_MS = 10_000;

export interface Readiness {
  readonly ready: boolean;
  /** What is missing, or "draining". */
  readonly reasons: readonly string[];
}

export interface AdminOptions {
  readonly host: string;
  /** 0 picks a free port. */
  readonly port: number;
  readonly registry: Registry;
  readonly readiness: () => Readiness;
}

export interface AdminListener {
  /** HOST:PORT with the real port. */
  readonly address: string;
  close(): Promise<void>;
}

interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Rejects with `address_in_use` or the system's own error. */
export async function createAdminListener(options: AdminOptions): Promise<AdminListener> {
  const { host, port } = options;
  const server = createServer({ maxHeaderSize: 16 * 1024, requestTimeout: REQUEST_TIMEOUT_MS });
  server.maxConnections = CONNECTIONS_MAX;
  server.on("request", (request, response) => write(request, response, answer(request, options)));
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => reject(listenError(error, host, port)));
    server.listen({ host, port }, resolve);
  });
  const bound = server.address() as AddressInfo;
  const shown = bound.family === "IPv6" ? `[${bound.address}]` : bound.address;
  return {
    address: `${shown}:${bound.port}`,
    close: async () => {
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      });
    },
  };
}

function listenError(error: NodeJS.ErrnoException, host: string, port: number): Error {
  if (error.code !== "EADDRINUSE") return error;
  return new GrapevineError(
    "address_in_use",
    `the admin address ${host}:${port} is in use; choose another with --admin HOST:PORT or "off"`,
    { cause: error },
  );
}

function answer(request: IncomingMessage, options: AdminOptions): Answer {
  const host = request.headers.host;
  if (host === undefined || !isOwnHost(host, options.host)) {
    return refusal(403, "this Host is not served here; use the address itself or localhost");
  }
  const { origin } = request.headers;
  if (origin !== undefined && origin !== `http://${host}`) {
    return refusal(403, "requests from other origins are refused");
  }
  const path = (request.url ?? "").split("?", 1)[0];
  const page = pageOf(path, options);
  if (page === undefined) return refusal(404, "see / for what is served here");
  if (request.method !== "GET" && request.method !== "HEAD") {
    return { ...refusal(405, "read only: use GET"), headers: { allow: "GET, HEAD" } };
  }
  return page();
}

function pageOf(path: string | undefined, options: AdminOptions): (() => Answer) | undefined {
  switch (path) {
    case "/":
      return () => text(200, "grapevine agent\n\n/metrics\n/healthz\n/readyz\n");
    case "/metrics":
      return () => ({ status: 200, type: METRICS_TYPE, body: options.registry.expose() });
    case "/healthz":
      return () => text(200, "ok\n");
    case "/readyz":
      return () => {
        const { ready, reasons } = options.readiness();
        return ready ? text(200, "ready\n") : text(503, `not ready: ${reasons.join(", ")}\n`);
      };
    default:
      return undefined;
  }
}

/**
 * An IP literal, localhost, or the very name that was configured: a rebound name is none of them.
 */
function isOwnHost(header: string, bound: string): boolean {
  const match = /^(?:\[([^\]]+)\]|([^:]+))(?::\d{1,5})?$/.exec(header.toLowerCase());
  const name = match?.[1] ?? match?.[2];
  if (name === undefined) return false;
  return isIP(name) !== 0 || name === "localhost" || name === bound.toLowerCase();
}

function text(status: number, body: string): Answer {
  return { status, type: TEXT_TYPE, body };
}

function refusal(status: number, message: string): Answer {
  return text(status, `${message}\n`);
}

function write(request: IncomingMessage, response: ServerResponse, result: Answer): void {
  // Nothing here reads a body; one that is on its way ends with the connection.
  request.resume();
  response.writeHead(result.status, {
    "content-type": result.type,
    "content-length": Buffer.byteLength(result.body),
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    ...result.headers,
  });
  response.end(request.method === "HEAD" ? undefined : result.body);
}
