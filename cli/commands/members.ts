/** `grapevine members`: who is in the mesh, as this agent sees it. */
import type { MemberShape } from "../../agent/api/shapes.ts";
import type { Command } from "../command.ts";
import { formatAge, stateCell } from "../format.ts";
import { print } from "../output.ts";
import { formatTable } from "../text-table.ts";

export const command: Command = {
  path: ["members"],
  summary: "list the members of the mesh",
  positionals: [],
  flags: [],
  examples: ["grapevine members", "grapevine members --json"],
  async run(call) {
    const members = (await call.agent().get("/v1/members")) as readonly MemberShape[];
    return print(call, members, () =>
      formatTable(
        members,
        [
          {
            title: "NAME",
            cell: ({ name, self }) => `${name || "?"}${self ? " (this agent)" : ""}`,
          },
          {
            title: "STATUS",
            cell: ({ status, leaving }) =>
              leaving && status === "alive" ? stateCell("leaving") : stateCell(status),
          },
          { title: "SINCE", right: true, cell: ({ sinceMs }) => formatAge(sinceMs) },
          { title: "ADDRESS", cell: ({ bind }) => bind },
          { title: "LINK", cell: ({ link }) => link },
          { title: "ZONE", cell: ({ zone }) => zone },
          { title: "REGION", cell: ({ region }) => region },
          { title: "VERSION", cell: ({ version }) => version },
          { title: "ID", cell: ({ id }) => ({ text: id, style: "dim" }) },
        ],
        call.terminal.style,
      ),
    );
  },
};
