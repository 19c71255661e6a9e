/** `grapevine actors`: which actor types the mesh hosts, where, and how many are alive here. */
import type { ActorTypeShape } from "../../agent/api/shapes.ts";
import type { Command } from "../command.ts";
import { formatAge, stateCell } from "../format.ts";
import { print } from "../output.ts";
import type { Terminal } from "../terminal.ts";
import { formatTable } from "../text-table.ts";

export const command: Command = {
  path: ["actors"],
  summary: "list actor types and the processes that host them",
  details:
    "ACTIVE counts the actors that are alive in a process of this agent; other agents know theirs.",
  positionals: [],
  flags: [],
  examples: ["grapevine actors", "grapevine actors --json"],
  async run(call) {
    const types = (await call.agent().get("/v1/actors")) as readonly ActorTypeShape[];
    return print(call, types, () => list(types, call.terminal.style));
  },
};

function list(types: readonly ActorTypeShape[], style: Terminal["style"]): string {
  if (types.length === 0) {
    return "no actors; a program hosts them with connect({ actors: [...] }), see docs/actors.md\n";
  }
  const rows = types.flatMap(({ type, hosts }) => hosts.map((host) => ({ type, ...host })));
  return formatTable(
    rows,
    [
      { title: "TYPE", cell: ({ type }) => type },
      { title: "HOST", cell: ({ instance }) => instance },
      { title: "AGENT", cell: ({ agent }) => agent },
      { title: "WHERE", cell: ({ address }) => address },
      {
        title: "ACTIVE",
        right: true,
        cell: ({ activations }) => (activations === null ? "-" : activations),
      },
      {
        title: "BREAKER",
        cell: ({ breaker, conflict }) => stateCell(conflict ? "conflict" : breaker),
      },
      { title: "AGE", right: true, cell: ({ ageMs }) => formatAge(ageMs) },
    ],
    style,
  );
}
