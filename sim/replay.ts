/**
 * Turns a trace into one page that needs nothing else: who runs, which faults are on, who believes
 * what about whom, who owns which key, and what was said, at any moment of the run. The page holds
 * the trace as it is and works the rest out in the browser.
 */

/** Where the page's template wants the data. */
const PLACEHOLDER = '"GRAPEVINE_TRACE"';
/** Beyond this a browser becomes slow; the most frequent and least telling events go first. */
const EVENTS_MAX = 250_000;
const DISPENSABLE = ["stored", "executed", "outcome", "request"];

/** `lines`: a trace as `sim run --trace` writes it. Undefined if they are not one. */
export function replayPage(template: string, lines: readonly string[]): string | undefined {
  const [first, ...rest] = lines.filter((line) => line !== "");
  const plan = read(first)?.["plan"];
  if (plan === undefined) return undefined;
  let events = rest.map(read).filter((line) => line !== undefined);
  const report = events.at(-1)?.["report"];
  events = events.filter((event) => typeof event["kind"] === "string");
  const dropped: string[] = [];
  for (const kind of DISPENSABLE) {
    if (events.length <= EVENTS_MAX) break;
    events = events.filter((event) => event["kind"] !== kind);
    dropped.push(kind);
  }
  const data = { plan, report: report ?? null, dropped, events: events.slice(0, EVENTS_MAX) };
  // A text in the trace must not end the script that holds it.
  const text = JSON.stringify(data).replaceAll("<", "\\u003c");
  return template.replace(PLACEHOLDER, () => text);
}

function read(line: string | undefined): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(line ?? "");
    return typeof value === "object" && value !== null
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}
