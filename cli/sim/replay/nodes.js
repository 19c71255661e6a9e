/** Nodes on a circle, what connects them, and which faults strike them now. */
import { COLORS, canvasOf, element, inkOf, legend, nameOf, namesOf } from "./format.js";

const LINES_MAX = 3_000;
const NAMED_MAX = 80;

export function describeNodes() {
  legend("nodes-legend", [
    [COLORS.alive, "runs"],
    [COLORS.suspect, "stands still"],
    [COLORS.dead, "is down"],
    ["#888a", "control connection of the chosen node"],
    [COLORS.accent, "its link"],
    ["#c93c3c88", "cut or clogged road"],
    ["#d9a40088", "impaired road"],
  ]);
}

export function placeOf(node, nodes, width, height) {
  const angle = (2 * Math.PI * node) / nodes - Math.PI / 2;
  const radius = Math.min(width, height) / 2 - 34;
  return [width / 2 + radius * Math.cos(angle), height / 2 + radius * Math.sin(angle)];
}

export function drawNodes(state, nodes, chosen) {
  const { context, width, height } = canvasOf("nodes", 440);
  const place = (node) => placeOf(node, nodes, width, height);
  const line = (one, other, color, thickness) => {
    const [x, y] = place(one);
    const [u, v] = place(other);
    context.strokeStyle = color;
    context.lineWidth = thickness;
    context.beginPath();
    context.moveTo(x, y);
    context.lineTo(u, v);
    context.stroke();
  };
  const links = shownLinks(state, nodes, chosen);
  for (const { node, peer, plane } of links) {
    // The chosen node's stand out: what all have together would hide everything else.
    const isChosen = node === chosen || peer === chosen;
    if (plane === "link") line(node, peer, `${COLORS.accent}${isChosen ? "ee" : "1a"}`, 1.4);
    else line(node, peer, isChosen ? "#888c" : "#8882", isChosen ? 1 : 0.6);
  }
  const touched = drawFaults(state, nodes, line);
  const isWell = (node) => state.up.has(node) && !state.paused.has(node) && !touched.has(node);
  const all = Array.from({ length: nodes }, (_, node) => node);
  // Whoever is not well comes last, on top of the others.
  for (const node of [...all.filter(isWell), ...all.filter((each) => !isWell(each))]) {
    drawNode(context, { node, state, place, isTouched: touched.has(node), nodes, chosen });
  }
  element("node-hint").textContent = hintOf(state, chosen, links.length);
}

function drawNode(context, { node, state, place, isTouched, nodes, chosen }) {
  const { clientWidth: width, clientHeight: height } = element("nodes");
  const [x, y] = place(node);
  const isUp = state.up.has(node);
  const isWell = isUp && !state.paused.has(node) && !isTouched;
  const radius = Math.max(isWell ? 2 : 4, Math.min(10, 420 / nodes));
  context.beginPath();
  context.arc(x, y, radius, 0, 7);
  context.fillStyle = !isUp ? COLORS.dead : state.paused.has(node) ? COLORS.suspect : COLORS.alive;
  context.fill();
  if (isTouched || node === chosen) {
    context.strokeStyle = node === chosen ? COLORS.accent : COLORS.dead;
    context.lineWidth = 2.5;
    context.stroke();
  }
  if (nodes > NAMED_MAX && node !== chosen && isWell) return;
  context.fillStyle = inkOf();
  const [right, down] = [(x - width / 2) / (height / 2), (y - height / 2) / (height / 2)];
  context.textAlign = Math.abs(right) < 0.15 ? "center" : right > 0 ? "left" : "right";
  context.fillText(nameOf(node), x + right * (radius + 8), y + 4 + down * (radius + 8));
}

/** All of a small mesh; of a large one only what the chosen node has. */
function shownLinks(state, nodes, chosen) {
  const shown = [];
  for (const link of state.links.values()) {
    if (link.peer < 0 || link.peer >= nodes || link.node >= nodes) continue;
    if (nodes > NAMED_MAX && link.node !== chosen && link.plane === "control") continue;
    if (shown.length >= LINES_MAX) break;
    shown.push(link);
  }
  return shown;
}

function drawFaults(state, nodes, line) {
  const touched = new Set();
  let drawn = 0;
  for (const { fault, left, right } of state.faults.values()) {
    const isCut = fault.startsWith("partition") || fault === "clog";
    for (const node of left) touched.add(node);
    if (right === undefined) continue;
    if (!fault.startsWith("partition")) for (const node of right) touched.add(node);
    for (const one of left) {
      for (const other of right) {
        if (one >= nodes || other >= nodes || drawn >= LINES_MAX) continue;
        drawn += 1;
        line(one, other, isCut ? "#c93c3c77" : "#d9a40099", 1.2);
      }
    }
  }
  return touched;
}

function hintOf(state, chosen, shown) {
  const links = [...state.links.values()].filter(({ node }) => node === chosen);
  const of = (plane) => links.filter((link) => link.plane === plane).map(({ peer }) => peer);
  const faults = [...state.faults.values()].map(({ fault }) => fault);
  const own = `${nameOf(chosen)}: ${of("control").length} control connections, links with ${namesOf(of("link")) || "nobody"}`;
  return `${own}. ${state.up.size} run; ${shown} connections shown; faults now: ${faults.join(", ") || "none"}. Click a node to choose it.`;
}

/** The node at a point of the canvas. */
export function nodeAt(mouse, nodes) {
  const { clientWidth: width, clientHeight: height } = element("nodes");
  let best = 0;
  let least = Number.POSITIVE_INFINITY;
  for (let node = 0; node < nodes; node += 1) {
    const [x, y] = placeOf(node, nodes, width, height);
    const distance = (x - mouse.offsetX) ** 2 + (y - mouse.offsetY) ** 2;
    if (distance < least) [best, least] = [node, distance];
  }
  return best;
}
