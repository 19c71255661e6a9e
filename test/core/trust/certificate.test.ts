import { generateKeyPairSync, type KeyObject, sign, verify } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decode } from "../../../core/codec.ts";
import type { Signer, Verifier } from "../../../core/seams.ts";
import {
  type Certificate,
  CLOCK_TOLERANCE_MS,
  checkCertificate,
  isServicePattern,
  issueCertificate,
  mayOffer,
  readCertificate,
} from "../../../core/trust/certificate.ts";
import { ENVELOPE_KINDS, sealEnvelope } from "../../../core/trust/envelope.ts";
import type { NodeId, WallMillis } from "../../../core/types.ts";

const id = (letter: string) => `12D3KooW${letter.repeat(44)}` as NodeId;
const keys = new Map<NodeId, KeyObject>();

function signerOf(who: NodeId): Signer {
  const pair = generateKeyPairSync("ed25519");
  keys.set(who, pair.publicKey);
  return { id: who, sign: (bytes) => new Uint8Array(sign(null, bytes, pair.privateKey)) };
}

const verifier: Verifier = {
  verify: (who, bytes, signature) => {
    const key = keys.get(who);
    return key !== undefined && verify(null, bytes, key, signature);
  },
};

const authority = signerOf(id("A"));
const stranger = signerOf(id("S"));
const start = Date.UTC(2026, 0, 1);
const end = Date.UTC(2026, 3, 1);
const fields = {
  trustDomain: "example.org",
  peer: id("P"),
  name: "a",
  zone: "z1",
  region: "eu",
  services: ["*/*"],
  notBefore: start,
  notAfter: end,
  serial: "0a1b",
} satisfies Omit<Certificate, "version" | "authority">;

const expectation = (wall: number) => ({
  peer: id("P"),
  trustDomain: "example.org",
  roots: [authority.id],
  verifier,
  wall: wall as WallMillis,
});

function codeOf(bytes: Uint8Array, change: object = {}, wall = start + 1): string {
  const verdict = checkCertificate(bytes, { ...expectation(wall), ...change });
  return verdict.ok ? "ok" : verdict.code;
}

describe("a node certificate", () => {
  const bytes = issueCertificate(fields, authority);

  it("is accepted for the node, the domain, the authority and the time it was issued for", () => {
    const verdict = checkCertificate(bytes, expectation(start + 1));
    expect(verdict).toEqual({
      ok: true,
      certificate: { ...fields, version: 1, authority: authority.id },
    });
    expect(bytes.length).toBeLessThan(512);
  });

  it("is refused by the name of what is wrong", () => {
    expect(codeOf(bytes, { trustDomain: "other.org" })).toBe("trust_domain");
    expect(codeOf(bytes, { roots: [stranger.id] })).toBe("authority");
    expect(codeOf(bytes, { peer: id("Q") })).toBe("peer");
    expect(codeOf(bytes, {}, start - CLOCK_TOLERANCE_MS - 1)).toBe("not_yet_valid");
    expect(codeOf(bytes, {}, start - CLOCK_TOLERANCE_MS)).toBe("ok");
    expect(codeOf(bytes, {}, end - 1)).toBe("ok");
    const late = checkCertificate(bytes, expectation(end));
    expect(late).toMatchObject({ ok: false, code: "expired" });
    expect(late).toHaveProperty("reason", expect.stringContaining("2026-04-01T00:00:00Z"));
    expect(codeOf(new Uint8Array(100))).toBe("malformed");
  });

  it("is refused with any byte changed", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: bytes.length - 1 }),
        fc.integer({ min: 1, max: 255 }),
        (at, flip) => {
          const changed = bytes.slice();
          changed[at] = (changed[at] as number) ^ flip;
          expect(codeOf(changed)).not.toBe("ok");
        },
      ),
    );
  });

  it("is refused when another key signed it in the authority's name", () => {
    const forged = issueCertificate(fields, { ...stranger, id: authority.id });
    expect(codeOf(forged)).toBe("signature");
  });

  it("is not accepted where another kind of statement is expected, nor the reverse", () => {
    const document = sealEnvelope(
      ENVELOPE_KINDS.owner,
      { version: 1, authority: authority.id, ...fields },
      authority,
    );
    expect(codeOf(document)).toBe("malformed");
    document[1] = ENVELOPE_KINDS.certificate;
    expect(codeOf(document)).toBe("signature");
  });

  it("keeps fields that this version does not know", () => {
    const newer = sealEnvelope(
      ENVELOPE_KINDS.certificate,
      { version: 2, authority: authority.id, ...fields, hint: "later" },
      authority,
    );
    expect(codeOf(newer)).toBe("ok");
    expect(decode(newer.subarray(66))).toHaveProperty("hint", "later");
  });

  it("is never issued with fields that nobody would read back", () => {
    for (const wrong of [
      { name: "Not A Label" },
      { trustDomain: "Upper" },
      { services: ["nothing"] },
      { services: Array.from({ length: 65 }, () => "*/*") },
      { serial: "" },
      { notAfter: Number.NaN },
    ]) {
      expect(() => issueCertificate({ ...fields, ...wrong }, authority)).toThrow(/valid/);
    }
  });

  it("reads arbitrary bytes without an exception", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (noise) => {
        expect(readCertificate(noise)).toBeUndefined();
      }),
    );
  });
});

describe("what a certificate lets a node offer", () => {
  it("follows the patterns, part by part", () => {
    const allows = (services: string[], target: string) => {
      const [namespace = "", name = ""] = target.split("/");
      return mayOffer({ services }, namespace, name);
    };
    expect(allows(["*/*"], "shop/web")).toBe(true);
    expect(allows(["shop/*"], "shop/web")).toBe(true);
    expect(allows(["shop/*"], "shopping/web")).toBe(false);
    expect(allows(["*/web"], "shop/web-2")).toBe(false);
    expect(allows(["shop/web-*"], "shop/web-2")).toBe(true);
    expect(allows(["shop/*-a-*"], "shop/x-a-y")).toBe(true);
    expect(allows(["shop/aa*aa"], "shop/aaa")).toBe(false);
    expect(allows(["a/b", "shop/web"], "shop/web")).toBe(true);
    expect(allows([], "shop/web")).toBe(false);
  });

  it("agrees with a regular expression", () => {
    const part = fc.string({ unit: fc.constantFrom("a", "b", "*"), minLength: 1, maxLength: 6 });
    const text = fc.string({ unit: fc.constantFrom("a", "b"), minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(part, text, (pattern, name) => {
        const expected = new RegExp(`^${pattern.replaceAll("*", ".*")}$`).test(name);
        expect(mayOffer({ services: [`x/${pattern}`] }, "x", name)).toBe(expected);
      }),
      { numRuns: 500 },
    );
  });

  it("knows a pattern when it sees one", () => {
    expect(isServicePattern("*/*")).toBe(true);
    expect(isServicePattern("shop/web-*")).toBe(true);
    expect(isServicePattern("shop")).toBe(false);
    expect(isServicePattern("shop/web/x")).toBe(false);
    expect(isServicePattern("Shop/web")).toBe(false);
  });
});
