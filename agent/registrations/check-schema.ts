/** The strict reader of health checks; see schema.ts for the registration around it. */
import { type Fields, hasControl, kindOf } from "./fields.ts";
import type { CheckSpec, CheckType } from "./registration.ts";

const INTERVAL_MS_DEFAULT = 5_000;
/** Faster checks would load the instance more than its callers do. */
const INTERVAL_MS_MIN = 100;
const INTERVAL_MS_MAX = 3_600_000;
const TIMEOUT_MS_DEFAULT = 2_000;
const TIMEOUT_MS_MIN = 10;
const TIMEOUT_MS_MAX = 300_000;
const TTL_MS_DEFAULT = 30_000;
const TTL_MS_MIN = 100;
const TTL_MS_MAX = 24 * 3_600_000;
/** One failure may be a hiccup; a second in a row is the instance. */
const UNHEALTHY_AFTER_DEFAULT = 2;
const HEALTHY_AFTER_DEFAULT = 1;
const THRESHOLD_MAX = 100;
const COMMAND_ARGUMENTS_MAX = 64;
const COMMAND_LENGTH_MAX = 4_096;

const TYPES: readonly CheckType[] = ["http", "tcp", "grpc", "ttl", "exec"];
const COMMON = ["type", "intervalMs", "timeoutMs", "unhealthyAfter", "healthyAfter"];
const EXTRA: Readonly<Record<CheckType, readonly string[]>> = {
  http: ["path"],
  tcp: [],
  grpc: ["service"],
  ttl: ["ttlMs"],
  exec: ["command"],
};
const ALL = [...COMMON, ...Object.values(EXTRA).flat()];

/** The check of a registration, with defaults filled in; undefined if absent or wrong. */
export function readCheck(registration: Fields): CheckSpec | undefined {
  const fields = registration.object("check", ALL);
  if (fields === undefined) return undefined;
  if (!fields.has("type")) {
    return fields.problem("type", `is missing: one of ${TYPES.join(", ")}`);
  }
  const type = fields.oneOf("type", TYPES);
  if (type === undefined) return undefined;
  const allowed = new Set([...COMMON, ...EXTRA[type]]);
  for (const key of ALL) {
    if (fields.has(key) && !allowed.has(key)) {
      fields.problem(key, `does not belong to a check of type "${type}"`);
    }
  }
  const common = {
    intervalMs:
      fields.integer("intervalMs", INTERVAL_MS_MIN, INTERVAL_MS_MAX) ?? INTERVAL_MS_DEFAULT,
    timeoutMs: fields.integer("timeoutMs", TIMEOUT_MS_MIN, TIMEOUT_MS_MAX) ?? TIMEOUT_MS_DEFAULT,
    unhealthyAfter: fields.integer("unhealthyAfter", 1, THRESHOLD_MAX) ?? UNHEALTHY_AFTER_DEFAULT,
    healthyAfter: fields.integer("healthyAfter", 1, THRESHOLD_MAX) ?? HEALTHY_AFTER_DEFAULT,
  };
  switch (type) {
    case "tcp":
      return { ...common, type };
    case "http":
      return { ...common, type, path: readPath(fields) };
    case "grpc":
      return { ...common, type, service: fields.text("service", 256, true) ?? "" };
    case "ttl":
      return {
        ...common,
        type,
        ttlMs: fields.integer("ttlMs", TTL_MS_MIN, TTL_MS_MAX) ?? TTL_MS_DEFAULT,
      };
    case "exec":
      return { ...common, type, command: readCommand(fields) };
    default:
      return type satisfies never;
  }
}

function readPath(fields: Fields): string {
  const path = fields.text("path", 2_048) ?? "/";
  // Anything else would let a path forge a header of the check's own request.
  if (!/^\/[\x21-\x7e]*$/.test(path)) {
    fields.problem("path", 'must begin with "/" and hold only visible ASCII characters');
  }
  return path;
}

/** A text runs through the shell, as in a terminal; a list is a program with its arguments. */
function readCommand(fields: Fields): readonly string[] {
  const value = fields.raw("command");
  if (typeof value === "string" && value !== "" && value.length <= COMMAND_LENGTH_MAX) {
    if (!value.includes("\0")) return ["/bin/sh", "-c", value];
    fields.problem("command", "must not contain a zero byte");
    return [];
  }
  if (!Array.isArray(value)) {
    const found = value === undefined ? "it is missing" : `this is ${kindOf(value)}`;
    fields.problem("command", `must be a shell command or a list of texts; ${found}`);
    return [];
  }
  const texts = value.filter((part) => typeof part === "string" && !part.includes("\0"));
  const length = texts.join(" ").length;
  if (
    texts.length !== value.length ||
    texts.length === 0 ||
    texts[0] === "" ||
    hasControl(texts[0])
  ) {
    fields.problem("command", "must be a program and its arguments, as a list of texts");
  } else if (texts.length > COMMAND_ARGUMENTS_MAX || length > COMMAND_LENGTH_MAX) {
    const limits = `${COMMAND_ARGUMENTS_MAX} arguments and ${COMMAND_LENGTH_MAX} characters`;
    fields.problem("command", `is longer than ${limits}`);
  }
  return texts;
}
