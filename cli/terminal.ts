/**
 * What a command sees of the world around it: where it writes, its variables, and how it learns
 * that somebody wants it to stop. Tests hand in their own; commands never touch `process`.
 */
import { styleText } from "node:util";

export type Style = "bold" | "dim" | "red" | "green" | "yellow" | "cyan";

export interface Terminal {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly folder: string;
  /** Aborted when the reader of standard output is gone or the user wants the command to end. */
  readonly signal: AbortSignal;
  /** True if a person can be asked: standard input and standard error are a terminal. */
  readonly interactive: boolean;
  out(text: string): void;
  err(text: string): void;
  /** Colours standard output's text if that is a terminal which shows colours. */
  style(style: Style, text: string): string;
  /** Asks without showing what is typed. Undefined if the input ends or is interrupted. */
  askSecret(question: string): Promise<string | undefined>;
}

export function processTerminal(): Terminal {
  const stop = new AbortController();
  // A reader that has seen enough (`grapevine events | head`) ends the command, without an error.
  process.stdout.on("error", () => stop.abort());
  process.stderr.on("error", () => undefined);
  const colours = process.stdout.isTTY === true && process.stdout.hasColors();
  return {
    env: process.env,
    folder: process.cwd(),
    signal: stop.signal,
    interactive: process.stdin.isTTY === true && process.stderr.isTTY === true,
    out: (text) => void process.stdout.write(text),
    err: (text) => void process.stderr.write(text),
    style: (style, text) => (colours ? styleText(style, text, { validateStream: false }) : text),
    askSecret,
  };
}

async function askSecret(question: string): Promise<string | undefined> {
  const { createInterface } = await import("node:readline");
  const { Writable } = await import("node:stream");
  // Readline echoes through its output; this one swallows what it is given.
  const hidden = new Writable({ write: (_chunk, _encoding, done) => done() });
  process.stderr.write(question);
  const lines = createInterface({ input: process.stdin, output: hidden, terminal: true });
  try {
    return await new Promise((resolve) => {
      lines.once("line", resolve);
      lines.once("close", () => resolve(undefined));
    });
  } finally {
    lines.close();
    process.stderr.write("\n");
  }
}
