/**
 * Reads what a process signs, at the moment when it signs it: the simulator's own log of who said
 * what, against which everything that others believe is judged. It reads the bytes by their
 * documented form and asks no node what it meant.
 */
import { decode } from "../../core/codec.ts";
import type { NodeId } from "../../core/types.ts";

export type Emission =
  | {
      readonly kind: "said";
      readonly epoch: number;
      readonly incarnation: number;
      readonly left: boolean;
    }
  | {
      readonly kind: "accused";
      readonly subject: NodeId;
      readonly epoch: number;
      readonly incarnation: number;
      readonly verdict: "suspect" | "dead" | "forgotten";
      readonly basis: string;
    }
  | {
      readonly kind: "published";
      readonly part: number;
      readonly epoch: number;
      readonly seq: number;
      readonly notAfter: number;
      readonly instances: readonly string[];
      readonly isLater: boolean;
    };

const MEMBER_DOMAIN = new TextEncoder().encode("grapevine member record 1\0");
const ENVELOPE_DOMAIN = new TextEncoder().encode("grapevine-signed-statement-v1\0");
const OWNER_KIND = 2;
const VERDICTS = ["suspect", "dead", "forgotten"] as const;
const BASES = ["silence", "window", "deaf", "refused", "agreed", "operator"];

/** Undefined for what is of no interest here: certificates, vitals. */
export function readEmission(signed: Uint8Array): Emission | undefined {
  if (startsWith(signed, MEMBER_DOMAIN)) {
    return readMemberRecord(decode(signed.subarray(MEMBER_DOMAIN.length)));
  }
  if (!startsWith(signed, ENVELOPE_DOMAIN)) return undefined;
  if (signed[ENVELOPE_DOMAIN.length] !== OWNER_KIND) return undefined;
  return readDocument(decode(signed.subarray(ENVELOPE_DOMAIN.length + 1)));
}

function readMemberRecord(body: unknown): Emission | undefined {
  if (!Array.isArray(body)) return undefined;
  const [form, subject, epoch, incarnation, fifth, , basis] = body as [
    number,
    NodeId,
    number,
    number,
    number,
    unknown,
    number,
  ];
  if (form === 1) return { kind: "said", epoch, incarnation, left: (fifth & 2) !== 0 };
  const verdict = VERDICTS[fifth];
  if (form !== 2 || verdict === undefined) return undefined;
  return { kind: "accused", subject, epoch, incarnation, verdict, basis: BASES[basis] ?? "" };
}

function readDocument(fields: unknown): Emission | undefined {
  if (typeof fields !== "object" || fields === null) return undefined;
  const { part, epoch, seq, notAfter, instances } = fields as {
    part: number;
    epoch: number;
    seq: number;
    notAfter: number;
    instances: unknown;
  };
  // A liar signs what is no document at all.
  if (!Array.isArray(instances)) return undefined;
  const names = instances.map((entry: unknown) => {
    const { namespace, name, id } = (entry ?? {}) as Record<string, unknown>;
    return `${namespace}/${name}/${id}`;
  });
  const isLater = instances.some((entry: unknown) => Object.hasOwn(Object(entry), "laterField"));
  return { kind: "published", part, epoch, seq, notAfter, instances: names, isLater };
}

function startsWith(bytes: Uint8Array, head: Uint8Array): boolean {
  if (bytes.length < head.length) return false;
  for (let at = 0; at < head.length; at += 1) if (bytes[at] !== head[at]) return false;
  return true;
}
