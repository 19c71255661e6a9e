/**
 * Actor calls and their answers as bytes, the same on a link and on the local socket. The header is
 * written by hand, because it is read for every call even where the arguments are only passed on.
 *
 *     call:   u8 version | u8 flags (1: one-way) | u8 forwards so far | u32 ring version
 *             | u8 length, type | u16 length, key | u8 length, method | arguments, a MessagePack list
 *     answer: u8 0 | the result           u8 1 | what the handler threw
 *             u8 2 | who owns the actor by the answering node's view
 */
import { decode, encode } from "../codec.ts";
import { ACTOR_KEY_BYTES_MAX, ACTOR_METHOD_BYTES_MAX } from "../limits.ts";
import { isRecord } from "../trust/fields.ts";
import type { NodeId, ServiceKey } from "../types.ts";
import { actorTypeOf, parseActorType } from "./definition.ts";

const VERSION = 1;
const ONE_WAY = 1;
const FIXED_BYTES = 7;

export const ANSWER_VALUE = 0;
export const ANSWER_THROWN = 1;
export const ANSWER_NOT_OWNER = 2;

export interface CallHead {
  readonly service: ServiceKey;
  readonly key: string;
  readonly method: string;
  readonly oneWay: boolean;
  /** How often the call was sent on already because its receiver was not the owner. */
  readonly forwards: number;
  /** The ring by which the sender chose. */
  readonly ringVersion: number;
}

/** The receiver's view, for a sender that asked the wrong node. */
export interface OwnerHint {
  readonly ringVersion: number;
  /** Undefined where the receiver knows of no host at all. */
  readonly owner: { readonly agent: NodeId; readonly instance: string } | undefined;
}

/** Why a key or a method cannot be put into a call; undefined if they can. */
export function faultOfNames(key: string, method: string): string | undefined {
  if (!key.isWellFormed()) return "the key is not well-formed Unicode";
  if (Buffer.byteLength(key) > ACTOR_KEY_BYTES_MAX) {
    return `the key has more than ${ACTOR_KEY_BYTES_MAX} bytes`;
  }
  if (method === "" || Buffer.byteLength(method) > ACTOR_METHOD_BYTES_MAX) {
    return `the method's name is not 1 to ${ACTOR_METHOD_BYTES_MAX} bytes long`;
  }
  return undefined;
}

/** The names must have passed faultOfNames. */
export function encodeCall(head: CallHead, args: Uint8Array): Uint8Array {
  const type = actorTypeOf(head.service);
  const { key, method } = head;
  const keyBytes = Buffer.byteLength(key);
  const methodBytes = Buffer.byteLength(method);
  const length = FIXED_BYTES + 4 + type.length + keyBytes + methodBytes + args.length;
  const bytes = Buffer.allocUnsafe(length);
  bytes[0] = VERSION;
  bytes[1] = head.oneWay ? ONE_WAY : 0;
  bytes[2] = head.forwards;
  bytes.writeUInt32BE(head.ringVersion, 3);
  let at = FIXED_BYTES;
  bytes[at] = type.length;
  at += 1 + bytes.write(type, at + 1, "latin1");
  bytes.writeUInt16BE(keyBytes, at);
  at += 2 + bytes.write(key, at + 2);
  bytes[at] = methodBytes;
  at += 1 + bytes.write(method, at + 1);
  bytes.set(args, at);
  return bytes;
}

/** The head and the undecoded arguments; undefined for anything malformed. */
export function decodeCall(
  payload: Uint8Array,
): { readonly head: CallHead; readonly args: Uint8Array } | undefined {
  const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.length);
  if (bytes.length < FIXED_BYTES + 4 || bytes[0] !== VERSION) return undefined;
  const typeEnd = FIXED_BYTES + 1 + (bytes[FIXED_BYTES] as number);
  if (typeEnd + 3 > bytes.length) return undefined;
  const keyBytes = bytes.readUInt16BE(typeEnd);
  const keyEnd = typeEnd + 2 + keyBytes;
  if (keyBytes > ACTOR_KEY_BYTES_MAX || keyEnd + 1 > bytes.length) return undefined;
  const methodBytes = bytes[keyEnd] as number;
  const methodEnd = keyEnd + 1 + methodBytes;
  if (methodBytes === 0 || methodBytes > ACTOR_METHOD_BYTES_MAX || methodEnd > bytes.length) {
    return undefined;
  }
  const service = parseActorType(bytes.toString("latin1", FIXED_BYTES + 1, typeEnd));
  if (service === undefined) return undefined;
  return {
    head: {
      service,
      key: bytes.toString("utf8", typeEnd + 2, keyEnd),
      method: bytes.toString("utf8", keyEnd + 1, methodEnd),
      oneWay: ((bytes[1] as number) & ONE_WAY) !== 0,
      forwards: bytes[2] as number,
      ringVersion: bytes.readUInt32BE(3),
    },
    args: bytes.subarray(methodEnd),
  };
}

export function encodeAnswer(kind: number, body: Uint8Array): Uint8Array {
  const bytes = Buffer.allocUnsafe(1 + body.length);
  bytes[0] = kind;
  bytes.set(body, 1);
  return bytes;
}

/** Nothing came back: the result of `undefined` costs no byte. */
export const EMPTY_ANSWER: Uint8Array = Uint8Array.of(ANSWER_VALUE);

export function encodeNotOwner({ ringVersion, owner }: OwnerHint): Uint8Array {
  return encodeAnswer(ANSWER_NOT_OWNER, encode({ ringVersion, ...(owner ?? {}) }));
}

/** The hint of an answer whose first byte is ANSWER_NOT_OWNER; undefined if it is malformed. */
export function decodeNotOwner(answer: Uint8Array): OwnerHint | undefined {
  const fields = decode(answer.subarray(1));
  if (!isRecord(fields)) return undefined;
  const { ringVersion, agent, instance } = fields;
  if (typeof ringVersion !== "number") return undefined;
  if (typeof agent !== "string" || typeof instance !== "string") {
    return { ringVersion, owner: undefined };
  }
  return { ringVersion, owner: { agent: agent as NodeId, instance } };
}
