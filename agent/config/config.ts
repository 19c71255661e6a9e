/** What an agent runs with, after flags, variables, the file and the defaults are merged. */
import type { HostPort } from "../../transport/addresses.ts";
import type { Registration } from "../registrations/registration.ts";
import type { ConfigSource } from "./load.ts";
import type { Egress, LogLevel } from "./settings.ts";

export const CLUSTER_DEFAULT = "default";

/** Where to listen. */
export interface ListenAddress extends HostPort {
  /** True for a default with --dev: if the port is taken, the next free one does as well. */
  readonly movable: boolean;
}

export interface AgentConfig {
  /** A DNS label. */
  readonly name: string;
  /** False: the name is a default, so an identity's name goes first, and --dev may append "-2". */
  readonly nameGiven: boolean;
  /** Absolute paths. */
  readonly dataDir: string;
  readonly socket: string;
  readonly socketGroup: string | undefined;
  readonly bind: ListenAddress;
  readonly linkBind: ListenAddress;
  /** HOST:PORT that others are told; undefined: derived from where it listens. */
  readonly advertise: string | undefined;
  readonly linkAdvertise: string | undefined;
  /** Undefined: off. */
  readonly httpProxy: ListenAddress | undefined;
  readonly admin: ListenAddress | undefined;
  readonly dns: ListenAddress | undefined;
  /** A network such as "127.77.0.0/16"; undefined: off. */
  readonly vip: string | undefined;
  /** HOST:PORT of seeds, each once, in the order given. */
  readonly join: readonly string[];
  /** Undefined: as the identity says. */
  readonly zone: string | undefined;
  readonly region: string | undefined;
  readonly labels: Readonly<Record<string, string>>;
  readonly cluster: string;
  readonly trust: { readonly kind: "identity"; readonly file: string } | { readonly kind: "dev" };
  readonly egress: Egress;
  readonly drainTimeoutMs: number;
  readonly logLevel: LogLevel;
  /** Whether exec checks may come over the socket; those in the file always may. */
  readonly enableExecChecks: boolean;
  /** Registrations that the file declares. */
  readonly services: readonly Registration[];
  /** True with --json: the ready line is one JSON object with the same fields. */
  readonly json: boolean;
  /** What the configuration was loaded from: `loadConfig(config.source)` reads it again. */
  readonly source: ConfigSource;
}
