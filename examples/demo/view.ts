/**
 * The live view: who is a member, who serves how much, how the client fares, what just happened.
 * On a terminal one panel is redrawn in place; elsewhere each second is one line.
 */
import { styleText } from "node:util";
import { CALM_PHASE, failed, type Outcome, type PhaseResult, percentile } from "./measure.ts";

export interface MemberRow {
  readonly name: string;
  readonly status: string;
  readonly leaving: boolean;
}

export interface Frame {
  readonly elapsedMs: number;
  readonly members: readonly MemberRow[];
  readonly outcomes: readonly Outcome[];
  readonly events: readonly string[];
}

/** Where the view is shown; process.stdout is one. */
export interface Screen {
  readonly isTTY?: boolean | undefined;
  write(text: string): void;
}

const BAR_WIDTH = 30;
/** A line that wrapped would be two, and the panel would not be redrawn where it stood. */
const WRAP_OFF = "\x1b[?7l";
const WRAP_ON = "\x1b[?7h";
const EVENTS_SHOWN = 8;
const COLOURS: Readonly<Record<string, "green" | "yellow" | "red" | "gray">> = {
  alive: "green",
  suspect: "yellow",
  dead: "red",
  left: "gray",
};

export class View {
  readonly #screen: Screen;
  #drawnLines = 0;
  #eventsPrinted = 0;
  #secondsPrinted = -1;

  constructor(screen: Screen) {
    this.#screen = screen;
  }

  draw(frame: Frame): void {
    if (this.#screen.isTTY === true) this.#panel(frame);
    else this.#line(frame);
  }

  #panel(frame: Frame): void {
    const recent = lastSecond(frame);
    const lines = [
      `${styleText("bold", "grapevine demo")}  ${(frame.elapsedMs / 1000).toFixed(1)} s   ${summary(frame)}`,
      "",
      `agents     ${frame.members.map(member).join("  ")}`,
      ...shares(recent).map(
        ([name, count]) =>
          `${name.padEnd(10)} ${styleText("cyan", "█".repeat(Math.round((count / Math.max(1, recent.length)) * BAR_WIDTH)))} ${count}/s`,
      ),
      "",
      ...frame.events.slice(-EVENTS_SHOWN),
    ];
    const up = this.#drawnLines === 0 ? "" : `\x1b[${this.#drawnLines}A`;
    const text = lines.map((line) => `\x1b[2K${line}\n`).join("");
    this.#screen.write(`${up}${WRAP_OFF}${text}${WRAP_ON}\x1b[0J`);
    this.#drawnLines = lines.length;
  }

  #line(frame: Frame): void {
    for (; this.#eventsPrinted < frame.events.length; this.#eventsPrinted += 1) {
      this.#screen.write(`${frame.events[this.#eventsPrinted]}\n`);
    }
    const second = Math.floor(frame.elapsedMs / 1000);
    if (second === this.#secondsPrinted) return;
    this.#secondsPrinted = second;
    const served = shares(lastSecond(frame))
      .map(([name, count]) => `${name} ${count}`)
      .join("  ");
    this.#screen.write(`${String(second).padStart(3)} s  ${summary(frame)}  |  ${served}\n`);
  }
}

/** The table at the end. */
export function table(results: readonly PhaseResult[]): string {
  const rows = [
    ["", "requests", "failed", "median", "slowest", "routed around after"],
    ...results.map((result, index) => [
      result.title,
      String(result.requests),
      String(result.failures),
      `${result.medianMs.toFixed(1)} ms`,
      `${result.worstMs.toFixed(0)} ms`,
      index <= CALM_PHASE ? "" : effect(result),
    ]),
  ];
  const widths = (rows[0] as string[]).map((_, column) =>
    Math.max(...rows.map((row) => (row[column] as string).length)),
  );
  return rows
    .map((row) =>
      row
        .map((cell, column) =>
          column === 0 ? cell.padEnd(widths[0] as number) : cell.padStart(widths[column] as number),
        )
        .join("   ")
        .trimEnd(),
    )
    .join("\n");
}

function effect(result: PhaseResult): string {
  if (result.servedAfterMs !== undefined)
    return `serving after ${result.servedAfterMs.toFixed(0)} ms`;
  return result.disturbedMs === 0 ? "no request noticed" : `${result.disturbedMs.toFixed(0)} ms`;
}

function summary({ outcomes, ...frame }: Frame): string {
  const recent = times(lastSecond({ outcomes, ...frame }));
  const failures = outcomes.filter(failed).length;
  const bad = `${failures} failed`;
  return [
    `${outcomes.length} requests`,
    failures === 0 ? bad : styleText("red", bad),
    `median ${percentile(recent, 0.5).toFixed(1)} ms`,
    `slowest ${Math.max(0, ...recent).toFixed(0)} ms`,
  ].join("  ");
}

function member({ name, status, leaving }: MemberRow): string {
  const shown = leaving && status === "alive" ? "leaving" : status;
  return `${name} ${styleText(COLOURS[shown] ?? "yellow", shown)}`;
}

function lastSecond({ outcomes }: Frame): readonly Outcome[] {
  const newest = outcomes.at(-1);
  if (newest === undefined) return [];
  const since = newest.at + newest.ms - 1000;
  return outcomes.slice(-2000).filter(({ at, ms }) => at + ms >= since);
}

function shares(outcomes: readonly Outcome[]): readonly (readonly [string, number])[] {
  const counts = new Map<string, number>();
  for (const { by } of outcomes) {
    for (const name of by.split(" ")) {
      if (name !== "") counts.set(name, (counts.get(name) ?? 0) + 1);
    }
  }
  return [...counts].sort(([one], [other]) => (one < other ? -1 : 1));
}

function times(outcomes: readonly Outcome[]): number[] {
  return outcomes.map(({ ms }) => ms);
}
