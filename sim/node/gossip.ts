/**
 * A model of the epidemic broadcast (GossipSub), measured against the real class (sim/gossip/): a
 * message goes to the mesh at once, each node judges it and, if it accepts, passes it on to its own
 * mesh; who still misses it hears of it with a heartbeat of a neighbour outside the mesh, and asks.
 * Messages travel over the nodes' connections, with all that happens to those. What makes it cheap:
 * a message to somebody who has it is counted and not sent, and heartbeats are looked at only while
 * somebody misses something. That nodes decline what they have (IDONTWANT) is left out: it travels
 * beside the message itself and comes too late for everybody. On top, a plan may lose, double and
 * delay messages.
 */
import type { NodeId } from "../../core/types.ts";
import { drawExponential, drawFloat, streamKey } from "../engine/draws.ts";
import type { World } from "../engine/world.ts";
import { digestOf } from "../network/digest.ts";
import type { Paths } from "../network/paths.ts";
import type { Half } from "../network/stream.ts";
import type { Broadcast, BroadcastSeat } from "./broadcast.ts";
import { D, HEARTBEAT_US, MeshUpkeep, type Station } from "./gossip-mesh.ts";

/** What GossipSub and the multiplexer put around a message; what an id takes. */
const FRAME_BYTES = 48;
const ID_BYTES = 80;
/** A message is told of for this many heartbeats, and kept for some more. */
const TOLD_BEATS = 3;
const KEPT_BEATS = 5;
/** Of the neighbours outside the mesh, at least so many and this share hear of it at a heartbeat. */
const LAZY = 6;
const LAZY_SHARE = 0.25;
/** How often it is looked who still misses a message. */
const SWEEP_US = 100_000;

interface Rumour {
  readonly topic: string;
  readonly message: Uint8Array;
  readonly digest: number;
  readonly number: number;
  /** When each process got it, by its lane. */
  readonly heard: Map<number, number>;
  lastHeardAt: number;
  nextSweepAt: number;
  missing: readonly Station[] | undefined;
}

export class Gossip implements Broadcast {
  readonly #world: World;
  readonly #paths: Paths;
  readonly #upkeep: MeshUpkeep;
  readonly #stations = new Map<BroadcastSeat, Station>();
  /** Who has each end of a connection, and who the other one, once that is up, too. */
  readonly #ends = new Map<Half, { readonly station: Station; peer: Station | undefined }>();
  #published = 0;
  delivered = 0;
  duplicates = 0;
  lost = 0;

  constructor(world: World, paths: Paths) {
    this.#world = world;
    this.#paths = paths;
    this.#upkeep = new MeshUpkeep(world);
  }

  join(seat: BroadcastSeat): void {
    this.#stations.set(seat, this.#upkeep.start(seat));
  }

