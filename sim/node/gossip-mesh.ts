/**
 * Who passes messages on to whom in the model of the broadcast: GossipSub's mesh, by its own rules
 * and numbers. A node takes a new neighbour in while it has fewer than Dlo, and at its heartbeat it
 * fills up to D, prunes down to D above Dhi, and sees to it that it chose Dout of them itself. It
 * opens its streams one after the other, as GossipSub does; what two nodes tell each other about
 * their meshes travels, so that both may choose at once. A heartbeat is planned only when it has
 * something to do.
 */
import { drawBelow, streamKey } from "../engine/draws.ts";
import type { World } from "../engine/world.ts";
import type { Half } from "../network/stream.ts";
import type { BroadcastSeat } from "./broadcast.ts";

/** GossipSub's defaults, which production keeps. */
export const D = 6;
const D_LOW = 4;
const D_HIGH = 12;
const D_SCORE = 4;
const D_OUT = 2;
export const HEARTBEAT_US = 1_000_000;
const FIRST_HEARTBEAT_US = 100_000;
/** After this a pruned neighbour may come back. */
const BACKOFF_US = 60_000_000;
/** A message about meshes or topics, with what is around it. */
const CONTROL_BYTES = 60;
/** To open a stream: there and back. */
const OPENING_TRIPS = 2;

interface Line {
  /** Oldest first; never an empty list. */
  readonly halves: Half[];
  readonly isDialler: boolean;
  /** This node's stream to the peer is open: it can send. */
  isOpen: boolean;
  /** That was or will be answered by this time, give or take. */
  readonly openAt: number;
  readonly tripUs: number;
  /** The peer has told its topics: it may be sent to. */
  isTold: boolean;
}

/** One topic of one node. */
interface Mesh {
  readonly topic: string;
  readonly peers: Set<Station>;
  readonly backoff: Map<Station, number>;
}

/** One process in the broadcast. */
export class Station {
  readonly seat: BroadcastSeat;
  readonly lines = new Map<Station, Line>();
  readonly meshes: ReadonlyMap<string, Mesh>;
  /** Its heartbeats are at this moment and whole seconds after it. */
  readonly beatUs: number;
  isBeatPlanned = false;
  /** Until then its earlier streams are being opened. */
  openingUntil = 0;

  constructor(seat: BroadcastSeat, beatUs: number) {
    this.seat = seat;
    this.beatUs = beatUs;

    this.meshes = new Map(
      seat.topics.map((topic) => [topic, { topic, peers: new Set(), backoff: new Map() }]),
    );
  }

  /** The connection over which a neighbour can be sent to. */
  halfTo(peer: Station): Half | undefined {
    const line = this.lines.get(peer);
    return line?.isOpen === true ? line.halves[0] : undefined;
  }

  /** Its next heartbeat after a moment. */
  beatAfter(at: number): number {
    if (at < this.beatUs) return this.beatUs;
    return this.beatUs + (Math.floor((at - this.beatUs) / HEARTBEAT_US) + 1) * HEARTBEAT_US;
  }

  meshOf(topic: string): ReadonlySet<Station> {
    return this.meshes.get(topic)?.peers ?? new Set();
  }

  /** Neighbours that take the topic and are not in its mesh. */
  others(topic: string): Station[] {
    const peers = this.meshOf(topic);
    const found: Station[] = [];
    for (const [peer, line] of this.lines) {
      if (isReady(line) && peer.meshes.has(topic) && !peers.has(peer)) found.push(peer);
    }
    return found;
  }
}

export class MeshUpkeep {
  readonly #world: World;
  #lastStartUs: number | undefined;
  #draws = 0;

  constructor(world: World) {
    this.#world = world;
  }

  start(seat: BroadcastSeat): Station {
    const { now, seed } = this.#world;
    // Processes that start at one moment need not beat as one: that would be the world's artefact.
    const isTogether = now === this.#lastStartUs;
    const key = streamKey(seed, 0xbea7, seat.lane.id);
    const pauseUs = isTogether ? drawBelow(key, 0, HEARTBEAT_US) : FIRST_HEARTBEAT_US;
    this.#lastStartUs = now;
    return new Station(seat, now + pauseUs);
  }

  /** Both ends of a connection are up; `tripUs` is how long something takes from one to the other. */
  join(dialler: Station, acceptor: Station, half: Half, tripUs: number): void {
    this.#addHalf(acceptor, dialler, half.far, tripUs);
    this.#addHalf(dialler, acceptor, half, tripUs);
  }

  /** One end of a connection is gone. */
  part(station: Station, peer: Station, half: Half): void {
    const line = station.lines.get(peer);
    const at = line?.halves.indexOf(half) ?? -1;
    if (line === undefined || at < 0) return;
    line.halves.splice(at, 1);
    if (line.halves.length > 0) return;
    station.lines.delete(peer);
    for (const mesh of station.meshes.values()) mesh.peers.delete(peer);
    this.#tendLater(station);
  }

