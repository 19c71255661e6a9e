import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DOCUMENT_BYTES_MAX } from "../../core/limits.ts";
import { ENVELOPE_KINDS, sealEnvelope } from "../../core/trust/envelope.ts";
import {
  divideInstances,
  faultOfOwnContent,
  faultOfProof,
  messageHash,
  readStatement,
  type Statement,
  signOwnerPart,
  signVitalsPart,
} from "../../membership/document-codec.ts";
import {
  AUTHORITY,
  certificateOf,
  checkTestCertificate,
  content,
  fakeSigner,
  fakeVerifier,
  instance,
  nodeId,
  WALL,
} from "./directory-mesh.ts";

const A = nodeId("a");
const HEAD = { owner: A, epoch: 3, seq: 9, nonce: 5, notAfter: WALL + 1_000 };

const read = (message: Uint8Array) => readStatement(message, messageHash(message));

/** What is wrong with a document in which these fields are changed. */
function faultWith(change: object, kind: 1 | 2 | 3 = ENVELOPE_KINDS.owner): string | undefined {
  const fields = { v: 1, part: 0, ...content("a"), ...HEAD, shards: [], ...change };
  const statement = read(sealEnvelope(kind, fields, fakeSigner(A)));
  return typeof statement === "string" ? statement : undefined;
}

function proofFault(message: Uint8Array): string | undefined {
  return faultOfProof(read(message) as Statement, fakeVerifier, checkTestCertificate);
}

function signed(own = content("a"), as = A): Uint8Array {
  return signOwnerPart(0, { ...HEAD, owner: as }, own, [], new Set(), fakeSigner(as));
}

describe("an owner document", () => {
  it("reads back as it was signed", () => {
    const own = content("a", [instance("web", "one", { tags: { team: "x" }, ports: [80, 443] })]);
    const failing = new Set(["default/web/one", "default/web/other"]);
    const message = signOwnerPart(0, HEAD, own, [], failing, fakeSigner(A));
    const statement = read(message);
    expect(statement).toMatchObject({ kind: "owner", failing: ["default/web/one"], message });
    expect((statement as Extract<Statement, { kind: "owner" }>).document).toEqual({
      ...own,
      ...HEAD,
      certificate: new Uint8Array(own.certificate),
    });
    expect(proofFault(message)).toBeUndefined();
  });

  it("is read with fields that this version does not know", () => {
    expect(faultWith({ v: 2, hints: { later: true } })).toBeUndefined();
  });

  it("is refused for the first field that is out of bounds, by name", () => {
    const one = instance("web", "one");
    const tags = Object.fromEntries(Array.from({ length: 33 }, (_, index) => [`k${index}`, "v"]));
    for (const [change, word] of [
      [{ v: 0 }, "version"],
      [{ owner: "me" }, "owner"],
      [{ part: 20 }, "part"],
      [{ epoch: -1 }, "epoch"],
      [{ seq: 1.5 }, "seq"],
      [{ nonce: "x" }, "nonce"],
      [{ notAfter: null }, "notAfter"],
      [{ name: "Not A Label" }, "name"],
      [{ bind: "no port" }, "bind"],
      [{ link: "host:port" }, "link"],
      [{ zone: "a/b" }, "zone"],
      [{ region: 7 }, "region"],
      [{ labels: [] }, "labels"],
      [{ version: "v".repeat(65) }, "version"],
      [{ certificate: "text" }, "certificate"],
      [{ instances: {} }, "instances"],
      [{ instances: [one, one] }, "twice"],
      [{ instances: [{ ...one, id: "" }] }, "id"],
      [{ instances: [{ ...one, protocol: "ftp" }] }, "protocol"],
      [{ instances: [{ ...one, ports: [0] }] }, "ports"],
      [{ instances: [{ ...one, ports: Array(17).fill(80) }] }, "ports"],
      [{ instances: [{ ...one, address: "a\nb" }] }, "address"],
      [{ instances: [{ ...one, weight: 65_536 }] }, "weight"],
      [{ instances: [{ ...one, tags }] }, "tags"],
      [{ shards: [1] }, "shards"],
      [{ shards: [1, 2, 3] }, "shards"],
      [{ part: 1, shards: [1, 2] }, "shards"],
    ] as const) {
      expect(faultWith(change)).toContain(word);
    }
    expect(faultWith({}, ENVELOPE_KINDS.vitals)).toContain("fit");
    expect(faultWith({}, ENVELOPE_KINDS.certificate)).toContain("fit");
    expect(faultWith({})).toBeUndefined();
  });

  it("is not believed without its owner's signature and a certificate that covers it", () => {
    const own = content("a", [instance("web", "one")]);
    expect(proofFault(signed(own))).toBeUndefined();
    const forged = signOwnerPart(0, HEAD, own, [], new Set(), fakeSigner(AUTHORITY));
    expect(proofFault(forged)).toContain("signature");
    expect(proofFault(signed(own, nodeId("b")))).toContain("issued to");
    expect(proofFault(signed({ ...own, name: "other" }))).toContain("name");
    const narrow = { ...own, certificate: certificateOf("a", ["default/db"]) };
    expect(proofFault(signed(narrow))).toContain("default/web");
  });

  it("never throws at fields of the wrong kind", () => {
    const names = ["v", "part", "owner", "epoch", "labels", "certificate", "instances", "shards"];
    const junk = fc.oneof(fc.integer(), fc.string(), fc.constant(null), fc.array(fc.object()));
    fc.assert(
      fc.property(fc.constantFrom(...names), junk, (name, value) => {
        expect(["string", "undefined"]).toContain(typeof faultWith({ [name]: value }));
      }),
    );
  });
});

describe("vitals", () => {
  it("read back as they were signed, and only with instances in them", () => {
    const vitals = { owner: A, epoch: 1, seq: 2, failing: ["default/web/one"] };
    const message = signVitalsPart(32, vitals, fakeSigner(A));
    expect(read(message)).toMatchObject({ kind: "vitals", vitals });
    expect(proofFault(message)).toBeUndefined();
    const wrong = signVitalsPart(32, { ...vitals, failing: ["no key"] }, fakeSigner(A));
    expect(read(wrong)).toContain("failing");
  });
});

describe("dividing", () => {
  it("gives every instance exactly once, each list within one message, by instance alone", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 900 }), fc.integer({ min: 0, max: 200 }), (n, size) => {
        const all = Array.from({ length: n }, (_, index) =>
          instance("web", `i${index}`, { tags: { note: "x".repeat(size) } }),
        );
        const own = content("a", all);
        const divided = divideInstances(own);
        if (divided === "too_large") throw new Error("fits into 16 by its size");
        const lists = divided ?? [all];
        expect(lists.flat().length).toBe(n);
        expect(new Set(lists.flat()).size).toBe(n);
        for (const instances of lists) {
          const message = signed({ ...own, instances });
          expect(message.length).toBeLessThanOrEqual(DOCUMENT_BYTES_MAX);
        }
        expect(divideInstances({ ...own, instances: [...all].reverse() })?.length).toBe(
          divided?.length,
        );
      }),
      { numRuns: 15 },
    );
  });

  it("says what to do when not even sixteen parts hold it", () => {
    const tags = Object.fromEntries(
      Array.from({ length: 32 }, (_, index) => [`k${index}`, "v".repeat(255)]),
    );
    const all = Array.from({ length: 1_000 }, (_, index) => instance("web", `i${index}`, { tags }));
    expect(faultOfOwnContent(content("a", all))).toContain("16 documents of 64 KiB");
    expect(faultOfOwnContent(content("a", all.slice(0, 10)))).toBeUndefined();
  });
});
