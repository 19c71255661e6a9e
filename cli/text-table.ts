/** Tables of text for people: columns as wide as their widest cell, numbers to the right. */
import { stripVTControlCharacters } from "node:util";
import type { Style, Terminal } from "./terminal.ts";

export interface Cell {
  readonly text: string;
  readonly style?: Style;
}

export interface TableColumn<Row> {
  readonly title: string;
  readonly right?: boolean;
  cell(row: Row): Cell | string | number;
}

/** A header line and one line for each row. Empty columns are left out. */
export function formatTable<Row>(
  rows: readonly Row[],
  tableColumns: readonly TableColumn<Row>[],
  style: Terminal["style"],
): string {
  const shown = tableColumns
    .map((column) => ({ ...column, cells: rows.map((row) => toCell(column.cell(row))) }))
    .filter(({ cells }) => rows.length === 0 || cells.some(({ text }) => text !== ""));
  const lines: string[][] = [[], ...rows.map(() => [])];
  for (const [index, { title, right, cells }] of shown.entries()) {
    const texts = [{ text: title, style: "bold" as Style }, ...cells];
    const width = Math.max(...texts.map(({ text }) => text.length));
    const last = index === shown.length - 1;
    for (const [line, cell] of texts.entries()) {
      const gap = " ".repeat(width - cell.text.length);
      const painted = cell.style === undefined ? cell.text : style(cell.style, cell.text);
      const padded = right === true ? gap + painted : last ? painted : painted + gap;
      lines[line]?.push(padded);
    }
  }
  return `${lines.map((cells) => cells.join("  ").trimEnd()).join("\n")}\n`;
}

function toCell(cell: Cell | string | number): Cell {
  const plain = typeof cell === "object" ? cell : { text: String(cell) };
  return { ...plain, text: printable(plain.text) };
}

/** Text from elsewhere, without what could move a terminal's cursor or forge lines. */
export function printable(text: string): string {
  return stripVTControlCharacters(text).replaceAll(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, "?");
}

/** Two columns, the second wrapped to the width. */
export function columns(rows: readonly (readonly string[])[], width: number): string {
  const left = Math.min(36, Math.max(...rows.map(([first = ""]) => first.length)));
  return rows
    .flatMap(([first = "", second = ""]) => {
      const lines = wrap(second, width - left - 2);
      const indent = " ".repeat(left + 2);
      const rest = lines.slice(1).map((line) => indent + line);
      if (first.length > left) return [first, ...lines.map((line) => indent + line)];
      return [`${first.padEnd(left)}  ${lines[0] ?? ""}`.trimEnd(), ...rest];
    })
    .join("\n");
}

/** Breaks at spaces; a word that is longer than the width keeps its line. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(/\s+/)) {
    if (line !== "" && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else {
      line = line === "" ? word : `${line} ${word}`;
    }
  }
  return [...lines, line];
}
