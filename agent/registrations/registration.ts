/**
 * What an application tells its agent when it registers an instance, in its normal form: names
 * split, defaults filled in, every port with the place where it is found. The API, the YAML
 * configuration and the disk all hold this one shape.
 */
import type { ServiceProtocol } from "../../core/types.ts";

/** Where the agent reaches a port of a local instance. */
export type LocalTarget =
  | { readonly host: string; readonly port: number }
  | { readonly unix: string };

export interface RegisteredPort {
  /** The port that callers dial: 80 in http://web.mesh. */
  readonly servicePort: number;
  readonly target: LocalTarget;
}

export type CheckSpec = {
  readonly intervalMs: number;
  readonly timeoutMs: number;
  /** Failures in a row that make a passing instance failing. */
  readonly unhealthyAfter: number;
  /** Successes in a row that make a failing instance passing. */
  readonly healthyAfter: number;
} & (
  | { readonly type: "http"; readonly path: string }
  | { readonly type: "tcp" }
  /** `service` is the name asked for in grpc.health.v1.Health/Check; "" asks for the server. */
  | { readonly type: "grpc"; readonly service: string }
  /** The application itself reports; silence for `ttlMs` is a failure. */
  | { readonly type: "ttl"; readonly ttlMs: number }
  /** A program and its arguments; exit code 0 is a success. */
  | { readonly type: "exec"; readonly command: readonly string[] }
);

export type CheckType = CheckSpec["type"];

export interface Registration {
  readonly namespace: string;
  readonly name: string;
  /** Undefined: the agent chooses `<agent>-<port>`. */
  readonly id: string | undefined;
  readonly protocol: ServiceProtocol;
  /** At least one; service ports are distinct. */
  readonly ports: readonly RegisteredPort[];
  readonly version: string;
  /** 0 takes no new traffic; others in proportion. */
  readonly weight: number;
  readonly tags: Readonly<Record<string, string>>;
  readonly check: CheckSpec | undefined;
  /** Set: the registration is gone unless it is renewed within this time, and never on disk. */
  readonly leaseMs: number | undefined;
}

/** "127.0.0.1:8080", "[::1]:8080" or "unix:/run/web.sock". */
export function describeTarget(target: LocalTarget): string {
  if ("unix" in target) return `unix:${target.unix}`;
  const host = target.host.includes(":") ? `[${target.host}]` : target.host;
  return `${host}:${target.port}`;
}

/**
 * The places where the instance is found, for people, each once, separated by commas: at most 255
 * characters, as the directory asks, even for sixteen ports of 127.0.0.1.
 */
export function describeAddress(ports: readonly RegisteredPort[]): string {
  return [...new Set(ports.map((port) => describeTarget(port.target)))].join(",");
}

/** The id that the agent gives to an instance that was registered without one. */
export function defaultInstanceId(agentName: string, ports: readonly RegisteredPort[]): string {
  const first = ports[0];
  const suffix =
    first === undefined ? "" : "unix" in first.target ? first.servicePort : first.target.port;
  const label = `${suffix}`;
  const room = 63 - label.length - 1;
  return `${agentName.slice(0, room).replace(/-+$/, "")}-${label}`;
}
