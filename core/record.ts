/**
 * What Grapevine remembers of one request: where it went and why. There is exactly one record per
 * request, made while it runs and handed out when it is over; `grapevine explain`, metrics, the
 * access log and traces are all read from it. Plain data: as JSON it is what the API shows. Nothing
 * is undefined, so that the shape of the JSON never varies; null says that there is no such thing.
 */
import type { RequestErrorCode } from "./errors.ts";
import type { NodeId, WallMillis } from "./types.ts";

/**
 * What the router found when it looked at a candidate. "chosen" got the attempt; "acceptable" could
 * have had it. The next five are used only if nothing better is there: it is on this agent, which
 * leaves and still answers its own host ("own_leaving"); its member is "suspect"; it is half-open and the request cannot be repeated ("probe_withheld"); another attempt of this
 * request failed to reach its agent ("peer_failed"); or it failed this request itself ("tried").
 * The others are never used.
 */
export type CandidateVerdict =
  | "chosen"
  | "acceptable"
  | "own_leaving"
  | "suspect"
  | "probe_withheld"
  | "peer_failed"
  | "tried"
  | "breaker_open"
  | "full"
  | "failing"
  | "leaving"
  | "dead"
  | "wrong_port"
  | "weight_zero"
  | "conflict";

export interface CandidateRecord {
  /** The attempt for which the router looked. */
  readonly attempt: number;
  readonly instance: string;
  readonly agent: NodeId;
  readonly agentName: string;
  /** Place in the preference list of the key, -1 without a key. */
  readonly rank: number;
  readonly verdict: CandidateVerdict;
}

export interface AttemptRecord {
  /** 1 for the first. */
  readonly number: number;
  /** "" for destinations outside the mesh. */
  readonly instance: string;
  readonly agent: NodeId | "";
  readonly agentName: string;
  readonly rank: number;
  readonly reason: string;
  /** The instance's breaker when the attempt began; "" outside the mesh. */
  readonly breaker: "closed" | "open" | "half-open" | "";
  /** Offsets from the start of the request in milliseconds; null if it did not come so far. */
  readonly startMs: number;
  readonly headMs: number | null;
  readonly endMs: number | null;
  readonly outcome: "running" | "answered" | "failed" | "canceled";
  /** Of the answer; 0 without one. */
  readonly status: number;
  readonly error: string | null;
  readonly errorMessage: string | null;
  /** Of a failed attempt: whether the request may have run there. */
  readonly executed: "no" | "unknown" | null;
}

export interface DecisionRecord {
  /** 16 hexadecimal digits; the answer carries them as grapevine-request-id. */
  readonly id: string;
  readonly startedWallMs: WallMillis;
  readonly durationMs: number;
  readonly listener: string;
  readonly remote: string;
  /** SPIFFE id of the calling workload, if the listener tells who calls. */
  readonly caller: string | null;
  readonly kind: "http" | "tcp" | "actor";
  readonly method: string;
  readonly authority: string;
  readonly path: string;
  readonly traceparent: string | null;
  readonly destination: "mesh" | "outside";
  /** "namespace/name" in the mesh, the host name outside. */
  readonly service: string;
  readonly port: number;
  /** The instance that the application named. */
  readonly named: string | null;
  readonly key: string | null;
  /** Version of the mesh view and name of the ring at the last choice. */
  readonly viewVersion: number;
  readonly ringVersion: number;
  /** The first instances of the key's preference list. */
  readonly preference: readonly string[];
  readonly candidates: readonly CandidateRecord[];
  readonly attempts: readonly AttemptRecord[];
  /** Why the last failure was not repeated. */
  readonly notRepeated: string | null;
  /** Repeats that the service's budget still allowed at the end. */
  readonly retryTokens: number;
  readonly requestBytes: number;
  readonly responseBytes: number;
  /** When the response head was passed on, from the start of the request. */
  readonly headMs: number | null;
  readonly outcome: "answered" | "failed" | "canceled";
  /** What the application was told; 0 if it gave up before. */
  readonly status: number;
  readonly error: RequestErrorCode | null;
  readonly errorMessage: string | null;
  readonly executed: "no" | "unknown" | null;
}

/** A record while its request runs. */
export type Draft<Row> = { -readonly [Field in keyof Row]: Row[Field] };
