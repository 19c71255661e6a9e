/** `grapevine completion`: the script that makes a shell complete commands, flags and names. */
import { type Command, usageError } from "../command.ts";
import { isShell, SHELLS, shellScript } from "../completion.ts";
import { print } from "../output.ts";

export const command: Command = {
  path: ["completion"],
  summary: "print a completion script for a shell",
  positionals: [{ name: SHELLS.join("|"), required: true, complete: SHELLS }],
  flags: [],
  examples: [
    'eval "$(grapevine completion bash)"',
    "grapevine completion fish > ~/.config/fish/completions/grapevine.fish",
  ],
  async run(call) {
    const [shell = ""] = call.positionals;
    if (!isShell(shell)) throw usageError(`expects ${SHELLS.join(", ")}, not "${shell}"`);
    const script = shellScript(shell);
    return print(call, { shell, script }, () => script);
  },
};
