/** `grapevine monitor`: the agent's log, live, at any level. */
import { SETTINGS } from "../../agent/config/settings.ts";
import { readableLine } from "../../agent/telemetry/log-line.ts";
import type { Command } from "../command.ts";
import { reading } from "../registration-flags.ts";

export const command: Command = {
  path: ["monitor"],
  summary: "follow the agent's log",
  details:
    "Shows the log from now on, also at levels that the agent itself does not write. With --json " +
    "each line is one entry. Ends with Ctrl-C, or when the agent stops.",
  positionals: [],
  flags: [
    {
      name: "level",
      kind: "one",
      placeholder: "LEVEL",
      summary: SETTINGS.logLevel.summary,
      fallback: "info",
      complete: SETTINGS.logLevel.words,
    },
  ],
  examples: ["grapevine monitor --level debug"],
  async run({ terminal, json, values, agent }) {
    const level = reading("level", () => SETTINGS.logLevel.read(values.one("level") ?? "info"));
    const lines = agent().subscribe(`/v1/logs?level=${level}`, { signal: terminal.signal });
    for await (const line of lines) {
      terminal.out(json ? `${line.trimEnd()}\n` : readableLine(line.trimEnd()));
    }
    return 0;
  },
};
