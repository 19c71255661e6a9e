/**
 * The catalogue of everything that can go wrong with a request or a call, and the one error class
 * that carries it. An error always tells a caller what it needs to decide on a repeat: whether the
 * call may have run, whether a repeat can help, and whether the far side was overloaded. The same
 * code names it in the program (ERR_GRAPEVINE_…), on the wire, in decision records and in metrics.
 * Each row is explained in docs/errors.md.
 */

/** "no": it surely did not run. "unknown": it may have. */
export type Executed = "no" | "unknown";

interface CatalogueRow {
  /** HTTP status of the answer that Grapevine writes for it. */
  readonly status: number;
  /** What is known about the call unless the place that raises the error knows better. */
  readonly executed: Executed;
  /** Whether another candidate, or a later moment, may succeed. */
  readonly retryable: boolean;
  readonly overloaded: boolean;
}

const row = (status: number, executed: Executed, retryable: boolean, overloaded = false) =>
  ({ status, executed, retryable, overloaded }) satisfies CatalogueRow;

export const REQUEST_ERRORS = {
  bad_request: row(400, "no", false),
  header_too_large: row(431, "no", false),
  uri_too_long: row(414, "no", false),
  unsupported: row(501, "no", false),
  request_timeout: row(408, "no", false),
  unknown_service: row(404, "no", false),
  egress_denied: row(403, "no", false),
  egress_failed: row(502, "no", true),
  no_instance: row(503, "no", true),
  circuit_open: row(503, "no", true),
  overloaded: row(503, "no", true, true),
  draining: row(503, "no", true),
  not_owner: row(421, "no", true),
  unreachable: row(503, "no", true),
  link_reset: row(502, "unknown", true),
  upstream_refused: row(502, "no", true),
  upstream_reset: row(502, "unknown", true),
  upstream_invalid: row(502, "unknown", false),
  idle_timeout: row(504, "unknown", false),
  deadline_exceeded: row(504, "unknown", false),
  canceled: row(499, "unknown", false),
  loop_detected: row(508, "no", false),
  not_hosted: row(503, "no", true),
  unknown_method: row(404, "no", false),
  actor_failed: row(500, "no", false),
  handler_error: row(500, "unknown", false),
  internal: row(500, "unknown", false),
} as const;

export type RequestErrorCode = keyof typeof REQUEST_ERRORS;

/** Errors of the command line, the configuration and the local API. */
export const LOCAL_ERRORS = {
  usage: 2,
  config_invalid: 2,
  address_in_use: 1,
  socket_in_use: 1,
  data_dir_in_use: 1,
  data_dir_invalid: 1,
  storage_failed: 1,
  identity_missing: 1,
  identity_invalid: 1,
  certificate_rejected: 1,
  agent_unreachable: 1,
  not_found: 1,
  conflict: 1,
  invalid_argument: 1,
  forbidden: 1,
  too_large: 1,
  join_failed: 1,
  timeout: 1,
} as const;

export type LocalErrorCode = keyof typeof LOCAL_ERRORS;

export interface GrapevineErrorOptions {
  readonly cause?: unknown;
  readonly executed?: Executed;
  readonly retryable?: boolean;
}

export class GrapevineError extends Error {
  /** The short code, as on the wire. */
  readonly short: RequestErrorCode | LocalErrorCode;
  readonly executed: Executed;
  readonly retryable: boolean;
  readonly overloaded: boolean;
  /** HTTP status for request errors, 0 for local ones. */
  readonly status: number;

  constructor(
    short: RequestErrorCode | LocalErrorCode,
    message: string,
    options: GrapevineErrorOptions = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "GrapevineError";
    this.short = short;
    const known: CatalogueRow | undefined = isRequestErrorCode(short)
      ? REQUEST_ERRORS[short]
      : undefined;
    this.executed = options.executed ?? known?.executed ?? "no";
    this.retryable = options.retryable ?? known?.retryable ?? false;
    this.overloaded = known?.overloaded ?? false;
    this.status = known?.status ?? 0;
  }

  /** ERR_GRAPEVINE_…, stable over versions. */
  get code(): string {
    return `ERR_GRAPEVINE_${this.short.toUpperCase()}`;
  }
}

export function isRequestErrorCode(code: string): code is RequestErrorCode {
  return Object.hasOwn(REQUEST_ERRORS, code);
}

export function isLocalErrorCode(code: string): code is LocalErrorCode {
  return Object.hasOwn(LOCAL_ERRORS, code);
}
