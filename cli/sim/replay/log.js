/** The events around the present moment in words, the faults that last, and the violations. */
import { COLORS, canvasOf, element, rowOf, seconds, textOf } from "./format.js";

/** Width of the scrubber's thumb, whose middle is the present moment. */
const THUMB = 16;
const BEFORE = 14;
const AFTER = 6;
/** Frequent, and seen elsewhere. */
const QUIET = ["stored", "executed", "outcome", "request"];
export const MOST = "all but the most frequent";

export function drawLog({ events }, index, now) {
  const wanted = element("filter").value;
  const isWanted = ({ kind }) => (wanted === MOST ? !QUIET.includes(kind) : kind === wanted);
  const rows = [];
  for (let at = index - 1; at >= 0 && rows.length < BEFORE; at -= 1) {
    if (isWanted(events[at])) rows.unshift(events[at]);
  }
  const newest = rows.at(-1);
  const past = rows.length;
  for (let at = index; at < events.length && rows.length < past + AFTER; at += 1) {
    if (isWanted(events[at])) rows.push(events[at]);
  }
  const table = element("log");
  table.replaceChildren();
  for (const event of rows) {
    const className = event === newest ? "now" : event.at > now ? "later" : "";
    rowOf(table, [seconds(event.at), textOf(event)], className);
  }
}

export function drawFaultTable(state, report, show) {
  const table = element("faults");
  table.replaceChildren();
  for (const event of state.faults.values()) rowOf(table, [seconds(event.at), textOf(event)]);
  if (state.faults.size === 0) rowOf(table, ["", "no fault just now"], "muted");
  for (const { atMs, checker, detail } of report?.violations ?? []) {
    const go = document.createElement("button");
    go.textContent = `${(atMs / 1000).toFixed(3)} s`;
    go.onclick = () => show(atMs * 1000);
    rowOf(table, [go, `${checker}: ${detail}`], "violation");
  }
}

/** Over the whole run: each fault as a bar, the heal and the violations as marks. */
export function drawStrip({ events, end }, report) {
  const { context, width, height } = canvasOf("strip", 34);
  const x = (at) => THUMB / 2 + (at / end) * (width - THUMB);
  const open = new Map();
  const rows = [];
  for (const event of events) {
    if (event.kind === "healed") {
      context.fillStyle = COLORS.accent;
      context.fillRect(x(event.at), 0, 2, height);
    }
    if (event.kind !== "fault") continue;
    if (event.on) open.set(event.id, event);
    else if (open.has(event.id)) {
      drawBar(context, rows, x(open.get(event.id).at), x(event.at), event.fault);
      open.delete(event.id);
    }
  }
  for (const event of open.values()) drawBar(context, rows, x(event.at), width, event.fault);
  context.fillStyle = COLORS.dead;
  for (const { atMs } of report?.violations ?? [])
    context.fillRect(x(atMs * 1000) - 1, 0, 3, height);
}

function drawBar(context, rows, from, to, fault) {
  let row = rows.findIndex((until) => until <= from);
  if (row < 0) row = rows.length < 5 ? rows.push(0) - 1 : 4;
  rows[row] = Math.max(to, from + 2);
  context.fillStyle = fault.startsWith("partition") ? `${COLORS.dead}aa` : `${COLORS.suspect}aa`;
  context.fillRect(from, 4 + row * 6, Math.max(2, to - from), 4);
}
