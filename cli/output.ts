/** Prints a command's result: JSON for programs, or what the command makes of it for people. */
import type { Call } from "./command.ts";

/** With --json the value as it is; otherwise the text. Gives exit code 0. */
export function print(call: Call, value: unknown, text: () => string): number {
  call.terminal.out(call.json ? `${JSON.stringify(value, null, 2)}\n` : text());
  return 0;
}
