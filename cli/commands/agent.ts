/** `grapevine agent`: reads the configuration, then loads the daemon and runs it. */
import { hostFacts } from "../../agent/config/paths.ts";
import { SETTING_KEYS, SETTINGS, variableOf } from "../../agent/config/settings.ts";
import type { Call, Command, Flag } from "../command.ts";

const FLAGS: readonly Flag[] = [
  {
    name: "config",
    kind: "one",
    placeholder: "FILE",
    summary: "YAML file with any of these settings, and services to register",
    variable: "GRAPEVINE_CONFIG",
    complete: "file",
  },
  ...SETTING_KEYS.map((key): Flag => {
    const { flag, kind, placeholder, summary, fallback, isPath, words } = SETTINGS[key];
    return {
      name: flag,
      kind: kind === "pairs" ? "many" : kind,
      summary,
      fallback,
      variable: variableOf(flag),
      ...(placeholder === "" ? {} : { placeholder }),
      ...(isPath ? { complete: "file" as const } : {}),
      ...(words.length > 0 ? { complete: words } : {}),
    };
  }),
];

export const command: Command = {
  path: ["agent"],
  summary: "run an agent on this host",
  details:
    "Runs until SIGTERM, SIGINT or `grapevine leave`, and then leaves in order: requests in flight " +
    "are finished first. A second signal ends it at once. When it is ready it prints one line on " +
    "standard output; its log goes to standard error.",
  positionals: [],
  flags: FLAGS,
  examples: [
    "grapevine agent --dev",
    "grapevine agent --identity a.id --join 10.0.0.1:7946 --zone north",
  ],
  run,
};

async function run({ terminal, values, json }: Call): Promise<number> {
  const { loadConfig } = await import("../../agent/config/load.ts");
  const flags: Record<string, string | boolean | readonly string[]> = { json };
  for (const { name, kind } of FLAGS) {
    if (!values.has(name)) continue;
    flags[name] =
      kind === "switch" ? true : kind === "many" ? values.many(name) : (values.one(name) ?? "");
  }
  const { env, folder } = terminal;
  const { config, warnings } = loadConfig({ flags, env, folder, host: hostFacts() });
  for (const warning of warnings) terminal.err(`grapevine: warning: ${warning}\n`);
  const { runAgent } = await import("../../agent/daemon.ts");
  return await runAgent(config);
}
