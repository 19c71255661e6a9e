/**
 * The golden signals of every service, taken from the decision records: traffic, errors, latency,
 * repeats and bytes. Names that come from outside (hosts beyond the mesh, services that nobody
 * offers) share one label value each, so that a client cannot make series at will.
 */
import type { DecisionRecord } from "../../core/record.ts";
import type { Counter, Histogram, Registry } from "./metrics.ts";
import { SERIES_PER_FAMILY_MAX } from "./metrics.ts";

/** Seconds; the buckets that OpenTelemetry advises for HTTP, with two below for local calls. */
const DURATION_BOUNDS = [
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10,
];
/** Seconds; a TCP connection may live for hours. */
const CONNECTION_BOUNDS = [0.01, 0.1, 1, 10, 60, 600, 3_600, 86_400];

export interface RequestMetrics {
  /** Counts one request that is over. */
  onRecord(record: DecisionRecord): void;
}

export function createRequestMetrics(registry: Registry): RequestMetrics {
  const families = defineFamilies(registry);
  const { requests, duration, head, connections, attempts, retries, sent, received } = families;
  /** Bound once for each service and kind; emptied when full, which costs one lookup more. */
  const bound = new Map<string, Handles>();
  const handlesOf = (service: string, kind: DecisionRecord["kind"]): Handles => {
    const key = `${kind} ${service}`;
    const known = bound.get(key);
    if (known !== undefined) return known;
    if (bound.size >= SERIES_PER_FAMILY_MAX) bound.clear();
    const handles: Handles = {
      duration: (kind === "tcp" ? connections : duration).with(service),
      head: kind === "tcp" ? undefined : head.with(service),
      retries: retries.with(service),
      sent: sent.with(service),
      received: received.with(service),
      answered: attempts.with(service, "answered"),
      byClass: [],
    };
    bound.set(key, handles);
    return handles;
  };
  return {
    onRecord(record) {
      const service = serviceLabel(record);
      const { kind, status, outcome, error, headMs } = record;
      const handles = handlesOf(service, kind);
      if (outcome === "answered" && error === null) {
        const hundred = Math.floor(status / 100);
        handles.byClass[hundred] ??= requests.with(service, codeClass(status), outcome, "");
        handles.byClass[hundred].increment();
      } else requests.with(service, codeClass(status), outcome, error ?? "").increment();
      handles.duration.observe(record.durationMs / 1_000);
      if (headMs !== null) handles.head?.observe(headMs / 1_000);
      for (const attempt of record.attempts) {
        if (attempt.outcome === "answered") handles.answered.increment();
        else attempts.with(service, attempt.outcome).increment();
      }
      handles.retries.increment(Math.max(0, record.attempts.length - 1));
      handles.sent.increment(record.requestBytes);
      handles.received.increment(record.responseBytes);
    },
  };
}

interface Handles {
  readonly duration: Histogram;
  /** A TCP stream has no head. */
  readonly head: Histogram | undefined;
  readonly retries: Counter;
  readonly sent: Counter;
  readonly received: Counter;
  /** Attempts that were answered, and requests by the hundreds of their status: the usual case. */
  readonly answered: Counter;
  readonly byClass: Counter[];
}

function defineFamilies(registry: Registry) {
  const requests = registry.counter(
    "grapevine_requests_total",
    "Requests that are over, by service, class of the status, outcome and error code.",
    "service",
    "code_class",
    "outcome",
    "error",
  );
  const duration = registry.histogram(
    "grapevine_request_duration_seconds",
    "Time from the first byte of an HTTP request to the last of its answer.",
    DURATION_BOUNDS,
    "service",
  );
  const head = registry.histogram(
    "grapevine_response_head_seconds",
    "Time from the first byte of an HTTP request to the head of its answer.",
    DURATION_BOUNDS,
    "service",
  );
  const connections = registry.histogram(
    "grapevine_tcp_duration_seconds",
    "Life of TCP streams through the mesh.",
    CONNECTION_BOUNDS,
    "service",
  );
  const attempts = registry.counter(
    "grapevine_attempts_total",
    "Attempts at instances, by service and outcome.",
    "service",
    "outcome",
  );
  const retries = registry.counter(
    "grapevine_retries_total",
    "Attempts after the first of a request.",
    "service",
  );
  const sent = registry.counter(
    "grapevine_request_bytes_total",
    "Bytes of request bodies.",
    "service",
  );
  const received = registry.counter(
    "grapevine_response_bytes_total",
    "Bytes of response bodies.",
    "service",
  );
  return { requests, duration, head, connections, attempts, retries, sent, received };
}

/** The service of a record as a label: bounded, whatever clients ask for. */
function serviceLabel(record: DecisionRecord): string {
  if (record.destination === "outside") return "outside";
  return record.error === "unknown_service" ? "unknown" : record.service;
}

/** "2xx" to "5xx"; "none" where the application was told nothing. */
function codeClass(status: number): string {
  return status >= 100 && status < 600 ? `${Math.floor(status / 100)}xx` : "none";
}
