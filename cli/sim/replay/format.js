/** Words and colours that all panels share. */

export const COLORS = {
  ...{ alive: "#2e9e5b", suspect: "#d9a400", dead: "#c93c3c", left: "#7a7a8c" },
  ...{ forgotten: "#7a7a8c", fault: "#c93c3c", impaired: "#d9a400", accent: "#4f6bed" },
};

export const element = (id) => document.getElementById(id);
export const seconds = (us) => `${(us / 1e6).toFixed(3)} s`;

let count = 0;
export function setNodeCount(nodes) {
  count = nodes;
}

export function nameOf(node) {
  if (node === undefined || node < 0) return "?";
  return node < count ? `n${node}` : `clone ${node - count}`;
}

export function namesOf(nodes) {
  if (nodes.length <= 8) return nodes.map(nameOf).join(" ");
  return `${nodes.slice(0, 6).map(nameOf).join(" ")} and ${nodes.length - 6} others`;
}

export function textOf(event) {
  const name = nameOf(event.node);
  switch (event.kind) {
    case "belief":
      return `${name} holds ${nameOf(event.subject)} ${event.belief}: ${event.why}`;
    case "accused":
      return `${name} accuses ${nameOf(event.subject)}: ${event.verdict} (${event.basis})`;
    case "said":
      return `${name} states epoch ${event.epoch} incarnation ${event.incarnation}${event.left ? ", left" : ""}`;
    case "fault": {
      const against = event.right ? ` against ${namesOf(event.right)}` : "";
      return `${event.fault} ${event.on ? "begins" : "ends"}: ${namesOf(event.left)}${against}`;
    }
    case "linked": {
      const what = event.plane === "link" ? "link" : "control connection";
      return `${name} ${event.on ? "opens" : "loses"} its ${what} with ${nameOf(event.peer)}`;
    }
    case "published":
      return `${name} publishes ${event.epoch}.${event.seq}: ${event.instances.length} instances`;
    case "stored":
      return `${name} stores ${event.epoch}.${event.seq} of ${nameOf(event.owner)}`;
    case "record": {
      const way = event.attempts.map(({ target }) => nameOf(target)).join(" → ");
      const error = event.error ? ` (${event.error})` : "";
      return `${name}: request to ${event.service} ${event.outcome}${error} ${way}`;
    }
    case "stop":
      return `${name} is gone (${event.how})`;
    case "start":
      return `${name} starts, epoch ${event.epoch}, disk ${event.disk}`;
    case "refused":
      return `${name} refuses ${nameOf(event.from)}: ${event.why}`;
    default: {
      const what = event.instance ?? event.request ?? event.why ?? "";
      return `${event.node === undefined ? "" : `${name} `}${event.kind} ${what}`;
    }
  }
}

/** A canvas of the element's width, sharp on every screen. */
export function canvasOf(id, height) {
  const canvas = element(id);
  const parent = canvas.parentElement;
  const padding = 2 * Number.parseFloat(getComputedStyle(parent).paddingLeft);
  const width = Math.max(200, Math.round(parent.clientWidth - padding));
  const scale = window.devicePixelRatio || 1;
  canvas.style.height = `${height}px`;
  if (canvas.width !== Math.round(width * scale) || canvas.height !== Math.round(height * scale)) {
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(height * scale);
  }
  canvas.style.width = `${width}px`;
  const context = canvas.getContext("2d");
  context.setTransform(scale, 0, 0, scale, 0, 0);
  context.clearRect(0, 0, width, height);
  context.font = "11px system-ui, sans-serif";
  return { canvas, context, width, height };
}

export function inkOf() {
  return getComputedStyle(document.body).color;
}

export function legend(id, entries) {
  element(id).replaceChildren(
    ...entries.map(([color, text]) => {
      const entry = document.createElement("span");
      const mark = document.createElement("i");
      mark.style.background = color;
      entry.append(mark, text);
      return entry;
    }),
  );
}

export function rowOf(table, cells, className = "") {
  const row = table.insertRow();
  row.className = className;
  for (const cell of cells) row.insertCell().append(cell);
  return row;
}
