/**
 * `grapevine agent`: starts an agent, says in one line that it is ready, and stays until it has
 * left. SIGTERM, SIGINT and a leave over the socket do the same; a second signal ends it at once.
 */
import { flushCompileCache } from "node:module";
import type { AgentConfig } from "./config/config.ts";
import { Agent } from "./daemon/agent.ts";
import { reload } from "./daemon/reload.ts";
import { Log } from "./telemetry/log.ts";

/** Lets the answer to `grapevine leave` out before the socket closes. */
const ANSWER_MS = 50;

/** Gives the exit code; throws what keeps the agent from starting. */
export async function runAgent(config: AgentConfig): Promise<number> {
  const log = new Log({ level: config.logLevel });
  guardProcess(log);
  const agent = await Agent.start(config, log);
  process.stdout.write(`${readyLine(agent, config.json)}\n`);
  agent.parts.events.publish("agent.ready", {});
  listenToSignals(agent, log);
  // Node writes the cache at the end of the process, which for an agent may be a kill.
  flushCompileCache();
  const cutOff = await Promise.race([agent.left, agent.parts.failure.promise]).catch(
    async (error: unknown) => {
      await agent.stop();
      await log.flush();
      throw error;
    },
  );
  await new Promise((done) => setTimeout(done, ANSWER_MS));
  if (cutOff > 0) log.root.warn({ cutOff }, `${cutOff} requests did not end in time`);
  await agent.stop();
  log.root.info("left the mesh");
  await log.flush();
  return 0;
}

function readyLine(agent: Agent, json: boolean): string {
  const { name, id } = agent.parts.trust.identity;
  const fields = { pid: process.pid, name, id, ...agent.addresses() };
  if (json) return JSON.stringify({ ready: true, ...fields });
  const words = Object.entries(fields).map(([key, value]) => `${key}=${value}`);
  return `grapevine agent ready ${words.join(" ")}`;
}

function listenToSignals(agent: Agent, log: Log): void {
  const leave = (signal: NodeJS.Signals) => {
    if (agent.parts.node.isLeaving) {
      log.root.warn(`${signal} again: ending at once`);
      void log.flush().then(() => process.exit(130));
      return;
    }
    log.root.info(`${signal}: leaving`);
    void agent.leave();
  };
  process.on("SIGTERM", leave);
  process.on("SIGINT", leave);
  process.on("SIGHUP", () => {
    reload(agent.parts).then(
      ({ changed, ignored }) => log.root.info({ changed, ignored }, "reloaded the configuration"),
      (error: unknown) => log.root.error(`cannot reload: ${(error as Error).message}`),
    );
  });
}

/**
 * A defect in one request or one connection must not take the host's mesh down: it is logged with
 * its stack and the agent goes on. libp2p has had such defects that a remote peer could provoke.
 */
function guardProcess(log: Log): void {
  process.on("uncaughtException", (error) => log.root.error({ err: error }, "uncaught exception"));
  process.on("unhandledRejection", (error) =>
    log.root.error({ err: error }, "unhandled rejection"),
  );
}
