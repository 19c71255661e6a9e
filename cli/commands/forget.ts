/** `grapevine forget`: removes a member that is gone for good. */
import type { Command } from "../command.ts";
import { print } from "../output.ts";

export const command: Command = {
  path: ["forget"],
  summary: "forget a member that is dead or has left",
  positionals: [{ name: "MEMBER", required: true, complete: "members" }],
  flags: [],
  examples: ["grapevine forget b"],
  async run(call) {
    const [member = ""] = call.positionals;
    const path = `/v1/members/${encodeURIComponent(member)}`;
    const forgotten = await call.agent().request("DELETE", path);
    return print(call, forgotten, () => `forgot ${member}\n`);
  },
};
