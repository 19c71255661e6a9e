/** Help texts, made from the declarations of commands. */
import { COMMON_FLAGS, type Command, type Flag, flagsOf, type Positional } from "./command.ts";
import type { Style } from "./terminal.ts";
import { columns, wrap } from "./text-table.ts";

type Paint = (style: Style, text: string) => string;
const WIDTH = 96;

/** "usage: grapevine join HOST:PORT [flags]". */
export function usageLine(command: Command): string {
  const words = [
    "usage: grapevine",
    ...command.path,
    ...command.positionals.map(positional),
    ...command.flags
      .filter((flag) => flag.required === true)
      .map((flag) =>
        `${flag.short === undefined ? `--${flag.name}` : `-${flag.short}`} ${flag.placeholder ?? ""}`.trimEnd(),
      ),
    ...(command.flags.every((flag) => flag.required === true) ? [] : ["[flags]"]),
    ...(command.program === true ? ["-- COMMAND..."] : []),
  ];
  return words.join(" ");
}

export function commandHelp(command: Command, paint: Paint): string {
  const common = new Set(COMMON_FLAGS.map((flag) => flag.name));
  const all = flagsOf(command);
  const own = all.filter((flag) => !common.has(flag.name));
  const sections = [
    `${paint("bold", `grapevine ${command.path.join(" ")}`)}: ${command.summary}`,
    usageLine(command),
    ...(command.details === undefined ? [] : [wrap(command.details, WIDTH).join("\n")]),
    ...(own.length === 0 ? [] : [`${paint("bold", "flags")}\n${flagTable(own)}`]),
    `${paint("bold", "common flags")}\n${flagTable(all.filter((flag) => common.has(flag.name)))}`,
    `${paint("bold", command.examples.length === 1 ? "example" : "examples")}\n${command.examples
      .map((example) => `  ${example}`)
      .join("\n")}`,
  ];
  return `${sections.join("\n\n")}\n`;
}

/** The list of all commands, for `grapevine --help` and, with a prefix, for `grapevine ca --help`. */
export function overview(commands: readonly Command[], paint: Paint): string {
  const rows = commands.map((command) => [
    `  ${[...command.path, ...command.positionals.map(positional)].join(" ")}`,
    command.summary,
  ]);
  const example = commands.length > 8 ? "grapevine agent --dev" : commands[0]?.examples[0];
  return `${[
    `${paint("bold", "grapevine")}: a service mesh without a control plane`,
    "usage: grapevine COMMAND [flags]",
    `${paint("bold", "commands")}\n${columns(rows, WIDTH)}`,
    `${paint("bold", "common flags")}\n${flagTable(COMMON_FLAGS)}`,
    `${paint("bold", "example")}\n  ${example}`,
    "`grapevine COMMAND --help` explains one command, with an example.",
  ].join("\n\n")}\n`;
}

/** The declaration as data, for `--help --json`. */
export function describe(command: Command): unknown {
  const { path, summary, details, positionals, flags, program, examples } = command;
  return { path, summary, details, positionals, flags, program, examples };
}

function flagTable(flags: readonly Flag[]): string {
  return columns(
    flags.map((flag) => [
      `  ${spelled(flag)}${flag.placeholder === undefined ? "" : ` ${flag.placeholder}`}`,
      [
        flag.summary,
        ...(flag.fallback ? [`(default ${flag.fallback})`] : []),
        ...(flag.variable === undefined ? [] : [`[${flag.variable}]`]),
      ].join(" "),
    ]),
    WIDTH,
  );
}

function spelled(flag: Flag): string {
  return flag.short === undefined ? `--${flag.name}` : `-${flag.short}, --${flag.name}`;
}

function positional({ name, required, many }: Positional): string {
  return `${required ? name : `[${name}]`}${many === true ? "..." : ""}`;
}
