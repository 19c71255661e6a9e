/**
 * Errors of the local API as problem documents (RFC 9457). The code is the same as everywhere in
 * Grapevine; `problems` lists every mistake in a body, `remedy` says what to do where that is
 * known.
 */

import type { LocalErrorCode } from "../../core/errors.ts";
import { GrapevineError } from "../../core/errors.ts";
import type { Problem } from "../registrations/fields.ts";

const STATUS: Readonly<Partial<Record<LocalErrorCode, number>>> = {
  usage: 400,
  config_invalid: 422,
  address_in_use: 409,
  not_found: 404,
  conflict: 409,
  invalid_argument: 400,
  forbidden: 403,
  too_large: 413,
  join_failed: 502,
  timeout: 504,
};

const TITLES: Readonly<Record<number, string>> = {
  400: "The request is not valid",
  403: "Not allowed",
  404: "Not found",
  405: "Method not allowed",
  408: "The request took too long",
  409: "It contradicts what is there",
  413: "Too large",
  422: "The configuration is not valid",
  426: "A WebSocket is needed",
  431: "The head is too large",
  500: "Internal error",
  502: "The other side failed",
  503: "Not now",
  504: "No answer in time",
};

export interface ProblemDocument {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: string;
  readonly remedy?: string;
  readonly problems?: readonly Problem[];
}

interface ApiErrorOptions {
  readonly status?: number;
  readonly remedy?: string;
  readonly problems?: readonly Problem[];
  readonly headers?: Readonly<Record<string, string>>;
}

/** An error that the API itself raises, with what the document shows beside the message. */
export class ApiError extends GrapevineError {
  readonly options: ApiErrorOptions;

  constructor(short: LocalErrorCode, detail: string, options: ApiErrorOptions = {}) {
    super(short, detail);
    this.options = options;
  }
}

/** A body whose content is wrong, with each mistake by its path. */
export function invalidBody(problems: readonly Problem[]): ApiError {
  const texts = problems.map(({ path, message }) =>
    path === "" ? message : `${path}: ${message}`,
  );
  return new ApiError("invalid_argument", texts.join("; "), { problems });
}

/** Unknown errors are not shown: their text may hold what the caller must not see. */
export function problemDocument(error: unknown): ProblemDocument {
  if (!(error instanceof GrapevineError)) {
    return document(500, "internal", "the agent's log has the details");
  }
  const { remedy, problems, status }: ApiErrorOptions =
    error instanceof ApiError ? error.options : {};
  const known = error.status > 0 ? error.status : STATUS[error.short as LocalErrorCode];
  return {
    ...document(status ?? known ?? 500, error.short, error.message),
    ...(remedy === undefined ? {} : { remedy }),
    ...(problems === undefined ? {} : { problems }),
  };
}

function document(status: number, short: string, detail: string): ProblemDocument {
  return {
    type: `urn:grapevine:error:${short}`,
    title: TITLES[status] ?? "Failed",
    status,
    detail,
    code: `ERR_GRAPEVINE_${short.toUpperCase()}`,
  };
}
