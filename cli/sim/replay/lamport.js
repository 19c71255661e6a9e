/**
 * Messages around the present moment as a Lamport diagram: a line for each node that takes part,
 * time down, and from each cause a line to its effect. A belief leads from whoever said it.
 */
import { COLORS, canvasOf, element, inkOf, legend, nameOf, seconds } from "./format.js";

const HEIGHT = 470;
const TOP = 22;
const LANES_MAX = 24;
const LANE_WIDTH = 34;
const ARROWS_MAX = 500;
/** What was said takes at least so long to arrive in the picture. */
const SLANT = 7;

export function describeLamport() {
  legend("lamport-legend", [
    [COLORS.accent, "request"],
    [COLORS.dead, "accusation or death"],
    [COLORS.suspect, "suspicion"],
    [COLORS.alive, "alive"],
    ["#8886", "start, stop, pause (square)"],
  ]);
}

function arrowsOf(events, options, now) {
  const arrows = [];
  for (const event of events) {
    if (event.kind === "belief" && options.beliefs) {
      const by = /says n(\d+)/.exec(event.why);
      const from = by ? Number(by[1]) : event.subject;
      arrows.push({ at: event.at, from, to: event.node, color: COLORS[event.belief] });
    } else if (event.kind === "accused" && options.beliefs) {
      arrows.push({ at: event.at, from: event.node, to: event.subject, color: COLORS.dead });
    } else if (event.kind === "record" && options.requests) {
      for (const { at, target, outcome } of event.attempts) {
        if (target < 0) continue;
        const until = Math.max(at, event.at);
        const color = outcome === "failed" ? COLORS.dead : COLORS.accent;
        arrows.push({ at, until, from: event.node, to: target, color });
      }
    }
  }
  const nearest = arrows.sort((one, other) => Math.abs(one.at - now) - Math.abs(other.at - now));
  return nearest.slice(0, ARROWS_MAX);
}

export function drawLamport(timeline, index, now) {
  const { context, width } = canvasOf("lamport", HEIGHT);
  const span = Number(element("window").value);
  const from = now - span * 0.8;
  const to = now + span * 0.2;
  const near = eventsBetween(timeline, index, from, to);
  const options = {
    requests: element("with-requests").checked,
    beliefs: element("with-beliefs").checked,
  };
  const arrows = arrowsOf(near, options, now);
  const points = near.filter(({ kind }) => POINTS.includes(kind));
  const lanes = lanesOf(arrows, points, width);
  const y = (at) => TOP + ((at - from) / (to - from)) * (HEIGHT - TOP - 8);
  for (const [node, x] of lanes) drawLane(context, node, x);
  for (const arrow of arrows) drawArrow(context, arrow, lanes, y);
  for (const { node, at, kind } of points) {
    const x = lanes.get(node);
    if (x === undefined) continue;
    context.fillStyle =
      kind === "stop" ? COLORS.dead : kind === "paused" ? COLORS.suspect : COLORS.alive;
    context.fillRect(x - 4, y(at) - 4, 8, 8);
  }
  context.strokeStyle = COLORS.accent;
  context.setLineDash([4, 3]);
  context.strokeRect(0, y(now), width, 0);
  context.setLineDash([]);
  element("lamport-hint").textContent =
    `${arrows.length} messages from ${seconds(Math.max(0, from))} to ${seconds(to)} between ${lanes.size} nodes` +
    (lanes.size < takePart(arrows, points) ? " (those that take part most)" : "");
}

const POINTS = ["start", "stop", "paused", "resumed"];

function eventsBetween({ events }, index, from, to) {
  const found = [];
  for (let at = index - 1; at >= 0 && events[at].at >= from && found.length < 4_000; at -= 1) {
    found.push(events[at]);
  }
  found.reverse();
  for (let at = index; at < events.length && events[at].at <= to && found.length < 6_000; at += 1) {
    found.push(events[at]);
  }
  return found;
}

function lanesOf(arrows, points, width) {
  const lanesMax = Math.min(LANES_MAX, Math.floor(width / LANE_WIDTH));
  const weights = new Map();
  const add = (node, weight) => weights.set(node, (weights.get(node) ?? 0) + weight);
  for (const { from, to } of arrows) {
    add(from, 1);
    add(to, 1);
  }
  for (const { node } of points) add(node, 20);
  const busiest = [...weights].sort((one, other) => other[1] - one[1]).slice(0, lanesMax);
  const nodes = busiest.map(([node]) => node).sort((one, other) => one - other);
  return new Map(
    nodes.map((node, at) => [node, 26 + (at * (width - 52)) / Math.max(1, nodes.length - 1)]),
  );
}

function takePart(arrows, points) {
  const nodes = arrows.flatMap(({ from, to }) => [from, to]);
  return new Set([...nodes, ...points.map(({ node }) => node)]).size;
}

function drawLane(context, node, x) {
  context.strokeStyle = "#8886";
  context.lineWidth = 1;
  context.strokeRect(x, TOP, 0, HEIGHT - TOP);
  context.fillStyle = inkOf();
  context.textAlign = "center";
  context.fillText(nameOf(node), x, 14);
}

function drawArrow(context, { at, until, from, to, color }, lanes, y) {
  const x = lanes.get(from);
  const u = lanes.get(to);
  if (x === undefined || u === undefined) return;
  context.strokeStyle = color;
  context.fillStyle = color;
  context.lineWidth = 1.2;
  const start = until === undefined ? y(at) - (x === u ? 0 : SLANT) : y(at);
  const end = until === undefined ? y(at) : Math.max(y(at) + SLANT, (y(at) + y(until)) / 2);
  context.beginPath();
  context.moveTo(x, start);
  context.lineTo(u, end);
  if (until !== undefined) context.lineTo(x, Math.max(end + SLANT, y(until)));
  context.stroke();
  context.beginPath();
  context.arc(u, end, 2.5, 0, 7);
  context.fill();
}
