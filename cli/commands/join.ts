/** `grapevine join`: makes the agent join a mesh through one of its members. */
import { readDialAddress } from "../../agent/config/values.ts";
import type { Command } from "../command.ts";
import { print } from "../output.ts";
import { reading } from "../registration-flags.ts";

/** Longer than the agent tries. */
const JOIN_TIMEOUT_MS = 30_000;

export const command: Command = {
  path: ["join"],
  summary: "join the mesh of another agent",
  details: "Returns when a member answered there. The agent comes back to it after a restart.",
  positionals: [{ name: "HOST:PORT", required: true }],
  flags: [],
  examples: ["grapevine join 10.0.0.1:7946"],
  async run(call) {
    const [text = ""] = call.positionals;
    const address = reading("HOST:PORT", () => readDialAddress(text));
    const joined = await call
      .agent()
      .request("POST", "/v1/join", { body: { address }, timeoutMs: JOIN_TIMEOUT_MS });
    return print(call, joined, () => `joined ${address}\n`);
  },
};
