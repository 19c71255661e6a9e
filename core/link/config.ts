/**
 * Every bound and interval of a link, with its reason. Both ends name their limits in the hello, so
 * that two agents with different numbers still understand each other; what one end allows is what
 * the other may use.
 */

/** The protocol spoken here, and the oldest that is still understood. */
const LINK_VERSION = 1;
const LINK_VERSION_OLDEST = 1;

/** What one batch holds: one Noise message (65,535 bytes) less its tag and the transport's kind. */
export const BATCH_BYTES = 65_535 - 16 - 1;
/** The longest frame body. Longer than a batch only for large heads and calls. */
export const FRAME_BYTES_MAX = 272 * 1024;
/** A batch longer than this never comes from a well-behaved peer. */
export const BATCH_BYTES_MAX = FRAME_BYTES_MAX + BATCH_BYTES;
/** Payload of a one-frame call or its reply; anything longer belongs into a stream. */
export const CALL_BYTES_MAX = 256 * 1024;
/** Text of a reset, refusal or close reason; longer ones are cut. */
export const REASON_BYTES_MAX = 1024;

/** Bits for extensions that both ends must have before either uses them; none are defined yet. */
const LINK_FEATURES = 0;

export interface LinkConfig {
  /** LINK_VERSION and its companions; a test that plays an older or newer agent sets others. */
  readonly version: number;
  readonly versionOldest: number;
  readonly features: number;
  /** Credit that every stream has from its start. 64 KiB */
  readonly streamWindowBytes: number;
  /** What a stream's window may grow to while its reader keeps up. 1 MiB */
  readonly streamWindowBytesMax: number;
  /**
   * Credit that all streams of a link share for growing beyond the first window. 32 MiB. The
   * connection's window is streamsMax first windows plus this pool: every stream always has its
   * first window, so readers that stall can never use up the credit that another stream needs.
   */
  readonly windowPoolBytes: number;
  /** Streams that the peer may have open at once. 2,048 */
  readonly streamsMax: number;
  /** Calls that the peer may have unanswered at once. 16,384 */
  readonly callsMax: number;
  /** Body bytes of a stream that go out with its head, ahead of the bulk lane. 16 KiB */
  readonly promptBytes: number;
  /** Unsent body bytes at which a stream says "no more until drained". 128 KiB */
  readonly sendQueueBytes: number;
  /** Bytes that wait for a peer that does not read; at twice this the link is closed. 16 MiB */
  readonly queuedBytesMax: number;
  /** Links to one peer that live at once: one in use, others finishing. 4 */
  readonly linksPerPeerMax: number;
  /** Streams and calls that wait for one peer's link to come up. 1,024 */
  readonly waitingMax: number;
  /** From the open connection to the peer's hello. 5 s */
  readonly helloTimeoutMs: number;
  /** Silence after which the peer is asked for a sign of life. 10 s */
  readonly pingIntervalMs: number;
  /** Silence after the ping at which the link counts as stalled. 5 s */
  readonly pingTimeoutMs: number;
  /** How long a full channel may stay full before the peer counts as stalled. 30 s */
  readonly writeTimeoutMs: number;
  /** A link without streams or calls is closed after this. 5 min */
  readonly idleTimeoutMs: number;
  /** A link takes new streams for this long; then a new handshake follows. 1 h */
  readonly ageMaxMs: number;
  /** How long a drain waits for the peers to acknowledge. 2 s */
  readonly goAwayTimeoutMs: number;
  /** The first pause after a failed dial; doubles, with jitter, up to the second. 50 ms, 2 s */
  readonly backoffMs: number;
  readonly backoffMsMax: number;
}

export const LINK_DEFAULTS: LinkConfig = {
  version: LINK_VERSION,
  versionOldest: LINK_VERSION_OLDEST,
  features: LINK_FEATURES,
  streamWindowBytes: 64 * 1024,
  streamWindowBytesMax: 1024 * 1024,
  windowPoolBytes: 32 * 1024 * 1024,
  streamsMax: 2048,
  callsMax: 16_384,
  promptBytes: 16 * 1024,
  sendQueueBytes: 128 * 1024,
  queuedBytesMax: 16 * 1024 * 1024,
  linksPerPeerMax: 4,
  waitingMax: 1024,
  helloTimeoutMs: 5_000,
  pingIntervalMs: 10_000,
  pingTimeoutMs: 5_000,
  writeTimeoutMs: 30_000,
  idleTimeoutMs: 300_000,
  ageMaxMs: 3_600_000,
  goAwayTimeoutMs: 2_000,
  backoffMs: 50,
  backoffMsMax: 2_000,
};
