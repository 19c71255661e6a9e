/**
 * Reads and writes the signed statements of the directory. A statement is one message of at most
 * 64 KiB: the owner's whole document (part 0), one of up to 16 shards of a document too large for
 * that (parts 1 to 16), or the vitals of one of these (32 + part). Each part is replaced whole by
 * the newest by (epoch, seq, hash of the message). A sharded head lists the seq of each of its
 * shards and holds no instances itself, so that readers never mix shards of different moments.
 * Whether an instance fails its checks stands beside it in the document; newer vitals overrule it.
 */
import { hash32 } from "../core/hash.ts";
import { DOCUMENT_BYTES_MAX } from "../core/limits.ts";
import type { Signer, Verifier } from "../core/seams.ts";
import { readCertificate } from "../core/trust/certificate.ts";
import {
  ENVELOPE_KINDS,
  envelopeBytes,
  openEnvelope,
  sealEnvelope,
  verifyEnvelope,
} from "../core/trust/envelope.ts";
import { isNodeId, isWhole } from "../core/trust/fields.ts";
import { sha256, toHex } from "../core/trust/sha256.ts";
import type { NodeId } from "../core/types.ts";
import type { InstanceEntry, OwnerDocument, VitalsDocument } from "./document.ts";
import {
  EPOCH_MAX,
  faultOfContent,
  faultOfLease,
  faultOfOrder,
  instanceKey,
  isInstanceKey,
  type OwnContent,
  SEQ_MAX,
} from "./document-fields.ts";

const SHARDS_MAX = 16;
export const HEAD_PART = 0;
/** The vitals of part p are part VITALS_PART + p. */
export const VITALS_PART = 32;
export const PART_MAX = VITALS_PART + SHARDS_MAX;
const HASH_BYTES = 16;
const FORMAT_VERSION = 1;

/** Where a statement stands among all of its owner's; the later replaces the earlier. */
export interface StatementOrder {
  readonly epoch: number;
  readonly seq: number;
  /** The first 16 bytes of the message's SHA-256 in hex: makes the order total. */
  readonly hash: string;
}

interface StatementHead extends StatementOrder {
  readonly owner: NodeId;
  readonly part: number;
  /** The bytes as signed: what is stored and forwarded. */
  readonly message: Uint8Array;
}

export interface OwnerStatement extends StatementHead {
  readonly kind: "owner";
  readonly document: OwnerDocument;
  /** The seq of each shard; empty where the document is whole. */
  readonly shardSeqs: readonly number[];
  /** Keys of the instances in this part that failed their checks when it was signed. */
  readonly failing: readonly string[];
}

export interface VitalsStatement extends StatementHead {
  readonly kind: "vitals";
  readonly vitals: VitalsDocument;
}

export type Statement = OwnerStatement | VitalsStatement;

/** Says which certificate belongs to whom; the reason names what is wrong with it. */
export type CertificateCheck = (
  peer: NodeId,
  certificate: Uint8Array,
) => { ok: boolean; reason?: string; mayOffer(namespace: string, name: string): boolean };

/** Below 0 if `one` is older than `other`, 0 if they are the same message. */
export function compareOrder(one: StatementOrder, other: StatementOrder): number {
  if (one.epoch !== other.epoch) return one.epoch - other.epoch;
  if (one.seq !== other.seq) return one.seq - other.seq;
  return one.hash < other.hash ? -1 : one.hash > other.hash ? 1 : 0;
}

export function messageHash(message: Uint8Array): string {
  return toHex(sha256(message).subarray(0, HASH_BYTES));
}

/**
 * The statement in `message`, with every field checked and nothing proved yet; or what is wrong
 * with it, in words. `hash` is messageHash of it.
 */
