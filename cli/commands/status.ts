/** `grapevine status`: the agent itself. */
import type { NodeStatus } from "../../agent/api/node.ts";
import type { MemberState } from "../../core/types.ts";
import type { Command } from "../command.ts";
import { formatAge } from "../format.ts";
import { print } from "../output.ts";
import { columns } from "../text-table.ts";

type StatusShape = NodeStatus & {
  readonly members: Readonly<Record<MemberState, number>>;
  readonly services: number;
};

export const command: Command = {
  path: ["status"],
  summary: "show the state of the agent",
  positionals: [],
  flags: [],
  examples: ["grapevine status", "grapevine status --json"],
  async run(call) {
    const status = (await call.agent().get("/v1/status")) as StatusShape;
    return print(call, status, () => `${columns(rows(status), 120)}\n`);
  },
};

function rows(status: StatusShape): string[][] {
  const { addresses, members } = status;
  const state = status.draining ? "leaving" : status.ready ? "ready" : "not ready";
  const counts = Object.entries(members).map(([word, count]) => `${count} ${word}`);
  return [
    ["agent", `${status.name} (pid ${status.pid}, version ${status.version})`],
    ["id", status.id],
    ["state", `${state}, for ${formatAge(status.uptimeMs)}`],
    ["members", counts.join(", ")],
    ["services", String(status.services)],
    ["links", String(status.links)],
    ...(status.zone === "" ? [] : [["zone", status.zone]]),
    ...(status.region === "" ? [] : [["region", status.region]]),
    ...Object.entries(addresses),
  ];
}
