/**
 * What peers say of themselves and of each other. Oracles: no throw; what decodes encodes again to
 * the same; a statement that is read is forwarded byte for byte, unknown fields included; nothing
 * that nobody signed passes for signed.
 */
import { SeededRandom } from "../../../core/random.ts";
import {
  checkCertificate,
  issueCertificate,
  mayOffer,
  readCertificate,
} from "../../../core/trust/certificate.ts";
import { ENVELOPE_KINDS, openEnvelope, sealEnvelope } from "../../../core/trust/envelope.ts";
import type { WallMillis } from "../../../core/types.ts";
import * as antiEntropy from "../../../membership/anti-entropy-packets.ts";
import {
  faultOfProof,
  messageHash,
  readStatement,
  signOwnerPart,
  signVitalsPart,
} from "../../../membership/document-codec.ts";
import * as packets from "../../../membership/packets.ts";
import { parseRecord, signAccusation, signStatement } from "../../../membership/records.ts";
import { encodeFrame, FrameDecoder } from "../../../transport/control/frames.ts";
import { KeySigner, KeyVerifier, newSeed } from "../../../transport/identity/signing.ts";
import { content, fakeSigner, instance, nodeId, WALL } from "../../membership/directory-mesh.ts";
import { type FuzzTarget, holds, piecesOf, same } from "../target.ts";

const authority = new KeySigner(newSeed());
const node = new KeySigner(newSeed());
const verifier = new KeyVerifier();
const wall = 1_800_000_000_000 as WallMillis;

const NAMES = {
  ...{ trustDomain: "example.org", peer: node.id, name: "a", zone: "z1", region: "eu" },
  ...{ notBefore: wall - 1_000, notAfter: wall + 1_000, serial: "0a1b" },
};
const certificates = [
  issueCertificate({ ...NAMES, services: ["*/*"] }, authority),
  issueCertificate({ ...NAMES, services: ["default/web", "s*p/*-x"] }, authority),
  sealEnvelope(
    ENVELOPE_KINDS.certificate,
    { version: 2, authority: authority.id, ...NAMES, services: [], later: { deep: [1, 2] } },
    authority,
  ),
];
const issued = new Set(certificates.map((bytes) => Buffer.from(bytes).toString("hex")));

export const CERTIFICATE: FuzzTarget = {
  name: "certificate",
  seeds: () => certificates,
  words: [
    "services",
    "notAfter",
    "*/*",
    "12D3KooW",
    "example.org",
    Uint8Array.of(0xdf, 0xc7, 0xd4),
  ],
  check: (input) => {
    const expectation = { ...{ peer: node.id, trustDomain: "example.org" }, verifier, wall };
    const certificate = readCertificate(input);
    const verdict = checkCertificate(input, { ...expectation, roots: [authority.id] });
    if (certificate !== undefined) {
      same("read twice", readCertificate(input.slice()), certificate);
      mayOffer(certificate, "default", "web");
    } else holds("what cannot be read is refused", !verdict.ok);
    if (!verdict.ok) holds("a refusal says why", verdict.reason !== "");
    else holds("only what was issued passes", issued.has(Buffer.from(input).toString("hex")));
  },
};

const OWNER = nodeId("a");
const HEAD = { owner: OWNER, epoch: 3, seq: 9, nonce: 5, notAfter: WALL + 1_000 };
const INSTANCES = [
  instance("web", "one", { tags: { team: "x" }, ports: [80, 443] }),
  instance("api", "two"),
];
const documents = [
  signOwnerPart(0, HEAD, content("a", INSTANCES), [], new Set(), fakeSigner(OWNER)),
  signOwnerPart(0, HEAD, content("a", []), [1, 2], new Set(), fakeSigner(OWNER)),
  signOwnerPart(3, HEAD, content("a", INSTANCES), [], new Set(), fakeSigner(OWNER)),
  signVitalsPart(
    32,
    { owner: OWNER, epoch: 3, seq: 9, failing: ["default/web/one"] },
    fakeSigner(OWNER),
  ),
  sealEnvelope(
    ENVELOPE_KINDS.owner,
    { v: 9, part: 0, ...content("a", INSTANCES), ...HEAD, shards: [], later: [{ x: 1 }] },
    fakeSigner(OWNER),
  ),
];

export const DOCUMENT: FuzzTarget = {
  name: "document",
  seeds: () => documents,
  words: ["instances", "default", "shards", "part", "owner", "epoch", Uint8Array.of(0xdf, 0xdd)],
  check: (input) => {
    const statement = readStatement(input, messageHash(input));
    if (typeof statement === "string") {
      holds("a refusal says why", statement !== "");
      return;
    }
    same("is forwarded as it came", statement.message, input);
    const fault = faultOfProof(statement, verifier, () => ({ ok: true, mayOffer: () => true }));
    holds("nobody's signature passes", fault !== undefined);
    const kind = statement.kind === "owner" ? ENVELOPE_KINDS.owner : ENVELOPE_KINDS.vitals;
    const fields = openEnvelope(input)?.fields ?? {};
    const again = sealEnvelope(kind, fields, fakeSigner(OWNER));
    const reread = readStatement(again, statement.hash);
    holds("its fields make it again", typeof reread !== "string");
    if (typeof reread === "string") return;
    same("with the same content", { ...reread, message: 0 }, { ...statement, message: 0 });
  },
};