export function readStatement(message: Uint8Array, hash: string): Statement | string {
  if (message.length > DOCUMENT_BYTES_MAX) return `larger than ${DOCUMENT_BYTES_MAX} bytes`;
  const envelope = openEnvelope(message);
  if (envelope === undefined) return NOT_A_STATEMENT;
  const { kind, fields } = envelope;
  const { owner, part, v } = fields;
  if (!isWhole(v, 255) || v < FORMAT_VERSION) return "unknown format version";
  if (!isNodeId(owner)) return "owner is not a node identity";
  if (!isWhole(part, PART_MAX)) return "part is not known";
  const fault = faultOfOrder(fields);
  if (fault !== undefined) return fault;
  const epoch = fields["epoch"] as number;
  const seq = fields["seq"] as number;
  const head = { owner, part, epoch, seq, hash, message };
  if (kind === ENVELOPE_KINDS.owner && part <= SHARDS_MAX) return readOwner(head, fields);
  if (kind === ENVELOPE_KINDS.vitals && part >= VITALS_PART) return readVitals(head, fields);
  return "kind and part do not fit";
}

/** Why the proofs of a statement do not hold; undefined if they do. */
export function faultOfProof(
  statement: Statement,
  verifier: Verifier,
  check: CertificateCheck,
): string | undefined {
  if (!verifyEnvelope(statement.message, statement.owner, verifier)) return FORGED;
  if (statement.kind === "vitals") return undefined;
  const { document } = statement;
  const verdict = check(statement.owner, document.certificate);
  if (!verdict.ok) return verdict.reason ?? "its certificate is not acceptable";
  const certificate = readCertificate(document.certificate);
  if (certificate !== undefined) {
    if (document.name !== certificate.name) return "its name is not its certificate's";
    if (certificate.zone !== "" && document.zone !== certificate.zone) {
      return "its zone is not its certificate's";
    }
    if (certificate.region !== "" && document.region !== certificate.region) {
      return "its region is not its certificate's";
    }
  }
  const foreign = document.instances.find(
    (entry) => !verdict.mayOffer(entry.namespace, entry.name),
  );
  return foreign === undefined
    ? undefined
    : `its certificate does not let it offer ${foreign.namespace}/${foreign.name}`;
}

/** The fault of bytes that are no statement of any version. */
export const NOT_A_STATEMENT = "not a signed statement";
/** The fault of a statement that its owner did not sign. */
export const FORGED = "the signature is not its owner's";

export interface OwnHead {
  readonly owner: NodeId;
  readonly epoch: number;
  readonly seq: number;
  readonly nonce: number;
  readonly notAfter: number;
}

/** Signs one part of an owner's document. */
export function signOwnerPart(
  part: number,
  head: OwnHead,
  content: OwnContent,
  shardSeqs: readonly number[],
  failing: ReadonlySet<string>,
  signer: Signer,
): Uint8Array {
  const fields = ownerFields(part, head, content, shardSeqs, failing);
  return sealEnvelope(ENVELOPE_KINDS.owner, fields, signer);
}

export function signVitalsPart(part: number, vitals: VitalsDocument, signer: Signer): Uint8Array {
  return sealEnvelope(ENVELOPE_KINDS.vitals, { v: FORMAT_VERSION, part, ...vitals }, signer);
}

/**
 * Divides the instances by a fixed rule so that each part fits into one message: undefined if the
 * document fits whole; otherwise 2, 4, 8 or 16 lists by the hash of the instance's key.
 * "too_large" if even 16 do not do.
 */
export function divideInstances(
  content: OwnContent,
): readonly (readonly InstanceEntry[])[] | undefined | "too_large" {
  if (fits(content, content.instances, [])) return undefined;
  for (let count = 2; count <= SHARDS_MAX; count *= 2) {
    const shards: InstanceEntry[][] = Array.from({ length: count }, () => []);
    for (const entry of content.instances) shards[hash32(instanceKey(entry)) % count]?.push(entry);
    const seqs = new Array<number>(count).fill(SEQ_MAX);
    if (fits(content, [], seqs) && shards.every((shard) => fits(content, shard, []))) return shards;
  }
  return "too_large";
}

