/** `grapevine ca init`: makes the offline authority of a trust domain. */
import { resolve } from "node:path";
import type { Command } from "../command.ts";
import { print } from "../output.ts";
import { newPassphrase } from "../passphrase.ts";

export const command: Command = {
  path: ["ca", "init"],
  summary: "make the authority of a new trust domain",
  details:
    "Keep the folder on a machine that is no agent: whoever has it can certify nodes. The " +
    "passphrase comes from GRAPEVINE_CA_PASSPHRASE or is asked for; an empty one leaves the key " +
    "unencrypted.",
  positionals: [{ name: "DIR", required: true, complete: "file" }],
  flags: [
    {
      name: "trust-domain",
      kind: "one",
      placeholder: "NAME",
      summary: "name of the mesh in identities: spiffe://NAME/…",
      required: true,
    },
  ],
  examples: ["grapevine ca init ./ca --trust-domain example.org"],
  async run(call) {
    const { terminal } = call;
    const [dir = ""] = call.positionals;
    const trustDomain = call.values.one("trust-domain") ?? "";
    const { createAuthority } = await import("../../transport/identity/authority.ts");
    const passphrase = await newPassphrase(terminal);
    const { id, path } = createAuthority(resolve(terminal.folder, dir), trustDomain, passphrase);
    const encrypted = passphrase !== undefined;
    if (!encrypted) {
      terminal.err(
        "grapevine: warning: the authority's key is not encrypted; set GRAPEVINE_CA_PASSPHRASE to " +
          "protect it, and keep the folder offline\n",
      );
    }
    return print(
      call,
      { path, id, trustDomain, encrypted },
      () =>
        `made the authority of ${trustDomain} in ${path}\n` +
        `next: grapevine ca issue --ca ${dir} --name NAME -o NAME.id\n`,
    );
  },
};
