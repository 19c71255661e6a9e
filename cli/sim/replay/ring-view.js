/**
 * Who owns which key, as a chosen node sees it, by the mesh's own ring (core/ring/ is part of this
 * page): the ring of a service is made of the instances on members that the node does not hold dead
 * or gone. Below it, where nodes disagree about the owner of the key, who sees whom.
 */
import { canvasOf, element, nameOf, namesOf, rowOf } from "./format.js";
import { Ring } from "./ring.js";
import { BELIEFS } from "./state.js";

const KEYS = 400;
const ROWS_MAX = 64;

export function servicesOf(state) {
  const services = new Map();
  for (const [node, parts] of state.instances) {
    for (const instance of [...parts.values()].flat()) {
      const end = instance.lastIndexOf("/");
      const service = instance.slice(0, end);
      const listed = services.get(service) ?? [];
      services.set(service, listed);
      listed.push({ id: instance.slice(end + 1), weight: 1, node });
    }
  }
  return services;
}

/** Whether `viewer` counts the members's instances. */
function counts(state, nodes, viewer, node) {
  if (node === viewer) return true;
  const belief = BELIEFS[state.beliefs[viewer * nodes + node]];
  return belief === "alive" || belief === "suspect";
}

const hue = (node) => `hsl(${(node * 137.5) % 360} 60% 50%)`;

export function drawRing(state, nodes, viewer, service, key) {
  const all = servicesOf(state).get(service) ?? [];
  const seen = all.filter(({ node }) => counts(state, nodes, viewer, node));
  const ring = new Ring(seen);
  const owned = new Map();
  const { context, width } = canvasOf("shares", 26);
  for (let at = 0; at < KEYS; at += 1) {
    const owner = ring.ownerOf(`k${at}`);
    if (owner === undefined) break;
    owned.set(owner.id, (owned.get(owner.id) ?? 0) + 1);
  }
  let x = 0;
  for (const { id, node } of ring.members) {
    const share = ((owned.get(id) ?? 0) * width) / KEYS;
    context.fillStyle = hue(node);
    context.fillRect(x, 0, share, 26);
    x += share;
  }
  const list = ring.preferenceList(key, 5).map(({ id, node }) => `${id} on ${nameOf(node)}`);
  element("owner").textContent =
    `The bar: shares of the keys k0 to k${KEYS - 1}. "${key}" belongs to ${list.join(", then ") || "nobody"}. ` +
    disagreement(state, nodes, all, key);
  const table = element("ring");
  table.replaceChildren();
  rowOf(table, ["instance", "member", "owns of the keys"], "muted");
  for (const { id, node } of all.slice(0, ROWS_MAX)) {
    const isSeen = counts(state, nodes, viewer, node);
    const share = `${(((owned.get(id) ?? 0) / KEYS) * 100).toFixed(1)} %`;
    const mark = document.createElement("span");
    mark.textContent = "■ ";
    mark.style.color = hue(node);
    const name = document.createElement("span");
    name.append(mark, id);
    const row = rowOf(table, [name, nameOf(node), isSeen ? share : "out of the ring"]);
    if (!isSeen) row.className = "later";
  }
  if (all.length > ROWS_MAX) rowOf(table, [`and ${all.length - ROWS_MAX} more`, "", ""]);
}

/** Views with the same members of the service need one ring. */
function disagreement(state, nodes, all, key) {
  const byView = new Map();
  for (const viewer of state.up) {
    if (viewer >= nodes) continue;
    const seen = all.filter(({ node }) => counts(state, nodes, viewer, node));
    const view = seen.map(({ id }) => id).join(" ");
    const known = byView.get(view) ?? { seen, viewers: [] };
    byView.set(view, known);
    known.viewers.push(viewer);
  }
  const byOwner = new Map();
  for (const { seen, viewers } of byView.values()) {
    const owner = new Ring(seen).ownerOf(key);
    const name = owner === undefined ? "nobody" : nameOf(owner.node);
    byOwner.set(name, [...(byOwner.get(name) ?? []), ...viewers]);
  }
  if (byOwner.size <= 1) return "All running nodes agree.";
  const parts = [...byOwner].map(([owner, viewers]) => `${namesOf(viewers)} see ${owner}`);
  return `They disagree: ${parts.join("; ")}.`;
}
