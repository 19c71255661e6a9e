/**
 * All commands: their words, and where each lives. A command's file is loaded when it is called, so
 * that no command pays for another; help and completion load all.
 */
import { closest } from "../agent/registrations/closest.ts";
import { COMMON_FLAGS, type Command, usageError } from "./command.ts";

interface Entry {
  readonly path: readonly string[];
  load(): Promise<{ readonly command: Command }>;
}

/** In the order of the overview. */
const ENTRIES: readonly Entry[] = [
  { path: ["agent"], load: () => import("./commands/agent.ts") },
  { path: ["register"], load: () => import("./commands/register.ts") },
  { path: ["deregister"], load: () => import("./commands/deregister.ts") },
  { path: ["run"], load: () => import("./commands/run.ts") },
  { path: ["members"], load: () => import("./commands/members.ts") },
  { path: ["services"], load: () => import("./commands/services.ts") },
  { path: ["status"], load: () => import("./commands/status.ts") },
  { path: ["events"], load: () => import("./commands/events.ts") },
  { path: ["monitor"], load: () => import("./commands/monitor.ts") },
  { path: ["explain"], load: () => import("./commands/explain.ts") },
  { path: ["actors"], load: () => import("./commands/actors.ts") },
  { path: ["call"], load: () => import("./commands/call.ts") },
  { path: ["forward"], load: () => import("./commands/forward.ts") },
  { path: ["join"], load: () => import("./commands/join.ts") },
  { path: ["leave"], load: () => import("./commands/leave.ts") },
  { path: ["forget"], load: () => import("./commands/forget.ts") },
  { path: ["reload"], load: () => import("./commands/reload.ts") },
  { path: ["ca", "init"], load: () => import("./commands/ca-init.ts") },
  { path: ["ca", "issue"], load: () => import("./commands/ca-issue.ts") },
  { path: ["ca", "inspect"], load: () => import("./commands/ca-inspect.ts") },
  { path: ["sim", "run"], load: () => import("./commands/sim-run.ts") },
  { path: ["sim", "shrink"], load: () => import("./commands/sim-shrink.ts") },
  { path: ["sim", "replay"], load: () => import("./commands/sim-replay.ts") },
  { path: ["sim", "farm"], load: () => import("./commands/sim-farm.ts") },
  { path: ["completion"], load: () => import("./commands/completion.ts") },
  { path: ["version"], load: () => import("./commands/version.ts") },
];

export async function loadCommands(prefix: readonly string[] = []): Promise<readonly Command[]> {
  const entries = ENTRIES.filter(({ path }) => prefix.every((word, at) => path[at] === word));
  return await Promise.all(entries.map(async (entry) => (await entry.load()).command));
}

export interface Found {
  /** Undefined if the words name no command: none, or only the group ("ca"). */
  readonly command: Command | undefined;
  readonly group: readonly string[];
  /** What was typed besides the command's words. */
  readonly rest: readonly string[];
}

/** Finds the command; common flags may stand before it. Throws `usage` for an unknown one. */
export async function findCommand(args: readonly string[]): Promise<Found> {
  const words: string[] = [];
  for (let at = 0; at < args.length; at += 1) {
    const arg = args[at] as string;
    if (arg === "--") break;
    if (arg.startsWith("-")) {
      if (takesValue(arg)) at += 1;
      continue;
    }
    words.push(arg);
    const matching = ENTRIES.filter(({ path }) =>
      words.every((word, index) => path[index] === word),
    );
    if (matching.length === 0) throw unknownCommand(words);
    const entry = matching.find(({ path }) => path.length === words.length);
    if (entry === undefined) continue;
    return { command: (await entry.load()).command, group: words, rest: without(args, words, at) };
  }
  return { command: undefined, group: words, rest: args };
}

function takesValue(arg: string): boolean {
  return COMMON_FLAGS.some(({ kind, name }) => kind !== "switch" && arg === `--${name}`);
}

/** `args` without the command's words, which are the bare words up to `last`. */
function without(args: readonly string[], words: readonly string[], last: number): string[] {
  const head: string[] = [];
  let left = words.length;
  for (let at = last; at >= 0; at -= 1) {
    const arg = args[at] as string;
    if (left > 0 && arg === words[left - 1] && !takesValue(args[at - 1] ?? "")) left -= 1;
    else head.unshift(arg);
  }
  return [...head, ...args.slice(last + 1)];
}

function unknownCommand(words: readonly string[]): Error {
  const typed = words.join(" ");
  const meant = closest(
    typed,
    ENTRIES.map(({ path }) => path.join(" ")),
  );
  const advice = meant === undefined ? "" : `; did you mean "grapevine ${meant}"?`;
  return usageError(
    `unknown command "${typed}"${advice}\n  \`grapevine --help\` lists all commands.`,
  );
}
