/**
 * The command line: finds the command, reads its flags, runs it, and turns whatever it throws into
 * a message and an exit code (0 done, 1 failed, 2 wrong usage).
 */
import { findSocket } from "../agent/config/paths.ts";
import { GrapevineError, isLocalErrorCode, LOCAL_ERRORS } from "../core/errors.ts";
import { readArguments } from "./arguments.ts";
import { AgentClient } from "./client.ts";
import { COMMON_FLAGS, type Command, SOCKET_FLAG } from "./command.ts";
import { commandHelp, describe, overview } from "./help.ts";
import { findCommand, loadCommands } from "./registry.ts";
import { processTerminal, type Terminal } from "./terminal.ts";
import { printable } from "./text-table.ts";

/** Runs one command line and sets the process's exit code. */
export async function run(argv: readonly string[]): Promise<void> {
  process.exitCode = await execute(argv, processTerminal());
}

/** Gives the exit code; never throws. */
export async function execute(argv: readonly string[], terminal: Terminal): Promise<number> {
  try {
    if (argv[0] === "__complete") return await complete(argv.slice(1), terminal);
    if (argv[0] === "help") return await execute([...argv.slice(1), "--help"], terminal);
    const { command, group, rest } = await findCommand(argv);
    return command === undefined
      ? await withoutCommand(group, rest, terminal)
      : await call(command, rest, terminal);
  } catch (error) {
    return report(error, jsonAsked(argv), terminal);
  }
}

async function call(
  command: Command,
  rest: readonly string[],
  terminal: Terminal,
): Promise<number> {
  const { values, positionals, program } = readArguments(command, rest);
  const json = values.has("json");
  if (values.has("help")) {
    terminal.out(json ? toLine(describe(command)) : commandHelp(command, terminal.style));
    return 0;
  }
  const socket = values.one(SOCKET_FLAG.name);
  const agent = () => new AgentClient(findSocket(socket, terminal.env));
  return await command.run({ terminal, json, positionals, program, values, agent });
}

/** `grapevine`, `grapevine --help`, `grapevine ca`: help is wanted, or a command is missing. */
async function withoutCommand(
  group: readonly string[],
  args: readonly string[],
  terminal: Terminal,
): Promise<number> {
  const asked = args.some((arg) => arg === "--help" || arg === "-h");
  if (group.length === 0 && args.includes("--version")) {
    return await execute(["version", ...args.filter((arg) => arg !== "--version")], terminal);
  }
  const commands = await loadCommands(group);
  if (asked && jsonAsked(args)) {
    terminal.out(toLine(commands.map(describe)));
    return 0;
  }
  const known = new Set(COMMON_FLAGS.map(({ name }) => `--${name}`));
  const unknown = args.find((arg) => arg.startsWith("-") && !known.has(arg.split("=")[0] ?? ""));
  if (!asked && unknown !== undefined) {
    throw new GrapevineError(
      "usage",
      `unknown flag ${unknown}\n  \`grapevine --help\` lists all commands.`,
    );
  }
  const text = overview(commands, asked ? terminal.style : (_style, plain) => plain);
  if (asked) terminal.out(text);
  else terminal.err(text);
  return asked ? 0 : 2;
}

/** Completion must never print an error into somebody's command line. */
async function complete(words: readonly string[], terminal: Terminal): Promise<number> {
  try {
    const { candidates } = await import("./completion.ts");
    const found = await candidates(words, terminal.env);
    terminal.out(found.map((word) => `${word}\n`).join(""));
  } catch {
    return 1;
  }
  return 0;
}

function report(error: unknown, json: boolean, terminal: Terminal): number {
  const known = error instanceof GrapevineError ? error : undefined;
  const message = error instanceof Error ? error.message : String(error);
  const detail =
    known === undefined && error instanceof Error
      ? `this is a defect in grapevine: ${error.stack ?? message}`
      : message;
  const safe = detail.split("\n").map(printable).join("\n");
  terminal.err(`grapevine: ${safe}\n`);
  if (json)
    terminal.out(`${JSON.stringify({ error: { code: known?.short ?? "internal", message } })}\n`);
  return known !== undefined && isLocalErrorCode(known.short) ? LOCAL_ERRORS[known.short] : 1;
}

/** Whether --json was given to grapevine itself and not to a program behind "--". */
function jsonAsked(args: readonly string[]): boolean {
  const end = args.indexOf("--");
  return (end < 0 ? args : args.slice(0, end)).includes("--json");
}

function toLine(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}
