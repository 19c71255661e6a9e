/**
 * The shape of a command. Parsing, help and completion all read these declarations, so that a flag
 * exists, is explained and is completed, or none of the three.
 */
import { GrapevineError } from "../core/errors.ts";
import type { AgentClient } from "./client.ts";
import type { Terminal } from "./terminal.ts";

/** Where completion finds candidates: fixed words, the file system, or the running agent. */
export type Completion = readonly string[] | "file" | "services" | "members" | "instances";

export interface Flag {
  readonly name: string;
  /** A single letter, for the few flags that have one. */
  readonly short?: string;
  /** "switch" takes no value; "many" may be repeated. */
  readonly kind: "switch" | "one" | "many";
  /** What stands for the value in help. */
  readonly placeholder?: string;
  readonly summary: string;
  readonly variable?: string;
  readonly fallback?: string;
  readonly required?: boolean;
  readonly complete?: Completion;
}

export interface Positional {
  readonly name: string;
  readonly required: boolean;
  /** The last one may be given several times. */
  readonly many?: boolean;
  readonly complete?: Completion;
}

export interface Command {
  readonly path: readonly string[];
  readonly summary: string;
  /** More than the summary, for `--help`; one paragraph. */
  readonly details?: string;
  readonly positionals: readonly Positional[];
  /** Set if everything after "--" is a program to run, with its arguments. */
  readonly program?: boolean;
  readonly flags: readonly Flag[];
  readonly examples: readonly string[];
  /** Gives the exit code. Errors are thrown as GrapevineError. */
  run(call: Call): Promise<number>;
}

/** One call of a command, parsed. */
export interface Call {
  readonly terminal: Terminal;
  readonly json: boolean;
  readonly positionals: readonly string[];
  /** What follows "--". */
  readonly program: readonly string[];
  readonly values: FlagReader;
  /** The local agent, found by --socket, GRAPEVINE_SOCKET or the usual places. */
  agent(): AgentClient;
}

/** The values of flags, by name without dashes. */
export class FlagReader {
  readonly #values: ReadonlyMap<string, readonly string[]>;

  constructor(values: ReadonlyMap<string, readonly string[]>) {
    this.#values = values;
  }

  has(name: string): boolean {
    return this.#values.has(name);
  }

  /** The last value given. */
  one(name: string): string | undefined {
    return this.#values.get(name)?.at(-1);
  }

  many(name: string): readonly string[] {
    return this.#values.get(name) ?? [];
  }

  names(): Iterable<string> {
    return this.#values.keys();
  }
}

export const SOCKET_FLAG: Flag = {
  name: "socket",
  kind: "one",
  placeholder: "PATH",
  summary: "Unix socket of the agent",
  variable: "GRAPEVINE_SOCKET",
  complete: "file",
};

/** What every command takes. */
export const COMMON_FLAGS: readonly Flag[] = [
  SOCKET_FLAG,
  { name: "json", kind: "switch", summary: "print JSON on standard output" },
  { name: "help", short: "h", kind: "switch", summary: "show this help" },
];

/** Every flag that the command takes, its own first. */
export function flagsOf(command: Pick<Command, "flags">): readonly Flag[] {
  const own = new Set(command.flags.map((flag) => flag.name));
  return [...command.flags, ...COMMON_FLAGS.filter((flag) => !own.has(flag.name))];
}

/** Wrong usage: exit code 2. */
export function usageError(message: string): GrapevineError {
  return new GrapevineError("usage", message);
}