/** Why this could not be published, in words; undefined if it can. For use before setOwn. */
export function faultOfOwnContent(content: OwnContent): string | undefined {
  const fault = faultOfContent({ ...content });
  if (fault !== undefined) return fault;
  return divideInstances(content) === "too_large"
    ? `the registrations of one agent must fit into ${SHARDS_MAX} documents of ` +
        `${DOCUMENT_BYTES_MAX / 1024} KiB; use fewer or shorter tags`
    : undefined;
}

/** True if one message can hold it, with every number at its widest. */
function fits(
  content: OwnContent,
  instances: readonly InstanceEntry[],
  shardSeqs: readonly number[],
): boolean {
  const owner = "1".repeat(52) as NodeId;
  const head = { owner, epoch: EPOCH_MAX, seq: SEQ_MAX, nonce: EPOCH_MAX, notAfter: EPOCH_MAX };
  const fields = ownerFields(SHARDS_MAX, head, { ...content, instances }, shardSeqs, new Set());
  return envelopeBytes(fields) <= DOCUMENT_BYTES_MAX;
}

function ownerFields(
  part: number,
  head: OwnHead,
  content: OwnContent,
  shardSeqs: readonly number[],
  failing: ReadonlySet<string>,
): Record<string, unknown> {
  const instances = content.instances.map((entry) => ({
    ...entry,
    failing: failing.has(instanceKey(entry)),
  }));
  return { ...content, v: FORMAT_VERSION, part, ...head, instances, shards: shardSeqs };
}

function readOwner(
  head: StatementHead,
  fields: Readonly<Record<string, unknown>>,
): OwnerStatement | string {
  const fault = faultOfLease(fields) ?? faultOfContent(fields);
  if (fault !== undefined) return fault;
  const shardSeqs = fields["shards"];
  if (!isShardList(shardSeqs, head.part)) return "shards are not a list of seqs";
  const instances = fields["instances"] as readonly (InstanceEntry & { failing?: unknown })[];
  const failing = instances.filter((entry) => entry.failing === true).map(instanceKey);
  const document: OwnerDocument = {
    owner: head.owner,
    epoch: head.epoch,
    seq: head.seq,
    nonce: fields["nonce"] as number,
    notAfter: fields["notAfter"] as number,
    name: fields["name"] as string,
    bind: fields["bind"] as string,
    link: fields["link"] as string,
    zone: fields["zone"] as string,
    region: fields["region"] as string,
    labels: fields["labels"] as Readonly<Record<string, string>>,
    version: fields["version"] as string,
    certificate: fields["certificate"] as Uint8Array,
    instances: instances.map(readInstance),
  };
  return { kind: "owner", ...head, document, shardSeqs, failing };
}

function readInstance(entry: InstanceEntry): InstanceEntry {
  const { namespace, name, id, protocol, ports, address, version, weight, tags } = entry;
  return { namespace, name, id, protocol, ports, address, version, weight, tags };
}

function readVitals(
  head: StatementHead,
  fields: Readonly<Record<string, unknown>>,
): VitalsStatement | string {
  const failing = fields["failing"];
  if (!Array.isArray(failing) || !failing.every(isInstanceKey)) {
    return "failing is not a list of instances";
  }
  const vitals = { owner: head.owner, epoch: head.epoch, seq: head.seq, failing };
  return { kind: "vitals", ...head, vitals };
}

function isShardList(value: unknown, part: number): value is readonly number[] {
  if (!Array.isArray(value) || !value.every((seq) => isWhole(seq, SEQ_MAX))) return false;
  if (value.length === 0) return true;
  const isPowerOfTwo = (value.length & (value.length - 1)) === 0;
  return part === HEAD_PART && isPowerOfTwo && value.length >= 2 && value.length <= SHARDS_MAX;
}
