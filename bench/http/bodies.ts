/**
 * The answers of the benchmark's service: sixteen bodies of 1 KB, one for each of its paths, so that
 * an answer that went to the wrong request is seen as one.
 */
export const BODY_BYTES = 1_024;

/** The last digit of the path, as it stands at this place of "GET /p/7 HTTP/1.1". */
export const VARIANTS = "0123456789abcdef";
export const PATH_PREFIX = "/p/";

export const BODIES: readonly Buffer[] = [...VARIANTS].map((variant) =>
  Buffer.from(`${variant}: `.padEnd(BODY_BYTES, "the quick brown fox jumps over the lazy dog; ")),
);
