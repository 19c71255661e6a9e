/** `grapevine events`: what happens in the mesh, as it happens. */
import type { MeshEvent } from "../../agent/telemetry/events.ts";
import type { Command } from "../command.ts";
import { formatPairs } from "../format.ts";
import { printable } from "../text-table.ts";

export const command: Command = {
  path: ["events"],
  summary: "follow what happens in the mesh",
  details: "With --json each line is one event. Ends with Ctrl-C, or when the agent stops.",
  positionals: [],
  flags: [],
  examples: ["grapevine events", "grapevine events --json | jq .type"],
  async run({ terminal, json, agent }) {
    for await (const line of agent().subscribe("/v1/events", { signal: terminal.signal })) {
      terminal.out(json ? `${line}\n` : `${readable(line)}\n`);
    }
    return 0;
  },
};

function readable(line: string): string {
  try {
    const { seq: _seq, time, type, ...subject } = JSON.parse(line) as MeshEvent;
    return printable(`${time.slice(11, 23)}  ${type.padEnd(20)}  ${formatPairs({ ...subject })}`);
  } catch {
    return printable(line);
  }
}
