/** `grapevine version`. */
import { readFileSync } from "node:fs";
import type { Command } from "../command.ts";
import { print } from "../output.ts";

export const command: Command = {
  path: ["version"],
  summary: "print the version",
  positionals: [],
  flags: [],
  examples: ["grapevine version"],
  async run(call) {
    const text = readFileSync(new URL("../../package.json", import.meta.url), "utf8");
    const { version } = JSON.parse(text) as { readonly version: string };
    const { node } = process.versions;
    const platform = `${process.platform}-${process.arch}`;
    return print(
      call,
      { version, node, platform },
      () => `grapevine ${version} (Node ${node}, ${platform})\n`,
    );
  },
};
