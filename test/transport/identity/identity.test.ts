import { createHash } from "node:crypto";
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { peerIdFromPrivateKey } from "@libp2p/peer-id";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { GrapevineError } from "../../../core/errors.ts";
import { checkCertificate, issueCertificate } from "../../../core/trust/certificate.ts";
import type { WallMillis } from "../../../core/types.ts";
import { createAuthority, issueIdentity } from "../../../transport/identity/authority.ts";
import { formatBundle } from "../../../transport/identity/bundle.ts";
import { inspectFile } from "../../../transport/identity/inspect.ts";
import { nodeIdOf, publicKeyOf } from "../../../transport/identity/node-id.ts";
import { developmentIdentity, loadIdentity } from "../../../transport/identity/node-identity.ts";
import { KeySigner, KeyVerifier, newSeed } from "../../../transport/identity/signing.ts";

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "grapevine-identity-"));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

function failure(run: () => unknown): GrapevineError {
  try {
    run();
  } catch (error) {
    if (error instanceof GrapevineError) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}

function issueTo(path: string, passphrase?: string): string {
  const authority = join(dir, "ca");
  createAuthority(authority, "example.org", passphrase);
  const { bundle, id } = issueIdentity({ dir: authority, passphrase, name: "web-1", zone: "z1" });
  writeFileSync(path, bundle, { mode: 0o600 });
  return id;
}

describe("node ids and signatures", () => {
  it("names a key as libp2p does, and reads it back", () => {
    const { identity } = developmentIdentity({ dataDir: dir, name: "a" });
    expect(identity.id).toBe(peerIdFromPrivateKey(identity.privateKey).toString());
    expect(nodeIdOf(publicKeyOf(identity.id) as Uint8Array)).toBe(identity.id);
    for (const text of [
      "",
      "x",
      "12D3KooW",
      `${identity.id}1`,
      identity.id.replace(/.$/, "0"),
      "z".repeat(52),
    ]) {
      expect(publicKeyOf(text)).toBeUndefined();
    }
  });

  describe.each(["best", "node"] as const)("judged by the %s library", (library) => {
    it("accepts only the signer's own signature, with a bounded cache", () => {
      const verifier = new KeyVerifier(2, library);
      const signers = [1, 2, 3].map(() => new KeySigner(newSeed()));
      const bytes = new Uint8Array([1, 2, 3]);
      for (const signer of [...signers, ...signers]) {
        const signature = signer.sign(bytes);
        expect(verifier.verify(signer.id, bytes, signature)).toBe(true);
        expect(verifier.verify(signer.id, new Uint8Array([1, 2]), signature)).toBe(false);
        expect(verifier.verify(signer.id, bytes, signature.subarray(1))).toBe(false);
      }
      const [first, second] = signers as [KeySigner, KeySigner];
      expect(verifier.verify(first.id, bytes, second.sign(bytes))).toBe(false);
      expect(verifier.verify("nonsense" as typeof first.id, bytes, first.sign(bytes))).toBe(false);
    });

    it("accepts no signature around a point of small order, which libraries judge differently", () => {
      const seed = newSeed();
      const signer = new KeySigner(seed);
      const bytes = new TextEncoder().encode("a statement");
      const crafted = signedWithoutNonce(seed, signer.publicKey, bytes);
      expect(new KeyVerifier(2, library).verify(signer.id, bytes, crafted)).toBe(false);
      const neutral = new Uint8Array(32);
      neutral[0] = 1;
      // The neutral point as a key: S = 1 and R = the base point hold for every statement.
      const anything = new Uint8Array(64).fill(0x66, 0, 32);
      anything[0] = 0x58;
      anything[32] = 1;
      expect(new KeyVerifier(2, library).verify(nodeIdOf(neutral), bytes, anything)).toBe(false);
    });
  });
});

/** What RFC 8032 makes of a nonce of 0: R is the neutral point, S is k times the secret. */
function signedWithoutNonce(seed: Uint8Array, key: Uint8Array, bytes: Uint8Array): Uint8Array {
  const order = 2n ** 252n + 27742317777372353535851937790883648493n;
  const sha512 = (...parts: Uint8Array[]) =>
    createHash("sha512").update(Buffer.concat(parts)).digest();
  const whole = (little: Uint8Array) =>
    BigInt(`0x${Buffer.from(little).reverse().toString("hex")}`);
  const clamped = sha512(seed).subarray(0, 32);
  clamped[0] = (clamped[0] as number) & 248;
  clamped[31] = ((clamped[31] as number) & 127) | 64;
  const neutral = new Uint8Array(32);
  neutral[0] = 1;
  const s = (whole(sha512(neutral, key, bytes)) * whole(clamped)) % order;
  const little = Buffer.from(s.toString(16).padStart(64, "0"), "hex").reverse();
  return new Uint8Array(Buffer.concat([neutral, little]));
}

describe("an authority and what it issues", () => {
  it("issues a bundle that an agent can use", () => {
    const path = join(dir, "web.id");
    const id = issueTo(path, "correct horse");
    const { identity, warnings } = loadIdentity(path);
    expect(warnings).toEqual([]);
    expect(identity).toMatchObject({
      id,
      name: "web-1",
      zone: "z1",
      trustDomain: "example.org",
      dev: false,
    });
    const verdict = checkCertificate(identity.certificate, {
      peer: identity.id,
      trustDomain: "example.org",
      roots: identity.roots,
      verifier: new KeyVerifier(),
      wall: Date.now() as WallMillis,
    });
    expect(verdict.ok && verdict.certificate.services).toEqual(["*/*"]);
    expect(readFileSync(join(dir, "ca", "issued.jsonl"), "utf8")).toContain(id);
  }, 20_000);

  it("keeps its key in owner-only files, sealed under the passphrase", () => {
    issueTo(join(dir, "web.id"), "correct horse");
    const path = join(dir, "ca", "authority.json");
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(statSync(join(dir, "ca")).mode & 0o777).toBe(0o700);
    const request = { dir: join(dir, "ca"), name: "x" };
    expect(failure(() => issueIdentity({ ...request, passphrase: "wrong" })).message).toMatch(
      /passphrase does not open/,
    );
    expect(failure(() => issueIdentity({ ...request, passphrase: undefined })).message).toMatch(
      /GRAPEVINE_CA_PASSPHRASE/,
    );
    expect(inspectFile(join(dir, "ca"))).toMatchObject({ kind: "authority", encrypted: true });
  }, 20_000);

  it("is never overwritten", () => {
    createAuthority(join(dir, "ca"), "example.org", undefined);
    const again = failure(() => createAuthority(join(dir, "ca"), "example.org", undefined));
    expect(again.short).toBe("conflict");
  });

  it("refuses names that could not be certified", () => {
    const ca = join(dir, "ca");
    expect(failure(() => createAuthority(ca, "Not Valid", undefined)).short).toBe(
      "invalid_argument",
    );
    createAuthority(ca, "example.org", undefined);
    const base = { dir: ca, passphrase: undefined, name: "ok" };
    expect(failure(() => issueIdentity({ ...base, name: "Not_A_Label" })).message).toMatch(
      /DNS label/,
    );
    expect(failure(() => issueIdentity({ ...base, zone: "a b" })).message).toMatch(/zone/);
    expect(failure(() => issueIdentity({ ...base, services: ["web"] })).message).toMatch(
      /NAMESPACE\/NAME/,
    );
    expect(failure(() => issueIdentity({ ...base, ttlMs: Number.NaN })).message).toMatch(
      /time to live/,
    );
  });

  it("shows what files say, but no private key", () => {
    const path = join(dir, "web.id");
    const id = issueTo(path);
    const shown = inspectFile(path);
    expect(shown).toMatchObject({ kind: "identity", id, trustDomain: "example.org" });
    const { privateKey } = JSON.parse(readFileSync(path, "utf8")) as { privateKey: string };
    expect(JSON.stringify(shown)).not.toContain(privateKey);
    writeFileSync(join(dir, "bare"), loadIdentity(path).identity.certificate);
    expect(inspectFile(join(dir, "bare"))).toMatchObject({ kind: "certificate" });
  });
});

describe("a bundle that cannot be used says why", () => {
  it("missing, malformed, cut off, of another kind", () => {
    const path = join(dir, "web.id");
    expect(failure(() => loadIdentity(path)).short).toBe("identity_missing");
    issueTo(path);
    const text = readFileSync(path, "utf8");
    writeFileSync(path, text.slice(0, 200));
    expect(failure(() => loadIdentity(path)).message).toMatch(
      /web\.id cannot be used: it is not JSON/,
    );
    writeFileSync(path, JSON.stringify({ grapevine: "authority", version: 1 }));
    expect(failure(() => loadIdentity(path)).message).toMatch(/not a Grapevine identity file/);
    writeFileSync(path, text.replace('"version": 1', '"version": 9'));
    expect(failure(() => loadIdentity(path)).message).toMatch(/version is 9/);
    writeFileSync(path, text.replace(/"roots": \[[^\]]*\]/, '"roots": []'));
    expect(failure(() => loadIdentity(path)).message).toMatch(/roots/);
  });

  it("a certificate for another key", () => {
    const path = join(dir, "web.id");
    issueTo(path);
    const document = JSON.parse(readFileSync(path, "utf8")) as Record<string, unknown>;
    document["privateKey"] = Buffer.from(newSeed()).toString("base64");
    writeFileSync(path, JSON.stringify(document));
    expect(failure(() => loadIdentity(path)).message).toMatch(/"web-1" is for another key/);
  });

  it("an expired certificate, by name", () => {
    const authority = new KeySigner(newSeed());
    const seed = newSeed();
    const fields = {
      trustDomain: "example.org",
      peer: new KeySigner(seed).id,
      name: "old",
      zone: "",
      region: "",
    };
    const times = { services: [], notBefore: 1000, notAfter: 2000, serial: "ab" };
    const certificate = issueCertificate({ ...fields, ...times }, authority);
    const path = join(dir, "old.id");
    writeFileSync(
      path,
      formatBundle({ trustDomain: "example.org", seed, certificate, roots: [authority.id] }),
    );
    chmodSync(path, 0o600);
    const error = failure(() => loadIdentity(path));
    expect(error.short).toBe("certificate_rejected");
    expect(error.message).toMatch(/"old" is expired since 1970/);
  });

  it("permissions that let others read it are a warning", () => {
    const path = join(dir, "web.id");
    issueTo(path);
    chmodSync(path, 0o644);
    expect(loadIdentity(path).warnings[0]).toMatch(/mode 0644; run: chmod 600/);
  });
});

describe("the development identity", () => {
  it("is the same node after a restart, under any name", () => {
    const first = developmentIdentity({ dataDir: dir, name: "a" });
    const second = developmentIdentity({ dataDir: dir, name: "b", zone: "z" });
    expect(second.identity.id).toBe(first.identity.id);
    expect(second.identity).toMatchObject({ name: "b", zone: "z", dev: true });
    expect(second.warnings[0]).toMatch(/whose key everybody knows/);
  });

  it("replaces a broken key with a warning, and separates clusters", () => {
    const first = developmentIdentity({ dataDir: dir, name: "a" });
    writeFileSync(join(dir, "dev-identity.json"), "{");
    const second = developmentIdentity({ dataDir: dir, name: "a", cluster: "blue" });
    expect(second.identity.id).not.toBe(first.identity.id);
    expect(second.warnings.join()).toMatch(/new development identity/);
    expect(second.identity.trustDomain).not.toBe(first.identity.trustDomain);
  });

  it("says so if the data directory cannot be written", () => {
    const gone = join(dir, "missing");
    expect(failure(() => developmentIdentity({ dataDir: gone, name: "a" })).short).toBe(
      "data_dir_invalid",
    );
  });
});
