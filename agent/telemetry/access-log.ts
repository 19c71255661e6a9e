/** One line of the log for each request, read from its decision record. */
import type { Logger } from "pino";
import type { DecisionRecord } from "../../core/record.ts";

/**
 * Logs each request at `level`; "debug" by default, so that a busy agent does not drown its own
 * messages. Costs one comparison where the level is not enabled.
 */
export function createAccessLog(
  logger: Logger,
  level: "trace" | "debug" | "info" = "debug",
): (record: DecisionRecord) => void {
  return (record) => {
    if (logger.isLevelEnabled(level)) logger[level](accessFields(record), accessMessage(record));
  };
}

/** Bounded, whatever the client sent. */
const TEXT_LENGTH_MAX = 512;

function accessMessage(record: DecisionRecord): string {
  const { kind, method, authority, path } = record;
  const place = kind === "actor" ? `${authority}${path}` : path;
  const target = kind === "tcp" ? "tcp" : `${method} ${cut(place)}`;
  return `${target} ${record.status === 0 ? record.outcome : record.status}`;
}

function accessFields(record: DecisionRecord): Record<string, unknown> {
  const last = record.attempts.at(-1);
  return {
    request: record.id,
    listener: record.listener,
    remote: record.remote,
    authority: cut(record.authority),
    service: cut(record.service),
    instance: last?.instance ?? "",
    agent: last?.agentName ?? "",
    attempts: record.attempts.length,
    status: record.status,
    outcome: record.outcome,
    ...(record.error === null ? {} : { error: record.error, executed: record.executed }),
    ...(record.traceparent === null ? {} : { traceparent: cut(record.traceparent) }),
    requestBytes: record.requestBytes,
    responseBytes: record.responseBytes,
    durationMs: Math.round(record.durationMs * 1_000) / 1_000,
  };
}

function cut(text: string): string {
  return text.length <= TEXT_LENGTH_MAX ? text : `${text.slice(0, TEXT_LENGTH_MAX)}…`;
}
