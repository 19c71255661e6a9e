/** One decision record as a person reads it: what was asked, who was considered, what happened. */
import type { AttemptRecord, CandidateRecord, DecisionRecord } from "../core/record.ts";
import { formatMs, stateCell } from "./format.ts";
import type { Terminal } from "./terminal.ts";
import { formatTable, printable } from "./text-table.ts";

type Style = Terminal["style"];

export function explainRecord(record: DecisionRecord, style: Style): string {
  const sections = [head(record, style), facts(record)];
  if (record.candidates.length > 0) {
    sections.push(`  candidates\n${indent(candidates(record.candidates, style))}`);
  }
  if (record.attempts.length > 0) {
    sections.push(`  attempts\n${indent(attempts(record.attempts, style))}`);
  }
  return `${sections.join("\n")}\n`;
}

function head(record: DecisionRecord, style: Style): string {
  const { id, method, authority, path, kind, outcome, status, error, durationMs } = record;
  const what = kind === "tcp" ? `tcp ${authority}` : `${method} ${authority}${path}`;
  const answer = status === 0 ? outcome : `${outcome} ${status}`;
  const { text, style: colour } = stateCell(error === null ? outcome : "failed");
  const painted = colour === undefined ? answer : style(colour, answer);
  const time = new Date(record.startedWallMs).toISOString();
  const code = error === null ? "" : ` ${error}`;
  return (
    `${style("bold", printable(`${id} ${what}`))}\n` +
    `  ${text === "failed" ? style("red", `${answer}${code}`) : painted} in ${formatMs(durationMs)}, ${time}`
  );
}

function facts(record: DecisionRecord): string {
  const { destination, service, port, named, key, errorMessage, notRepeated, executed } = record;
  const place = destination === "outside" ? "outside the mesh: " : "";
  const target =
    record.kind === "actor" ? `actor type ${record.authority}` : `${place}${service} port ${port}`;
  const lines = [
    `to ${target}${named === null ? "" : `, instance ${named}`}`,
    `by ${record.listener} from ${record.remote}${record.caller === null ? "" : ` as ${record.caller}`}`,
    ...(key === null ? [] : [`key "${key}" prefers ${record.preference.join(", ") || "nobody"}`]),
    ...(errorMessage === null ? [] : [`because ${errorMessage}`]),
    ...(executed === null ? [] : [`may have run there: ${executed}`]),
    ...(notRepeated === null ? [] : [`not repeated: ${notRepeated}`]),
    `sent ${record.requestBytes} bytes, received ${record.responseBytes}; ` +
      `repeats left in the budget: ${Math.floor(record.retryTokens)}; view ${record.viewVersion}`,
  ];
  return lines.map((line) => `  ${printable(line)}`).join("\n");
}

function candidates(rows: readonly CandidateRecord[], style: Style): string {
  return formatTable(
    rows,
    [
      { title: "ATTEMPT", right: true, cell: ({ attempt }) => attempt },
      { title: "INSTANCE", cell: ({ instance }) => instance },
      { title: "AGENT", cell: ({ agentName, agent }) => agentName || agent },
      { title: "RANK", right: true, cell: ({ rank }) => (rank < 0 ? "" : rank) },
      {
        title: "VERDICT",
        cell: ({ verdict }) =>
          verdict === "chosen" ? { text: verdict, style: "green" } : verdict.replaceAll("_", " "),
      },
    ],
    style,
  );
}

function attempts(rows: readonly AttemptRecord[], style: Style): string {
  const moment = (ms: number | null) => (ms === null ? "" : formatMs(ms));
  return formatTable(
    rows,
    [
      { title: "NUMBER", right: true, cell: ({ number }) => number },
      { title: "INSTANCE", cell: ({ instance }) => instance },
      { title: "AGENT", cell: ({ agentName, agent }) => agentName || agent },
      { title: "REASON", cell: ({ reason }) => reason.replaceAll("_", " ") },
      { title: "BREAKER", cell: ({ breaker }) => breaker },
      { title: "START", right: true, cell: ({ startMs }) => moment(startMs) },
      { title: "HEAD", right: true, cell: ({ headMs }) => moment(headMs) },
      { title: "END", right: true, cell: ({ endMs }) => moment(endMs) },
      { title: "OUTCOME", cell: ({ outcome }) => stateCell(outcome) },
      { title: "STATUS", right: true, cell: ({ status }) => (status === 0 ? "" : status) },
      {
        title: "ERROR",
        cell: ({ error, errorMessage }) =>
          error === null ? "" : `${error}; ${errorMessage ?? ""}`,
      },
    ],
    style,
  );
}

function indent(text: string): string {
  return text
    .trimEnd()
    .split("\n")
    .map((line) => `    ${line}`)
    .join("\n");
}
