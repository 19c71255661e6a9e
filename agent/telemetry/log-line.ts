/** Formats one JSON line of the log for a person at a terminal. */

const LEVEL_WIDTH = 5;
const SHOWN_FIRST = new Set(["time", "level", "component", "msg", "err"]);

/**
 * "14:03:07.512 INFO  api: message key=value", with the stack of an error on further lines. Text
 * that came from outside cannot move the cursor: control characters are shown escaped.
 */
export function readableLine(line: string): string {
  let fields: Record<string, unknown>;
  try {
    fields = JSON.parse(line);
  } catch {
    return `${visible(line)}\n`;
  }
  const time = String(fields["time"] ?? "").slice(11, 23);
  const level = String(fields["level"] ?? "")
    .toUpperCase()
    .padEnd(LEVEL_WIDTH);
  const component = fields["component"] === undefined ? "" : `${visible(fields["component"])}: `;
  const rest = Object.entries(fields)
    .filter(([key]) => !SHOWN_FIRST.has(key))
    .map(([key, value]) => ` ${visible(key)}=${visible(value)}`);
  const head = `${time} ${level} ${component}${visible(fields["msg"] ?? "")}${rest.join("")}`;
  const stack = stackOf(fields["err"]);
  return stack === undefined ? `${head}\n` : `${head}\n${stack}\n`;
}

function stackOf(error: unknown): string | undefined {
  if (typeof error !== "object" || error === null || !("stack" in error)) return undefined;
  return String(error.stack)
    .split("\n")
    .map((row) => `  ${visible(row)}`)
    .join("\n");
}

function visible(value: unknown): string {
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return text.replace(/\p{Cc}/gu, (found) => {
    return `\\u${found.charCodeAt(0).toString(16).padStart(4, "0")}`;
  });
}
