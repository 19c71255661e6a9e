/** `grapevine ca issue`: makes the identity of one agent. */
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { readDuration } from "../../agent/config/values.ts";
import { GrapevineError } from "../../core/errors.ts";
import type { Command } from "../command.ts";
import { print } from "../output.ts";
import { knownPassphrase } from "../passphrase.ts";
import { reading } from "../registration-flags.ts";

export const command: Command = {
  path: ["ca", "issue"],
  summary: "make the identity of an agent",
  details:
    "Writes one file with key, certificate and roots (mode 0600), for `grapevine agent " +
    "--identity FILE`. It holds the private key: carry it to the agent's host and nowhere else.",
  positionals: [],
  flags: [
    {
      name: "ca",
      kind: "one",
      placeholder: "DIR",
      summary: "the authority",
      required: true,
      complete: "file",
    },
    { name: "name", kind: "one", placeholder: "NAME", summary: "of the agent", required: true },
    { name: "zone", kind: "one", placeholder: "ZONE", summary: "fixes the agent's zone" },
    { name: "region", kind: "one", placeholder: "REGION", summary: "fixes the agent's region" },
    {
      name: "services",
      kind: "one",
      placeholder: "LIST",
      summary: "what the agent may offer: NS/NAME with *, separated by commas",
      fallback: "*/*",
    },
    {
      name: "ttl",
      kind: "one",
      placeholder: "DURATION",
      summary: "how long it is valid",
      fallback: "90d",
    },
    {
      name: "output",
      short: "o",
      kind: "one",
      placeholder: "FILE",
      summary: "file to write",
      required: true,
      complete: "file",
    },
  ],
  examples: ["grapevine ca issue --ca ./ca --name a --zone north -o a.id"],
  async run(call) {
    const { terminal, values } = call;
    const path = resolve(terminal.folder, values.one("output") ?? "");
    if (existsSync(path)) {
      throw new GrapevineError(
        "conflict",
        `${path} exists already; an identity is never overwritten: move it away or choose another file`,
      );
    }
    const dir = resolve(terminal.folder, values.one("ca") ?? "");
    const ttl = values.one("ttl");
    const zone = values.one("zone");
    const region = values.one("region");
    const services = values.one("services");
    const name = values.one("name") ?? "";
    const limits = {
      ...(zone === undefined ? {} : { zone }),
      ...(region === undefined ? {} : { region }),
      ...(services === undefined
        ? {}
        : { services: services.split(",").map((text) => text.trim()) }),
      ...(ttl === undefined ? {} : { ttlMs: reading("ttl", () => readDuration(ttl)) }),
    };
    const { issueIdentity } = await import("../../transport/identity/authority.ts");
    const { message, writeSecretFile } = await import("../../transport/identity/files.ts");
    const passphrase = await knownPassphrase(terminal, dir);
    const { bundle, id, serial, notAfter, warnings } = issueIdentity({
      dir,
      passphrase,
      name,
      ...limits,
    });
    for (const warning of warnings) terminal.err(`grapevine: warning: ${warning}\n`);
    try {
      writeSecretFile(path, bundle, true);
    } catch (cause) {
      throw new GrapevineError("data_dir_invalid", `${path} cannot be written: ${message(cause)}`, {
        cause,
      });
    }
    const until = new Date(notAfter).toISOString();
    return print(
      call,
      { path, name, id, serial, notAfter: until },
      () => `made the identity of ${name} (${id}), valid until ${until}, in ${path}\n`,
    );
  },
};
