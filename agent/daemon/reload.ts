/**
 * Reads the configuration again and applies what can change in a running agent: declared services,
 * seeds, egress and the log level. The rest is named, so that nobody wonders why it had no effect.
 */
import type { AgentConfig } from "../config/config.ts";
import { loadConfig } from "../config/load.ts";
import type { AgentParts } from "./parts.ts";

type Applied = "services" | "join" | "egress" | "logLevel";
const APPLIED: readonly Applied[] = ["services", "join", "egress", "logLevel"];

export async function reload(
  parts: AgentParts,
): Promise<{ readonly changed: readonly string[]; readonly ignored: readonly string[] }> {
  const former = parts.config;
  const { config, warnings } = loadConfig(former.source);
  for (const warning of warnings) parts.log.root.warn(warning);
  const different = (Object.keys(config) as (keyof AgentConfig)[]).filter(
    (key) => key !== "source" && JSON.stringify(config[key]) !== JSON.stringify(former[key]),
  );
  const isApplied = (key: keyof AgentConfig): key is Applied =>
    (APPLIED as readonly string[]).includes(key);
  const changed = different.filter(isApplied);
  const { services, join, egress, logLevel } = config;
  if (changed.includes("services")) await parts.registrations.declare(services);
  parts.config = { ...former, services, join, egress, logLevel };
  parts.log.setLevel(logLevel);
  for (const address of join) if (!former.join.includes(address)) parts.node.join(address);
  parts.events.publish("agent.reloaded", { detail: changed.join(", ") });
  return { changed, ignored: different.filter((key) => !isApplied(key)) };
}
