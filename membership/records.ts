/**
 * What members say of themselves (statements) and of each other (accusations): signed, verified
 * once, and forwarded as the bytes that the author wrote, so that fields of later versions survive.
 * The order between two records about one member is total and the same on every node; only the
 * owner signs statements, so only the owner raises its epoch and incarnation.
 *
 * Wire form: 64 bytes of Ed25519 signature over DOMAIN and body, then the body (MessagePack array):
 *   statement  [1, subject, epoch, incarnation, flags, nonce, bind, …]
 *   accusation [2, subject, epoch, incarnation, verdict, accuser, basis, …]
 */
import { decode, encode } from "../core/codec.ts";
import type { Signer, Verifier } from "../core/seams.ts";
import type { NodeId } from "../core/types.ts";

export const SIGNATURE_BYTES = 64;
/** A longer record is malformed: two identities, an address and numbers fit into a fraction. */
export const RECORD_BYTES_MAX = 1_024;
const ID_LENGTH_MAX = 128;
/** A DNS name of 253, a colon and a port. */
const BIND_LENGTH_MAX = 260;
/** Far beyond any clock in milliseconds, and far enough from 2^53 to count on. */
const EPOCH_MAX = 2 ** 52;
export const INCARNATION_MAX = 2 ** 31;

const DOMAIN = new TextEncoder().encode("grapevine member record 1\0");
const STATEMENT = 1;
const ACCUSATION = 2;
const FLAG_LEAVING = 1;
const FLAG_LEFT = 2;

export type Verdict = "suspect" | "dead" | "forgotten";
/** Why an accusation was made; "refused" and "deaf" are certain enough to act on alone. */
export type Basis = "silence" | "window" | "deaf" | "refused" | "agreed" | "operator";

const VERDICTS: readonly Verdict[] = ["suspect", "dead", "forgotten"];
const BASES: readonly Basis[] = ["silence", "window", "deaf", "refused", "agreed", "operator"];

/** The moment in a member's life that a record speaks about. */
export interface Life {
  readonly epoch: number;
  readonly incarnation: number;
}

export interface Statement extends Life {
  readonly kind: "statement";
  /** What the record is about, for rumours: see rumourKey. */
  readonly key: string;
  readonly subject: NodeId;
  readonly leaving: boolean;
  readonly left: boolean;
  /** Random per process start: tells two processes with one identity apart. */
  readonly nonce: number;
  readonly bind: string;
  readonly bytes: Uint8Array;
}

export interface Accusation extends Life {
  readonly kind: "accusation";
  readonly key: string;
  readonly subject: NodeId;
  readonly verdict: Verdict;
  readonly accuser: NodeId;
  readonly basis: Basis;
  readonly bytes: Uint8Array;
}

export type SignedRecord = Statement | Accusation;

/**
 * Rumours under one key take each other's place: statements of one member, and verdicts about it.
 * Suspicions by different accusers do not, because they confirm each other.
 */
export function rumourKey(
  kind: "statement" | "verdict" | "suspicion",
  subject: NodeId,
  accuser = "",
): string {
  return `${kind} ${subject} ${accuser}`;
}

function accusationKey(verdict: Verdict, subject: NodeId, accuser: NodeId): string {
  return verdict === "suspect"
    ? rumourKey("suspicion", subject, accuser)
    : rumourKey("verdict", subject);
}

export function compareLives(left: Life, right: Life): number {
  return left.epoch - right.epoch || left.incarnation - right.incarnation;
}

/**
 * At one life, "left" beats "alive"; the nonce and then the bytes decide between two processes
 * that share an identity, so that all nodes keep the same one.
 */
export function compareStatements(left: Statement, right: Statement): number {
  return (
    compareLives(left, right) ||
    Number(left.left) - Number(right.left) ||
    Number(left.leaving) - Number(right.leaving) ||
    left.nonce - right.nonce ||
    compareBytes(left.bytes, right.bytes)
  );
}

/** Two accusations of one rank weigh the same, whoever made them. */
export function compareAccusations(left: Accusation, right: Accusation): number {
  return (
    compareLives(left, right) || VERDICTS.indexOf(left.verdict) - VERDICTS.indexOf(right.verdict)
  );
}

