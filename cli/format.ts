/** How values are shown to people: lengths of time, states, moments. */
import type { Cell } from "./text-table.ts";

/** "850ms", "12s", "3m", "5h", "12d": one unit, rounded down. */
export function formatAge(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)}ms`;
  if (ms < 60_000) return `${Math.floor(ms / 1_000)}s`;
  if (ms < 3_600_000) return `${Math.floor(ms / 60_000)}m`;
  if (ms < 86_400_000) return `${Math.floor(ms / 3_600_000)}h`;
  return `${Math.floor(ms / 86_400_000)}d`;
}

/** Milliseconds with a fraction where it matters. */
export function formatMs(ms: number): string {
  return ms < 100 ? `${ms.toFixed(1)} ms` : `${Math.round(ms)} ms`;
}

/** "key=value key=value". */
export function formatPairs(pairs: Readonly<Record<string, unknown>>): string {
  return Object.entries(pairs)
    .map(([key, value]) => `${key}=${typeof value === "string" ? value : JSON.stringify(value)}`)
    .join(" ");
}

const GOOD = new Set(["alive", "passing", "closed", "answered"]);
const BAD = new Set(["dead", "failing", "open", "failed", "conflict"]);

/** A state word in the colour that it deserves. */
export function stateCell(text: string): Cell {
  if (GOOD.has(text)) return { text, style: "green" };
  if (BAD.has(text)) return { text, style: "red" };
  return text === "left" ? { text, style: "dim" } : { text, style: "yellow" };
}
