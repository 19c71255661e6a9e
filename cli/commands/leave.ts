/** `grapevine leave`: the agent finishes what it has begun, says goodbye and stops. */
import { setTimeout as sleep } from "node:timers/promises";
import { GrapevineError } from "../../core/errors.ts";
import type { AgentClient } from "../client.ts";
import type { Command } from "../command.ts";
import { print } from "../output.ts";

/** An agent drains as long as its --drain-timeout says; this is beyond any sensible one. */
const LEAVE_TIMEOUT_MS = 15 * 60_000;
/** The answer comes before the process is gone; scripts rely on the socket being free after. */
const GONE_TIMEOUT_MS = 10_000;
const GONE_POLL_MS = 50;

export const command: Command = {
  path: ["leave"],
  summary: "make the agent leave the mesh in order and stop",
  details:
    "Requests in flight are finished first, for as long as the agent's --drain-timeout allows. " +
    "Returns when the agent is gone. Registrations stay on its disk.",
  positionals: [],
  flags: [],
  examples: ["grapevine leave"],
  async run(call) {
    const agent = call.agent();
    await agent.get("/v1/status");
    const answer = await leave(agent);
    await gone(agent);
    return print(call, answer ?? { left: true }, () => "the agent has left the mesh\n");
  },
};

async function leave(agent: AgentClient): Promise<unknown> {
  try {
    return await agent.request("POST", "/v1/leave", { timeoutMs: LEAVE_TIMEOUT_MS });
  } catch (error) {
    // An agent that stops while it answers has left.
    if (error instanceof GrapevineError && error.short === "agent_unreachable") return undefined;
    throw error;
  }
}

async function gone(agent: AgentClient): Promise<void> {
  const deadline = performance.now() + GONE_TIMEOUT_MS;
  while (performance.now() < deadline) {
    try {
      await agent.request("GET", "/v1/status", { timeoutMs: 1_000 });
    } catch (error) {
      if (error instanceof GrapevineError && error.short === "agent_unreachable") return;
    }
    await sleep(GONE_POLL_MS);
  }
  throw new GrapevineError("timeout", "the agent has left the mesh, but its process goes on");
}
