/** `grapevine ca inspect`: shows what an identity file says, without its secrets. */
import { resolve } from "node:path";
import type { Inspection } from "../../transport/identity/inspect.ts";
import type { Command } from "../command.ts";
import { print } from "../output.ts";
import { columns, printable } from "../text-table.ts";

export const command: Command = {
  path: ["ca", "inspect"],
  summary: "show what an identity or an authority says",
  positionals: [{ name: "FILE", required: true, complete: "file" }],
  flags: [],
  examples: ["grapevine ca inspect a.id"],
  async run(call) {
    const [file = ""] = call.positionals;
    const { inspectFile } = await import("../../transport/identity/inspect.ts");
    const inspection = inspectFile(resolve(call.terminal.folder, file));
    if (inspection.kind !== "certificate") {
      for (const warning of inspection.warnings) {
        call.terminal.err(`grapevine: warning: ${warning}\n`);
      }
    }
    return print(call, shape(inspection), () => `${columns(rows(inspection), 140)}\n`);
  },
};

function shape(inspection: Inspection): unknown {
  if (inspection.kind === "authority") return inspection;
  const { notBefore, notAfter, ...rest } = inspection.certificate;
  const dates = { notBefore: isoDate(notBefore), notAfter: isoDate(notAfter) };
  return { ...inspection, certificate: { ...rest, ...dates } };
}

function rows(inspection: Inspection): string[][] {
  if (inspection.kind === "authority") {
    const { trustDomain, id, createdAt, encrypted } = inspection;
    return [
      ["kind", "authority"],
      ["trust domain", printable(trustDomain)],
      ["id", printable(id)],
      ["created", printable(createdAt)],
      ["key", encrypted ? "encrypted with a passphrase" : "not encrypted"],
    ];
  }
  const { certificate } = inspection;
  const { name, zone, region, services, notBefore, notAfter, serial, peer } = certificate;
  const left = notAfter - Date.now();
  const expiry = left < 0 ? "expired" : `${Math.floor(left / 86_400_000)} days left`;
  return [
    ["kind", inspection.kind],
    ["trust domain", certificate.trustDomain],
    ["name", name],
    ["id", peer],
    ...(zone === "" ? [] : [["zone", zone]]),
    ...(region === "" ? [] : [["region", region]]),
    ["may offer", services.join(", ")],
    ["valid", `${isoDate(notBefore)} to ${isoDate(notAfter)} (${expiry})`],
    ["serial", serial],
    ...(inspection.kind === "identity" ? [["trusts", inspection.roots.join(", ")]] : []),
  ];
}

function isoDate(ms: number): string {
  return new Date(ms).toISOString();
}