export function compareBytes(left: Uint8Array, right: Uint8Array): number {
  const shared = Math.min(left.length, right.length);
  for (let at = 0; at < shared; at += 1) {
    const difference = (left[at] as number) - (right[at] as number);
    if (difference !== 0) return difference;
  }
  return left.length - right.length;
}

export function signStatement(
  signer: Signer,
  content: Omit<Statement, "kind" | "key" | "subject" | "bytes">,
): Statement {
  const flags = (content.leaving ? FLAG_LEAVING : 0) | (content.left ? FLAG_LEFT : 0);
  const { epoch, incarnation, nonce, bind } = content;
  const bytes = seal(signer, [STATEMENT, signer.id, epoch, incarnation, flags, nonce, bind]);
  const key = rumourKey("statement", signer.id);
  return { kind: "statement", key, subject: signer.id, ...content, bytes };
}

export function signAccusation(
  signer: Signer,
  content: Omit<Accusation, "kind" | "key" | "accuser" | "bytes">,
): Accusation {
  const { subject, epoch, incarnation, verdict, basis } = content;
  const verdictCode = VERDICTS.indexOf(verdict);
  const basisCode = BASES.indexOf(basis);
  const body = [ACCUSATION, subject, epoch, incarnation, verdictCode, signer.id, basisCode];
  const key = accusationKey(verdict, subject, signer.id);
  const bytes = seal(signer, body);
  return { kind: "accusation", key, accuser: signer.id, ...content, bytes };
}

/** Reads a record without judging its signature; undefined if it is not one. Copies the bytes. */
export function parseRecord(wire: Uint8Array): SignedRecord | undefined {
  if (wire.length <= SIGNATURE_BYTES || wire.length > RECORD_BYTES_MAX) return undefined;
  const body = decode(wire.subarray(SIGNATURE_BYTES));
  if (!Array.isArray(body) || body.length < 7) return undefined;
  const [kind, subject, epoch, incarnation, fifth, sixth, seventh] = body as unknown[];
  if (!isNodeId(subject)) return undefined;
  if (!isCount(epoch, EPOCH_MAX) || !isCount(incarnation, INCARNATION_MAX)) return undefined;
  const life = { subject, epoch, incarnation };
  if (kind === STATEMENT) {
    if (!isCount(fifth, 255) || !isCount(sixth, Number.MAX_SAFE_INTEGER)) return undefined;
    if (typeof seventh !== "string" || seventh.length > BIND_LENGTH_MAX) return undefined;
    return {
      kind: "statement",
      key: rumourKey("statement", subject),
      ...life,
      leaving: (fifth & FLAG_LEAVING) !== 0,
      left: (fifth & FLAG_LEFT) !== 0,
      nonce: sixth,
      bind: seventh,
      bytes: new Uint8Array(wire),
    };
  }
  if (kind !== ACCUSATION || !isNodeId(sixth)) return undefined;
  const verdict = typeof fifth === "number" ? VERDICTS[fifth] : undefined;
  if (verdict === undefined) return undefined;
  const basis = (typeof seventh === "number" ? BASES[seventh] : undefined) ?? "silence";
  return {
    kind: "accusation",
    key: accusationKey(verdict, subject, sixth),
    ...life,
    verdict,
    accuser: sixth,
    basis,
    bytes: new Uint8Array(wire),
  };
}

export function isAuthentic(record: SignedRecord, verifier: Verifier): boolean {
  const author = record.kind === "statement" ? record.subject : record.accuser;
  const signature = record.bytes.subarray(0, SIGNATURE_BYTES);
  return verifier.verify(author, withDomain(record.bytes.subarray(SIGNATURE_BYTES)), signature);
}

function seal(signer: Signer, fields: unknown[]): Uint8Array {
  const body = encode(fields);
  const wire = new Uint8Array(SIGNATURE_BYTES + body.length);
  wire.set(signer.sign(withDomain(body)));
  wire.set(body, SIGNATURE_BYTES);
  return wire;
}

function withDomain(body: Uint8Array): Uint8Array {
  const message = new Uint8Array(DOMAIN.length + body.length);
  message.set(DOMAIN);
  message.set(body, DOMAIN.length);
  return message;
}

function isNodeId(value: unknown): value is NodeId {
  return typeof value === "string" && value.length > 0 && value.length <= ID_LENGTH_MAX;
}

function isCount(value: unknown, max: number): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) <= max;
}
