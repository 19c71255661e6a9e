/**
 * Every bound of the mesh in one place, with its unit in the name and its reason beside it.
 * docs/limits.md tells operators what happens at each.
 */

/** A document of one owner; larger ones would delay probes that share the connection. */
export const DOCUMENT_BYTES_MAX = 64 * 1024;
/** The part of a request body that is kept, so that the request can be repeated. */
export const REPEATABLE_BODY_BYTES_MAX = 64 * 1024;
/** Request line and header section together; what nginx and HAProxy accept, with room for cookies. */
export const HEAD_BYTES_MAX = 64 * 1024;
/** Header fields in one section; bounds the work that one head can cause. */
export const HEADER_FIELDS_MAX = 256;
/** One chunk of a body on a link: a call never waits for more than this much of somebody's body. */
export const BODY_QUANTUM_BYTES = 32 * 1024;
/** One control packet; a sync carries several documents. */
export const CONTROL_PACKET_BYTES_MAX = 1024 * 1024;
/** Control packets that wait for one slow peer; beyond it the oldest are dropped. */
export const CONTROL_QUEUE_BYTES_MAX = 4 * 1024 * 1024;
/** Parallel control connections to one peer: simultaneous dials, and one that replaces a dead one. */
export const CONTROL_CONNECTIONS_PER_PEER_MAX = 3;
/** Inbound connections of one port that have not proved who they are; each has a deadline. */
export const HANDSHAKES_MAX = 256;
/** Handshakes that a port begins in a second: at 1 to 2 ms each, a fifth of a processor at most. */
export const HANDSHAKES_PER_SECOND_MAX = 100;
/** Begun at once after a quiet time: a cluster that starts on one host, or links to many peers. */
export const HANDSHAKES_BURST_MAX = 200;
/** What a stranger may send before it is known; a handshake with the largest certificate is 10 KiB. */
export const STRANGER_BYTES_MAX = 32 * 1024;
/** Outbound control dials under way at once. */
export const CONTROL_DIALS_MAX = 256;
/** Decision records kept in memory for `explain`. */
export const RECORDS_MAX = 10_000;
/** Silence before the response head after which a proxied request is a 504. */
export const RESPONSE_HEAD_IDLE_MS = 60_000;
/** Members in one cluster: twice the size that the design is built for. */
export const MEMBERS_MAX = 20_000;
/** Instances that one agent registers; its document must hold them all. */
export const INSTANCES_PER_AGENT_MAX = 1_000;
/** Method, target and version; a longer target is refused with 414. */
export const REQUEST_LINE_BYTES_MAX = 32 * 1024;
/** Extensions of all chunks of one body: hardly anybody uses them, some attack with them. */
export const CHUNK_EXTENSION_BYTES_MAX = 16 * 1024;
/** Bytes of pipelined requests that wait until the one before them is answered. */
export const PIPELINED_BYTES_MAX = 64 * 1024;
/** What is read and thrown away of a request body after its answer, to keep the connection. */
export const UNREAD_BODY_BYTES_MAX = 256 * 1024;
/** Requests that one agent routes at the same time; each holds a body prefix and a record. */
export const REQUESTS_IN_FLIGHT_MAX = 20_000;
/** Attempts in flight from one caller to one instance; beyond it the instance counts as full. */
export const ATTEMPTS_PER_INSTANCE_MAX = 4_000;
/** The same over a link: a slow instance must leave streams to the others behind that agent. */
export const ATTEMPTS_PER_REMOTE_INSTANCE_MAX = 1_536;
/** Attempts that an agent has handed to one of its own instances, from all callers together. */
export const INBOUND_PER_INSTANCE_MAX = 8_000;
/** Attempts that an agent has handed to its own instances in all. */
export const INBOUND_IN_FLIGHT_MAX = 20_000;
/** Attempts of one request, the first included. */
export const ATTEMPTS_MAX = 3;
/** Places of a preference list that a record keeps and that are computed at first. */
export const PREFERENCE_RECORDED_MAX = 8;
/** Candidates with their verdicts in one record. */
export const CANDIDATES_RECORDED_MAX = 32;
/** Characters of a path, key or host in a record: ten thousand records must stay small. */
export const RECORDED_TEXT_CHARS_MAX = 512;
/** How much longer than the instance's own agent a caller waits for silence to end. */
export const RESPONSE_HEAD_SLACK_MS = 5_000;
/** Messages that wait for one actor; a longer queue only turns into deadlines that have passed. */
export const ACTOR_MAILBOX_MAX = 1_000;
/** Silence after which an actor is passivated; what Pekko does, too. */
export const ACTOR_IDLE_MS = 120_000;
/** Until an actor call fails, unless its caller says otherwise. */
export const ACTOR_CALL_TIMEOUT_MS = 5_000;
/** Activations of one host, at about two kilobytes each and what their state needs. */
export const ACTIVATIONS_MAX = 200_000;
/** Timers of one activation. */
export const ACTOR_TIMERS_MAX = 1_000;
/** UTF-8 bytes of an actor's key: long enough for a URL or two identities. */
export const ACTOR_KEY_BYTES_MAX = 1_024;
/** UTF-8 bytes of a method's name. */
export const ACTOR_METHOD_BYTES_MAX = 128;
/** How often a call follows the answer that another node owns its actor. */
export const ACTOR_FORWARDS_MAX = 2;
/** Actor types times the processes that host them, on one agent; its document holds them all. */
export const ACTOR_HOSTINGS_PER_AGENT_MAX = 256;
/** Where an actor type is hosted, for people: "pid 4711". */
export const ACTOR_ADDRESS_CHARS_MAX = 64;
/** Labels of one agent; its document must hold them. */
export const LABELS_MAX = 32;
