/** Reads the trace that the page holds and lets time be moved. */
import { describeBeliefs, describePair, drawBeliefs } from "./beliefs.js";
import { element, seconds, setNodeCount } from "./format.js";
import { describeLamport, drawLamport } from "./lamport.js";
import { drawFaultTable, drawLog, drawStrip, MOST } from "./log.js";
import { describeNodes, drawNodes, nodeAt } from "./nodes.js";
import { drawRing, servicesOf } from "./ring-view.js";
import { Timeline } from "./state.js";

/** The trace lies in the page as compressed text. */
async function readData() {
  const packed = element("data").textContent.trim();
  const bytes = Uint8Array.from(atob(packed), (character) => character.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return await new Response(stream).json();
}

const { plan, report, events, dropped } = await readData();
const nodes = plan.nodes;
setNodeCount(nodes);
const timeline = new Timeline({ plan, events });
let now = 0;
let chosen = 0;
let isPlaying = false;
let playedAt = 0;
let isDue = false;

element("title").textContent =
  `Profile ${plan.profile}, seed ${plan.seed}, ${nodes} nodes` +
  (report
    ? `: ${report.violations.length || "no"} violation${report.violations.length === 1 ? "" : "s"}`
    : "");
element("sum").textContent =
  `${events.length} events${dropped.length > 0 ? `, without ${dropped.join(", ")}` : ""}`;
for (const kind of [MOST, ...new Set(events.map((event) => event.kind))]) {
  element("filter").append(new Option(kind, kind));
}
for (let node = 0; node < nodes; node += 1) element("viewer").append(new Option(`n${node}`, node));
for (const describe of [describeNodes, describeBeliefs, describeLamport]) describe();
{
  const services = [...servicesOf(timeline.stateAt(events.length)).keys()].sort();
  for (const service of services) element("service").append(new Option(service, service));
}

function draw() {
  isDue = false;
  const index = timeline.indexAt(now);
  const state = timeline.stateAt(index);
  element("scrubber").value = String(Math.round((now / timeline.end) * 1e6));
  element("time").textContent = seconds(now) + (state.healed ? " (healed)" : "");
  drawNodes(state, nodes, chosen);
  drawBeliefs(state, nodes);
  drawLamport(timeline, index, now);
  drawRing(state, nodes, chosen, element("service").value, element("key").value);
  drawLog(timeline, index, now);
  drawFaultTable(state, report, show);
}

/** Moves to a moment; however often that is asked, the page is drawn once a frame. */
function show(time) {
  now = Math.max(0, Math.min(timeline.end, time));
  if (!isDue) requestAnimationFrame(draw);
  isDue = true;
}

function choose(node) {
  chosen = node;
  element("viewer").value = String(node);
  show(now);
}

function step(direction) {
  const index = timeline.indexAt(now);
  if (direction > 0) {
    if (index < events.length) show(events[index].at);
    return;
  }
  let at = index - 1;
  while (at > 0 && events[at].at >= now) at -= 1;
  if (at >= 0) show(events[at].at);
}

function play() {
  isPlaying = !isPlaying;
  element("play").textContent = isPlaying ? "Pause" : "Play";
  playedAt = performance.now();
  if (isPlaying && now >= timeline.end) now = 0;
  if (isPlaying) requestAnimationFrame(frame);
}

function frame(time) {
  if (!isPlaying) return;
  show(now + Math.max(0, time - playedAt) * 1000 * Number(element("speed").value));
  playedAt = time;
  if (now >= timeline.end) play();
  else requestAnimationFrame(frame);
}

element("scrubber").addEventListener("input", () =>
  show((Number(element("scrubber").value) / 1e6) * timeline.end),
);
for (const id of ["filter", "service", "window", "with-requests", "with-beliefs", "key"]) {
  element(id).addEventListener("input", () => show(now));
}
element("viewer").addEventListener("change", () => choose(Number(element("viewer").value)));
element("nodes").addEventListener("click", (mouse) => choose(nodeAt(mouse, nodes)));
element("beliefs").addEventListener("mousemove", (mouse) =>
  describePair(mouse, { state: timeline.state, nodes, events }),
);
element("back").addEventListener("click", () => step(-1));
element("forth").addEventListener("click", () => step(1));
element("play").addEventListener("click", play);
document.addEventListener("keydown", ({ key, target }) => {
  if (target.matches("input, select, button")) return;
  if (key === "ArrowLeft") step(-1);
  else if (key === "ArrowRight") step(1);
  else if (key === " ") play();
});
addEventListener("resize", () => {
  drawStrip(timeline, report);
  show(now);
});
drawStrip(timeline, report);
show(report?.violations.length > 0 ? report.violations[0].atMs * 1000 : firstFault());
document.body.dataset.ready = "yes";

function firstFault() {
  return events.find(({ kind }) => kind === "fault")?.at ?? timeline.end / 2;
}
