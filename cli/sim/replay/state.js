/**
 * The mesh at any moment of the run: kept at a few moments, and from the nearest one of them worked
 * out event by event. Beliefs are a matrix of bytes, so that a moment of a thousand nodes is a
 * megabyte and a step back costs milliseconds.
 */

/** 0: nothing is held. */
export const BELIEFS = ["", "alive", "suspect", "dead", "left", "forgotten"];
/** In place of a document's part. */
const ACKNOWLEDGED = -1;
const MOMENT_EVENTS_MIN = 2_000;
/** Of all kept moments together. */
const MOMENTS_BYTES = 96 * 1024 * 1024;

export class Timeline {
  constructor({ plan, events }) {
    this.events = events;
    this.nodes = plan.nodes;
    this.end = Math.max(1, events.at(-1)?.at ?? 1);
    const bytes = this.nodes * this.nodes * 5 + 100_000;
    const count = Math.max(2, Math.floor(MOMENTS_BYTES / bytes));
    this.every = Math.max(MOMENT_EVENTS_MIN, Math.ceil(events.length / count));
    this.moments = [];
    const state = fresh(this.nodes);
    for (let at = 0; at <= events.length; at += 1) {
      if (at % this.every === 0) this.moments.push(copyOf(state));
      if (at < events.length) apply(state, events[at], at, this.nodes);
      state.index = at + 1;
    }
    this.state = copyOf(this.moments[0]);
  }

  /** How many events have happened at a moment. */
  indexAt(time) {
    let low = 0;
    let high = this.events.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.events[middle].at <= time) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** The state after so many events; valid until the next call. */
  stateAt(index) {
    const nearest = this.moments[Math.floor(index / this.every)];
    const isAhead = this.state.index <= index && this.state.index >= nearest.index;
    if (!isAhead) this.state = copyOf(nearest);
    const { state } = this;
    for (let at = state.index; at < index; at += 1) apply(state, this.events[at], at, this.nodes);
    state.index = index;
    return state;
  }
}

function fresh(nodes) {
  return {
    ...{ index: 0, healed: false, up: new Set(), paused: new Set(), leaving: new Set() },
    ...{ beliefs: new Uint8Array(nodes * nodes), since: new Int32Array(nodes * nodes) },
    ...{ faults: new Map(), instances: new Map(), links: new Map() },
  };
}

function copyOf(state) {
  const { index, healed, up, paused, leaving, beliefs, since, faults, instances, links } = state;
  return {
    ...{ index, healed, up: new Set(up), paused: new Set(paused), leaving: new Set(leaving) },
    ...{ beliefs: beliefs.slice(), since: since.slice(), faults: new Map(faults) },
    ...{ instances: new Map(instances), links: new Map(links) },
  };
}

function apply(state, event, at, nodes) {
  const { node } = event;
  switch (event.kind) {
    case "start":
      state.up.add(node);
      state.paused.delete(node);
      state.leaving.delete(node);
      if (node < nodes) state.beliefs.fill(0, node * nodes, (node + 1) * nodes);
      break;
    case "stop":
      state.up.delete(node);
      state.paused.delete(node);
      for (const [key, link] of state.links) if (link.node === node) state.links.delete(key);
      break;
    case "leaving":
      state.leaving.add(node);
      break;
    case "paused":
      state.paused.add(node);
      break;
    case "resumed":
      state.paused.delete(node);
      break;
    case "belief":
      if (node >= nodes || event.subject < 0 || event.subject >= nodes) break;
      state.beliefs[node * nodes + event.subject] = BELIEFS.indexOf(event.belief);
      state.since[node * nodes + event.subject] = at;
      break;
    case "linked":
      countLink(state.links, event);
      break;
    case "fault":
      if (event.on) state.faults.set(event.id, event);
      else state.faults.delete(event.id);
      break;
    case "published": {
      const parts = new Map(state.instances.get(node) ?? []);
      parts.set(event.part, event.instances);
      parts.delete(ACKNOWLEDGED);
      state.instances.set(node, parts);
      break;
    }
    // Of real agents nobody sees what they sign: what they acknowledged stands for it.
    case "registered":
    case "deregistered": {
      const known = state.instances.get(node);
      if (known?.has(0)) break;
      const others = (known?.get(ACKNOWLEDGED) ?? []).filter((each) => each !== event.instance);
      const listed = event.kind === "registered" ? [...others, event.instance] : others;
      state.instances.set(node, new Map([[ACKNOWLEDGED, listed]]));
      break;
    }
    case "healed":
      state.healed = true;
      break;
  }
}

function countLink(links, { node, peer, plane, on }) {
  const key = `${node} ${peer} ${plane}`;
  const count = (links.get(key)?.count ?? 0) + (on ? 1 : -1);
  if (count > 0) links.set(key, { node, peer, plane, count });
  else links.delete(key);
}
