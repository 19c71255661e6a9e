/** `grapevine reload`: the agent reads its configuration again. */
import type { Command } from "../command.ts";
import { print } from "../output.ts";

interface Reloaded {
  readonly changed: readonly string[];
  readonly ignored: readonly string[];
}

export const command: Command = {
  path: ["reload"],
  summary: "make the agent read its configuration again",
  positionals: [],
  flags: [],
  examples: ["grapevine reload"],
  async run(call) {
    const reloaded = (await call.agent().request("POST", "/v1/reload")) as Reloaded;
    return print(call, reloaded, () => {
      const { changed, ignored } = reloaded;
      const effect = changed.length === 0 ? "nothing changed" : `changed: ${changed.join(", ")}`;
      const later = ignored.length === 0 ? "" : `\nafter a restart: ${ignored.join(", ")}`;
      return `${effect}${later}\n`;
    });
  },
};
