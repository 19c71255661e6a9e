/**
 * What the replay's page needs of a trace, as one JSON text of bounded size; the page works the rest
 * out in the browser. Where a run has too many events, the most frequent and least telling kinds go
 * first, and the page says which.
 */

import { faultOfPlan } from "./plan-check.ts";

/** Beyond this a browser becomes slow. */
const EVENTS_MAX = 1_500_000;
/** Given up above so many events of all kinds, one kind after the other. */
const ENOUGH = 300_000;
const DISPENSABLE = ["stored", "executed", "outcome", "request"];

type Line = Readonly<Record<string, unknown>>;

/** `lines`: a trace as `sim run --trace` writes it. Undefined if they are not one. */
export function replayData(lines: readonly string[]): string | undefined {
  const [first, ...rest] = lines.filter((line) => line !== "");
  const plan = read(first)?.["plan"];
  if (faultOfPlan(plan) !== undefined) return undefined;
  const all = rest.map(read).filter((line) => line !== undefined);
  const report = all.at(-1)?.["report"];
  let events = all.filter((event) => typeof event["kind"] === "string");
  const dropped: string[] = [];
  for (const kind of DISPENSABLE) {
    if (events.length <= ENOUGH) break;
    events = events.filter((event) => event["kind"] !== kind);
    dropped.push(kind);
  }
  if (events.length > EVENTS_MAX) {
    events = events.filter((event) => event["kind"] !== "linked");
    dropped.push("linked");
  }
  if (events.length > EVENTS_MAX) {
    dropped.push(`${events.length - EVENTS_MAX} events at the end`);
    events = events.slice(0, EVENTS_MAX);
  }
  return JSON.stringify({ plan, report: report ?? null, dropped, events });
}

function read(line: string | undefined): Line | undefined {
  try {
    const value: unknown = JSON.parse(line ?? "");
    return typeof value === "object" && value !== null ? (value as Line) : undefined;
  } catch {
    return undefined;
  }
}
