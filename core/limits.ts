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
/** Decision records kept in memory for `explain`. */
export const RECORDS_MAX = 10_000;
/** Silence before the response head after which a proxied request is a 504. */
export const RESPONSE_HEAD_IDLE_MS = 60_000;
/** Members in one cluster: twice the size that the design is built for. */
export const MEMBERS_MAX = 20_000;
/** Instances that one agent registers; its document must hold them all. */
export const INSTANCES_PER_AGENT_MAX = 1_000;