  onOpened(seat: BroadcastSeat, _peer: NodeId, half: Half): void {
    const end = { station: this.#station(seat), peer: undefined as Station | undefined };
    this.#ends.set(half, end);
    const far = this.#ends.get(half.far);
    if (far === undefined) return;
    end.peer = far.station;
    far.peer = end.station;
    const key = streamKey(this.#world.seed, seat.lane.id, far.station.seat.lane.id);
    const trip = this.#paths.transitUs(half.host, half.farHost, ID_BYTES, key, 0);
    if (half.isDialler) this.#upkeep.join(end.station, far.station, half, trip);
    else this.#upkeep.join(far.station, end.station, half.far, trip);
  }

  onClosed(seat: BroadcastSeat, _peer: NodeId, half: Half): void {
    const peer = this.#ends.get(half)?.peer;
    this.#ends.delete(half);
    if (peer === undefined) return;
    this.#upkeep.part(this.#station(seat), peer, half);
    if (peer.seat.lane.isOver) this.#ends.delete(half.far);
  }

  publish(seat: BroadcastSeat, topic: string, message: Uint8Array): void {
    this.#published += 1;
    const from = this.#station(seat);
    const rumour: Rumour = {
      ...{ topic, digest: digestOf(message), number: this.#published },
      message: new Uint8Array(message),
      heard: new Map([[seat.lane.id, this.#world.now]]),
      ...{ lastHeardAt: this.#world.now, nextSweepAt: 0 },
      missing: undefined,
    };
    const mesh = from.meshOf(topic);
    for (const peer of mesh) this.#send(from, peer, rumour);
    if (mesh.size < D) {
      const key = streamKey(this.#world.seed, 0x9b1, rumour.number);
      const others = from
        .others(topic)
        .map((peer, at) => ({ peer, rank: drawFloat(key, at) }))
        .sort((one, other) => one.rank - other.rank);
      for (const { peer } of others.slice(0, D - mesh.size)) this.#send(from, peer, rumour);
    }
    this.#sweepLater(rumour);
    this.#beatSoon(from, rumour);
  }

  #station(seat: BroadcastSeat): Station {
    const station = this.#stations.get(seat);
    if (station === undefined) throw new Error("assertion failed: the process takes part");
    return station;
  }

  #send(from: Station, to: Station, rumour: Rumour): void {
    const half = from.halfTo(to);
    if (half === undefined || from.seat.isSuppressing) return;
    if (rumour.heard.has(to.seat.lane.id)) {
      this.duplicates += 1;
      return;
    }
    const key = streamKey(this.#world.seed, from.seat.lane.id, to.seat.lane.id, rumour.number);
    if (drawFloat(key, 100) < this.#paths.shape.gossipLoss) {
      this.lost += 1;
      return;
    }
    const twice = this.#paths.duplicatesOf(half.host, half.farHost);
    const copies = drawFloat(key, 101) < twice ? 2 : 1;
    const bytes = rumour.message.length + FRAME_BYTES;
    for (let copy = 0; copy < copies; copy += 1) {
      half.carry("gossip", bytes, rumour.digest, () => this.#land(from, to, rumour, key, copy > 0));
    }
  }

  /** It has arrived, unless the plan makes it late. */
  #land(from: Station, to: Station, rumour: Rumour, key: number, isCopy: boolean): void {
    const late = drawExponential(key, 102, this.#paths.shape.gossipLateMs * 1_000);
    if (late === 0) {
      this.#arrive(from, to, rumour, isCopy);
      return;
    }
    const at = this.#world.now + late * (isCopy ? 2 : 1);
    const { lane } = to.seat;
    this.#world.plan(at, lane, "gossip", () => this.#arrive(from, to, rumour, isCopy));
  }

  #arrive(from: Station, to: Station, rumour: Rumour, isCopy: boolean): void {
    const lane = to.seat.lane.id;
    if (rumour.heard.has(lane)) {
      this.duplicates += 1;
      if (!isCopy) return;
    } else {
      this.delivered += 1;
      rumour.heard.set(lane, this.#world.now);
      rumour.lastHeardAt = this.#world.now;
    }
    const verdict = to.seat.onGossip(rumour.topic, from.seat.id, rumour.message);
    if (verdict !== "accept" || isCopy) return;
    this.#beatSoon(to, rumour);
    for (const peer of to.meshOf(rumour.topic)) {
      if (peer !== from) this.#send(to, peer, rumour);
    }
  }

  #sweepLater(rumour: Rumour): void {
    const at = this.#world.now + SWEEP_US;
    rumour.nextSweepAt = at;
    this.#world.plan(at, undefined, "gossip", () => this.#sweep(rumour));
  }

  /** A heartbeat before the next sweep, which comes too late for it. */
  #beatSoon(teller: Station, rumour: Rumour): void {
    const beat = teller.beatAfter(this.#world.now);
    if (beat > rumour.nextSweepAt) return;
    this.#world.plan(beat, teller.seat.lane, "gossip", () => {
      for (const peer of teller.lines.keys()) {
        const isMissing = !rumour.heard.has(peer.seat.lane.id) && peer.meshes.has(rumour.topic);
        if (isMissing && this.#isChosen(teller, peer, rumour, beat)) {
          this.#tell(teller, peer, rumour);
        }
      }
    });
  }

  #running(topic: string): Station[] {
    const found: Station[] = [];
    for (const [seat, station] of this.#stations) {
      if (seat.lane.isOver) this.#stations.delete(seat);
      else if (station.meshes.has(topic)) found.push(station);
    }
    return found;
  }

  /** Plans the heartbeats of the next moments that tell somebody of what it misses. */
  #sweep(rumour: Rumour): void {
    const { now } = this.#world;
    const missing = (rumour.missing ?? this.#running(rumour.topic)).filter(
      ({ seat }) => !seat.lane.isOver && !rumour.heard.has(seat.lane.id),
    );
    rumour.missing = missing;
    if (missing.length === 0) return;
    if (now > rumour.lastHeardAt + (TOLD_BEATS + 1) * HEARTBEAT_US) return;
    for (const station of missing) {
      for (const teller of station.lines.keys()) this.#maybeTell(teller, station, rumour);
    }
    this.#sweepLater(rumour);
  }

  #maybeTell(teller: Station, to: Station, rumour: Rumour): void {
    const heardAt = rumour.heard.get(teller.seat.lane.id);
    if (heardAt === undefined) return;
    const { now } = this.#world;
    const beat = teller.beatAfter(now);
    if (beat > now + SWEEP_US || beat > heardAt + TOLD_BEATS * HEARTBEAT_US) return;
    if (!this.#isChosen(teller, to, rumour, beat)) return;
    this.#world.plan(beat, teller.seat.lane, "gossip", () => this.#tell(teller, to, rumour));
  }

  /** Whether a heartbeat tells just this neighbour outside the mesh. */
  #isChosen(teller: Station, to: Station, rumour: Rumour, beat: number): boolean {
    const mesh = teller.meshOf(rumour.topic);
    if (mesh.has(to)) return false;
    const others = teller.lines.size - mesh.size;
    const share = Math.max(LAZY, LAZY_SHARE * others) / others;
    const { id } = teller.seat.lane;
    const key = streamKey(this.#world.seed, id, to.seat.lane.id, rumour.number);
    return drawFloat(key, beat) < share;
  }

  /** IHAVE there, IWANT back, and then the message. */
  #tell(teller: Station, to: Station, rumour: Rumour): void {
    const lane = to.seat.lane.id;
    const { digest } = rumour;
    teller.halfTo(to)?.carry("gossip", ID_BYTES, digest, () => {
      if (rumour.heard.has(lane)) return;
      to.halfTo(teller)?.carry("gossip", ID_BYTES, digest, () => {
        const heardAt = rumour.heard.get(teller.seat.lane.id) ?? 0;
        const isKept = this.#world.now <= heardAt + KEPT_BEATS * HEARTBEAT_US;
        if (isKept) this.#send(teller, to, rumour);
      });
    });
  }
}