const records = [
  signStatement(node, {
    ...{ epoch: 5, incarnation: 2, leaving: true, left: false, nonce: 99, bind: "127.0.0.1:7946" },
  }),
  signAccusation(node, {
    ...{ subject: nodeId("b"), epoch: 1, incarnation: 0, verdict: "suspect", basis: "silence" },
  }),
].map(({ bytes }) => bytes);

export const RECORD: FuzzTarget = {
  name: "record",
  seeds: () => records,
  words: [Uint8Array.of(0x97), Uint8Array.of(0xdc, 0xff, 0xff)],
  check: (input) => {
    const record = parseRecord(input);
    if (record === undefined) return;
    same("is forwarded as it came", record.bytes, input);
    same("read twice", parseRecord(record.bytes), record);
  },
};

const memberPackets: readonly Uint8Array[] = [
  packets.encodePacket({ kind: "ping", seq: 1, records }),
  packets.encodePacket({ kind: "ping_req", seq: 2, target: OWNER, records: [] }),
  packets.encodePacket({ kind: "answer", seq: 2, answered: true, records: [] }),
  packets.encodePacket({ kind: "push", records, doubts: records }),
  packets.encodePacket({ kind: "sync", buckets: new Uint32Array(256).fill(7), records: [] }),
  packets.encodePacket({
    ...{ kind: "page", covered: Uint8Array.of(1, 2), remaining: Uint8Array.of(3), records },
  }),
  packets.encodePacket({ kind: "pull", wanted: Uint8Array.of(0, 255) }),
];

export const MEMBER_PACKET: FuzzTarget = {
  name: "member-packet",
  seeds: () => memberPackets,
  words: [Uint8Array.of(0xdc, 0xff, 0xff), Uint8Array.of(0xc6, 0, 0, 0, 1), Uint8Array.of(0xcb)],
  check: (input) => {
    const packet = packets.decodePacket(input);
    if (packet === undefined || packet.kind === "unknown") return;
    same("again", packets.decodePacket(packets.encodePacket(packet)), packet);
  },
};

const random = new SeededRandom(5);
const ITEM = { owner: OWNER, part: 0, epoch: 3, seq: 9, hash: "0123456789abcdef".repeat(2) };
const syncPackets: readonly Uint8Array[] = [
  antiEntropy.encodePacket({ kind: "root", fingerprint: random.bytes(16), count: 3 }),
  antiEntropy.encodePacket({ kind: "items", level: 1, prefixes: [0, 3], items: [ITEM] }),
  antiEntropy.encodePacket({ kind: "docs", messages: documents, offers: [ITEM] }),
  antiEntropy.encodePacket({ kind: "want", places: [{ owner: OWNER, part: 32 }] }),
  antiEntropy.encodePacket({ kind: "push", messages: documents.slice(0, 1) }),
];

export const SYNC_PACKET: FuzzTarget = {
  name: "sync-packet",
  seeds: () => syncPackets,
  words: [Uint8Array.of(0xdd, 0, 1, 0, 0), Uint8Array.of(0xc4, 16), "12D3KooW"],
  check: (input) => {
    const packet = antiEntropy.decodePacket(input);
    if (packet === undefined || packet.kind === "unknown") return;
    same("again", antiEntropy.decodePacket(antiEntropy.encodePacket(packet)), packet);
  },
};

export const CONTROL_FRAME: FuzzTarget = {
  name: "control-frame",
  seeds: () => [
    encodeFrame(0, memberPackets[0] as Uint8Array),
    Buffer.concat([encodeFrame(0, Buffer.from("a")), encodeFrame(1, Buffer.from("bye"))]),
    Buffer.concat([
      encodeFrame(9, Buffer.from("later")),
      encodeFrame(2, certificates[0] as Buffer),
    ]),
  ],
  words: [Uint8Array.of(0, 0, 0, 2), Uint8Array.of(0, 0x10, 0, 1, 0)],
  check: (input, cuts) => {
    const read = (pieces: readonly Uint8Array[]) => {
      const decoder = new FrameDecoder();
      const frames: unknown[] = [];
      let bytes = 0;
      for (const piece of pieces) {
        const fault = decoder.push(piece, (type, payload) => {
          bytes += payload.length + 5;
          frames.push([type, payload]);
        });
        if (fault !== undefined) return { frames, fault, bytes };
      }
      return { frames, fault: undefined, bytes };
    };
    const whole = read([input]);
    same("in pieces", read(piecesOf(input, cuts)), whole);
    holds("no more than came", whole.bytes <= input.length);
  },
};