  #addHalf(station: Station, peer: Station, half: Half, tripUs: number): void {
    const known = station.lines.get(peer);
    if (known !== undefined) {
      known.halves.push(half);
      return;
    }
    const { now } = this.#world;
    const { isDialler } = half;
    // The one that accepted knew of the connection a trip ago.
    const since = isDialler ? now : now - tripUs;
    const openAt = Math.max(since, station.openingUntil) + OPENING_TRIPS * tripUs;
    station.openingUntil = openAt;
    const state = { isOpen: false, isTold: false };
    const line: Line = { halves: [half], isDialler, openAt, tripUs, ...state };
    station.lines.set(peer, line);
    this.#world.plan(openAt, station.seat.lane, "gossip", () => {
      if (station.lines.get(peer) !== line) return;
      line.isOpen = true;
      this.#tell(station, peer, () => this.#onTopics(peer, station));
      this.#tendLater(station);
    });
  }

  /** A message of the mesh's upkeep. */
  #tell(from: Station, to: Station, heard: () => void): void {
    from.halfTo(to)?.carry("gossip", CONTROL_BYTES, 0, heard);
  }

  #onTopics(station: Station, peer: Station): void {
    const line = station.lines.get(peer);
    if (line === undefined) return;
    line.isTold = true;
    // What the peer says comes in order: its answer to an opening that did not have to wait first.
    if (line.openAt - this.#world.now < line.tripUs) line.isOpen = true;
    if (!line.isOpen) return;
    for (const mesh of station.meshes.values()) {
      if (mesh.peers.size < D_LOW && this.#mayTake(mesh, peer)) this.#graft(station, mesh, peer);
    }
    this.#tendLater(station);
  }

  #graft(station: Station, mesh: Mesh, peer: Station): void {
    if (!peer.meshes.has(mesh.topic) || mesh.peers.has(peer)) return;
    mesh.peers.add(peer);
    this.#tell(station, peer, () => this.#onGraft(peer, station, mesh.topic));
  }

  #onGraft(station: Station, peer: Station, topic: string): void {
    const mesh = station.meshes.get(topic);
    if (mesh === undefined || mesh.peers.has(peer)) return;
    const isOutbound = station.lines.get(peer)?.isDialler === true;
    const isFull = mesh.peers.size >= D_HIGH && !isOutbound;
    if (isFull || !this.#mayTake(mesh, peer)) this.#prune(station, mesh, peer);
    else {
      mesh.peers.add(peer);
      this.#tendLater(station);
    }
  }

  #prune(station: Station, mesh: Mesh, peer: Station): void {
    mesh.peers.delete(peer);
    mesh.backoff.set(peer, this.#world.now + BACKOFF_US);
    this.#tell(station, peer, () => {
      const theirs = peer.meshes.get(mesh.topic);
      theirs?.peers.delete(station);
      theirs?.backoff.set(station, this.#world.now + BACKOFF_US);
      this.#tendLater(peer);
    });
  }

  #mayTake(mesh: Mesh, peer: Station): boolean {
    const until = mesh.backoff.get(peer);
    if (until === undefined) return true;
    if (until > this.#world.now) return false;
    mesh.backoff.delete(peer);
    return true;
  }

  /** At the next heartbeat, if that would change anything. */
  #tendLater(station: Station): void {
    if (station.isBeatPlanned || !needsTending(station)) return;
    station.isBeatPlanned = true;
    const { now } = this.#world;
    this.#world.plan(station.beatAfter(now), station.seat.lane, "gossip", () => {
      station.isBeatPlanned = false;
      for (const mesh of station.meshes.values()) this.#tend(station, mesh);
      this.#tendLater(station);
    });
  }

  #tend(station: Station, mesh: Mesh): void {
    const candidates = this.#shuffled(
      station,
      station.others(mesh.topic).filter((peer) => this.#mayTake(mesh, peer)),
    );
    if (mesh.peers.size < D_LOW) {
      const wanted = D - mesh.peers.size;
      for (const peer of candidates.splice(0, wanted)) this.#graft(station, mesh, peer);
    }
    if (mesh.peers.size > D_HIGH) this.#cutBack(station, mesh);
    const wanted = D_OUT - countOutbound(station, mesh);
    if (mesh.peers.size < D_LOW || wanted <= 0) return;
    const chosen = candidates.filter((peer) => station.lines.get(peer)?.isDialler === true);
    for (const peer of chosen.slice(0, wanted)) this.#graft(station, mesh, peer);
  }

  #cutBack(station: Station, mesh: Mesh): void {
    const peers = [...mesh.peers];
    // All scores are equal: those that came first stay, the rest is left to chance.
    const order = [...peers.slice(0, D_SCORE), ...this.#shuffled(station, peers.slice(D_SCORE))];
    const isOutbound = (peer: Station) => station.lines.get(peer)?.isDialler === true;
    const kept = new Set(order.slice(0, D));
    for (const peer of order.slice(D)) {
      const outbound = [...kept].filter(isOutbound).length;
      if (outbound >= D_OUT || !isOutbound(peer)) continue;
      const given = [...kept].reverse().find((other) => !isOutbound(other));
      if (given !== undefined) kept.delete(given);
      kept.add(peer);
    }
    for (const peer of peers) if (!kept.has(peer)) this.#prune(station, mesh, peer);
  }

  #shuffled(station: Station, peers: readonly Station[]): Station[] {
    this.#draws += 1;
    const key = streamKey(this.#world.seed, 0x6e5, station.seat.lane.id, this.#draws);
    const order = [...peers];
    for (let at = order.length - 1; at > 0; at -= 1) {
      const other = drawBelow(key, at, at + 1);
      [order[at], order[other]] = [order[other] as Station, order[at] as Station];
    }
    return order;
  }
}

function isReady(line: Line): boolean {
  return line.isOpen && line.isTold;
}

function needsTending(station: Station): boolean {
  for (const mesh of station.meshes.values()) {
    if (mesh.peers.size > D_HIGH) return true;
    const isShort = mesh.peers.size < D_LOW;
    const lacksOutbound = countOutbound(station, mesh) < D_OUT;
    if (!isShort && !lacksOutbound) continue;
    for (const peer of station.others(mesh.topic)) {
      if (isShort || station.lines.get(peer)?.isDialler === true) return true;
    }
  }
  return false;
}

function countOutbound(station: Station, mesh: Mesh): number {
  let count = 0;
  for (const peer of mesh.peers) if (station.lines.get(peer)?.isDialler === true) count += 1;
  return count;
}
