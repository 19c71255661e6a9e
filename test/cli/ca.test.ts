import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { grapevine, type TerminalOptions } from "./terminal.ts";

const folder = mkdtempSync(join(tmpdir(), "grapevine-ca-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const ca = (args: string, options: TerminalOptions = {}) =>
  grapevine(["ca", ...args.split(" ")], { folder, ...options });

describe("ca", () => {
  it("makes an authority, an identity, and shows both", async () => {
    const made = await ca("init plain --trust-domain example.org");
    expect(made.code).toBe(0);
    expect(made.err).toContain("the authority's key is not encrypted");
    const issued = await ca("issue --ca plain --name a --zone north --ttl 30d -o a.id --json");
    expect(issued.code).toBe(0);
    expect(JSON.parse(issued.out)).toMatchObject({ name: "a", path: join(folder, "a.id") });
    expect(statSync(join(folder, "a.id")).mode & 0o777).toBe(0o600);
    const shown = await ca("inspect a.id");
    for (const text of ["example.org", "north", "*/*", "29 days left"])
      expect(shown.out).toContain(text);
    const json = await ca("inspect a.id --json");
    expect(JSON.parse(json.out)).toMatchObject({ kind: "identity", certificate: { name: "a" } });
    const secret = JSON.parse(readFileSync(join(folder, "a.id"), "utf8")).privateKey as string;
    expect(`${shown.out}${json.out}${issued.out}`).not.toContain(secret);
    expect((await ca("inspect plain")).out).toContain("not encrypted");
  });

  it("takes the passphrase from the variable", async () => {
    const env = { GRAPEVINE_CA_PASSPHRASE: "correct horse" };
    const made = await ca("init sealed --trust-domain example.org", { env });
    expect([made.code, made.err]).toEqual([0, ""]);
    expect((await ca("issue --ca sealed --name b -o b.id", { env })).code).toBe(0);
    const without = await ca("issue --ca sealed --name c -o c.id");
    expect(without.code).toBe(1);
    expect(without.err).toContain("GRAPEVINE_CA_PASSPHRASE");
  });

  it("asks a person: twice for a new one, once for an old one", async () => {
    const made = await ca("init asked --trust-domain example.org", { answers: ["x1", "x1"] });
    expect(made.code).toBe(0);
    expect((await ca("inspect asked --json")).out).toContain('"encrypted": true');
    expect((await ca("issue --ca asked --name d -o d.id", { answers: ["x1"] })).code).toBe(0);
    const wrong = await ca("issue --ca asked --name e -o e.id", { answers: ["x2"] });
    expect(wrong.err).toContain("does not open");
    const differ = await ca("init other --trust-domain example.org", { answers: ["x1", "x2"] });
    expect([differ.code, differ.err.includes("differ")]).toEqual([1, true]);
    expect((await ca("inspect other")).code).toBe(1);
    expect((await ca("init none --trust-domain example.org", { answers: [""] })).code).toBe(0);
  });

  it("overwrites nothing", async () => {
    await ca("init twice --trust-domain example.org");
    expect((await ca("init twice --trust-domain example.org")).err).toContain("never overwritten");
    await ca("issue --ca twice --name f -o f.id");
    const again = await ca("issue --ca twice --name f -o f.id");
    expect([again.code, again.err.includes("never overwritten")]).toEqual([1, true]);
  });

  it.each([
    ["init x", "--trust-domain NAME is missing"],
    ["issue --ca x --name a", "--output FILE is missing"],
    ["issue --ca plain --name a --ttl 5 -o x.id", "--ttl: expects a duration"],
  ])("%s is wrong usage", async (args, message) => {
    const { code, err } = await ca(args);
    expect(code).toBe(2);
    expect(err).toContain(message);
  });

  it.each([
    ["init x --trust-domain A_B!", "trust domain"],
    ["issue --ca nowhere --name a -o x.id", "does not exist"],
    ["issue --ca plain --name A -o x.id", "DNS label"],
    ["inspect nowhere", "does not exist"],
  ])("%s says what is wrong", async (args, message) => {
    const { code, err } = await ca(args);
    expect(code).toBe(1);
    expect(err).toContain(message);
  });
});
