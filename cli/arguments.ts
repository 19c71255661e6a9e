/**
 * Reads what was typed for one command against its declaration. node:util's tokenizer splits the
 * words; what they mean is decided here, because its own errors know neither the nearest flag nor
 * the command's usage.
 */
import { parseArgs } from "node:util";
import { closest } from "../agent/registrations/closest.ts";
import { type Command, type Flag, FlagReader, flagsOf, usageError } from "./command.ts";
import { usageLine } from "./help.ts";

export interface Arguments {
  readonly values: FlagReader;
  readonly positionals: readonly string[];
  readonly program: readonly string[];
}

/** Throws GrapevineError `usage`. With --help nothing else is checked. */
export function readArguments(command: Command, args: readonly string[]): Arguments {
  const flags = flagsOf(command);
  const { tokens } = parseArgs({
    args: [...args],
    options: Object.fromEntries(flags.map((flag) => [flag.name, optionOf(flag)])),
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  const values = new Map<string, string[]>();
  const positionals: string[] = [];
  const program: string[] = [];
  let ended = false;
  const problems: string[] = [];
  for (const token of tokens) {
    if (token.kind === "option-terminator") {
      ended = true;
    } else if (token.kind === "positional") {
      (ended && command.program === true ? program : positionals).push(token.value);
    } else {
      const problem = takeFlag(command, flags, token, values);
      if (problem !== undefined) problems.push(problem);
    }
  }
  const reader = new FlagReader(values);
  if (reader.has("help")) return { values: reader, positionals, program };
  const problem = problems[0] ?? incomplete(command, flags, reader, positionals, program);
  if (problem !== undefined) {
    throw usageError(`${problem}\n  ${usageLine(command)}\n  ${helpHint(command)}`);
  }
  return { values: reader, positionals, program };
}

function optionOf(flag: Flag) {
  const type: "boolean" | "string" = flag.kind === "switch" ? "boolean" : "string";
  return { type, ...(flag.short === undefined ? {} : { short: flag.short }) };
}

interface OptionToken {
  readonly name: string;
  readonly rawName: string;
  readonly value: string | undefined;
  readonly inlineValue: boolean | undefined;
}

/** Puts the flag's value into `values`, or says what is wrong with it. */
function takeFlag(
  command: Command,
  flags: readonly Flag[],
  { name, rawName, value, inlineValue }: OptionToken,
  values: Map<string, string[]>,
): string | undefined {
  const flag = flags.find((candidate) => candidate.name === name);
  if (flag === undefined) {
    const meant = closest(
      name,
      flags.map((candidate) => candidate.name),
    );
    const advice = meant === undefined ? "" : `; did you mean --${meant}?`;
    return `unknown flag ${rawName} for grapevine ${command.path.join(" ")}${advice}`;
  }
  if (flag.kind === "switch") {
    if (value !== undefined) return `--${name} takes no value, but "${value}" was given`;
    values.set(name, ["true"]);
    return undefined;
  }
  const swallowed =
    inlineValue === false && flags.some((other) => value?.split("=")[0] === `--${other.name}`);
  if (value === undefined || swallowed) {
    return `--${name} needs a value: --${name} ${flag.placeholder ?? "VALUE"}`;
  }
  const earlier = values.get(name);
  if (flag.kind === "one" && earlier !== undefined) return `--${name} is given twice`;
  values.set(name, [...(earlier ?? []), value]);
  return undefined;
}

function incomplete(
  command: Command,
  flags: readonly Flag[],
  values: FlagReader,
  positionals: readonly string[],
  program: readonly string[],
): string | undefined {
  const missing = command.positionals.filter(
    (positional, index) => positional.required && positionals[index] === undefined,
  )[0];
  if (missing !== undefined) return `${missing.name} is missing`;
  const extra = positionals[command.positionals.length];
  if (extra !== undefined && command.positionals.at(-1)?.many !== true) {
    const hint = command.program === true ? "; the program to run goes behind --" : "";
    return `unexpected argument "${extra}"${hint}`;
  }
  const flag = flags.find(
    (candidate) => candidate.required === true && !values.has(candidate.name),
  );
  if (flag !== undefined) return `--${flag.name} ${flag.placeholder ?? ""} is missing`;
  if (command.program === true && program.length === 0) return "the program to run is missing";
  return undefined;
}

function helpHint(command: Command): string {
  return `\`grapevine ${command.path.join(" ")} --help\` explains it, with an example.`;
}
