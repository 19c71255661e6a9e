/**
 * The one layout of everything that Grapevine signs: version (1 byte) | kind (1 byte) | Ed25519
 * signature (64 bytes) | MessagePack payload. The signature covers a domain text, the kind and the
 * payload as sent, so that a statement of one kind never passes for another, and so that a reader
 * which forwards the original bytes also forwards fields that it does not know.
 */
import { assert } from "../assert.ts";
import { decode, encode } from "../codec.ts";
import type { Signer, Verifier } from "../seams.ts";
import type { NodeId } from "../types.ts";
import { isRecord } from "./fields.ts";

const ENVELOPE_VERSION = 1;
const SIGNATURE_BYTES = 64;
const HEADER_BYTES = 2 + SIGNATURE_BYTES;
const DOMAIN = new TextEncoder().encode("grapevine-signed-statement-v1\0");

/** What a signed statement is about; part of what is signed. */
export const ENVELOPE_KINDS = { certificate: 1, owner: 2, vitals: 3 } as const;
export type EnvelopeKind = (typeof ENVELOPE_KINDS)[keyof typeof ENVELOPE_KINDS];

export interface OpenEnvelope {
  readonly kind: number;
  readonly fields: Record<string, unknown>;
}

/** Encodes `fields` and signs them; the result is what travels. */
export function sealEnvelope(
  kind: EnvelopeKind,
  fields: Readonly<Record<string, unknown>>,
  signer: Signer,
): Uint8Array {
  const payload = encode(fields);
  const signature = signer.sign(signedBytes(kind, payload));
  assert(signature.length === SIGNATURE_BYTES, "an Ed25519 signature has 64 bytes");
  const message = new Uint8Array(HEADER_BYTES + payload.length);
  message[0] = ENVELOPE_VERSION;
  message[1] = kind;
  message.set(signature, 2);
  message.set(payload, HEADER_BYTES);
  return message;
}

/** The length that sealEnvelope would give, without a signature being made. */
export function envelopeBytes(fields: Readonly<Record<string, unknown>>): number {
  return HEADER_BYTES + encode(fields).length;
}

/** The fields as they stand there, nothing of it proved; undefined if it is not an envelope. */
export function openEnvelope(message: Uint8Array): OpenEnvelope | undefined {
  if (message.length <= HEADER_BYTES || message[0] !== ENVELOPE_VERSION) return undefined;
  const fields = decode(message.subarray(HEADER_BYTES));
  return isRecord(fields) ? { kind: message[1] as number, fields } : undefined;
}

/** True if `by` signed this envelope, as this kind. */
export function verifyEnvelope(message: Uint8Array, by: NodeId, verifier: Verifier): boolean {
  if (message.length <= HEADER_BYTES || message[0] !== ENVELOPE_VERSION) return false;
  const signed = signedBytes(message[1] as number, message.subarray(HEADER_BYTES));
  return verifier.verify(by, signed, message.subarray(2, HEADER_BYTES));
}

function signedBytes(kind: number, payload: Uint8Array): Uint8Array {
  const signed = new Uint8Array(DOMAIN.length + 1 + payload.length);
  signed.set(DOMAIN, 0);
  signed[DOMAIN.length] = kind;
  signed.set(payload, DOMAIN.length + 1);
  return signed;
}
