/** Who believes what about whom: a square for each pair, made pixel by pixel where there are many. */
import { COLORS, canvasOf, element, legend, nameOf, seconds } from "./format.js";
import { BELIEFS } from "./state.js";

const SIDE = 440;
/** By belief: nothing, alive, suspect, dead, left, forgotten. */
const GRAVITY = [1, 0, 4, 5, 3, 2];

export function describeBeliefs() {
  legend("beliefs-legend", [
    ...["alive", "suspect", "dead", "left"].map((belief) => [COLORS[belief], belief]),
    ["#8883", "nothing"],
    [COLORS.accent, "itself"],
  ]);
}

const rgb = (color) => [1, 3, 5].map((at) => Number.parseInt(color.slice(at, at + 2), 16));

export function drawBeliefs(state, nodes) {
  const { context } = canvasOf("beliefs", SIDE);
  const cells = Math.min(nodes, SIDE);
  const image = new ImageData(cells, cells);
  const worst = new Int8Array(cells * cells).fill(-1);
  const colors = BELIEFS.map((belief) => (belief === "" ? [128, 128, 128] : rgb(COLORS[belief])));
  const own = rgb(COLORS.accent);
  for (let node = 0; node < nodes; node += 1) {
    const isUp = state.up.has(node);
    const row = Math.floor((node * cells) / nodes) * cells;
    for (let subject = 0; subject < nodes; subject += 1) {
      const belief = state.beliefs[node * nodes + subject];
      const isOwn = node === subject;
      const cell = row + Math.floor((subject * cells) / nodes);
      // Where a square stands for several pairs, the worst of them shows.
      const gravity = isOwn || !isUp ? 0 : GRAVITY[belief];
      if (gravity <= worst[cell]) continue;
      worst[cell] = gravity;
      const [red, green, blue] = isOwn ? own : colors[belief];
      const alpha = belief === 0 && !isOwn ? 50 : isUp ? 255 : 60;
      const at = cell * 4;
      image.data[at] = red;
      image.data[at + 1] = green;
      image.data[at + 2] = blue;
      image.data[at + 3] = alpha;
    }
  }
  const small = new OffscreenCanvas(cells, cells);
  small.getContext("2d").putImageData(image, 0, 0);
  context.imageSmoothingEnabled = false;
  context.drawImage(small, 0, 0, SIDE, SIDE);
  if (nodes > SIDE / 6) return;
  context.strokeStyle = getComputedStyle(document.body).backgroundColor;
  context.lineWidth = 1;
  for (let at = 0; at <= nodes; at += 1) {
    const line = (at * SIDE) / nodes;
    context.strokeRect(line, 0, 0, SIDE);
    context.strokeRect(0, line, SIDE, 0);
  }
}

export function describePair(mouse, { state, nodes, events }) {
  const subject = Math.floor((mouse.offsetX * nodes) / SIDE);
  const node = Math.floor((mouse.offsetY * nodes) / SIDE);
  if (node >= nodes || subject >= nodes || node < 0 || subject < 0) return;
  const pair = node * nodes + subject;
  const event = state.beliefs[pair] === 0 ? undefined : events[state.since[pair]];
  const what =
    event === undefined
      ? "nothing"
      : `${event.belief}, epoch ${event.epoch} incarnation ${event.incarnation}, since ${seconds(event.at)}: ${event.why}`;
  element("pair").textContent = `${nameOf(node)} about ${nameOf(subject)}: ${what}`;
}
