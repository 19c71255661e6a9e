/**
 * All machines of a run and what they share: the world, the network, keys and certificates. It
 * starts and ends processes, and everything that they report goes through here into the trace.
 */
import type { Signer, Verifier } from "../../core/seams.ts";
import {
  type CertificateVerdict,
  checkCertificate,
  issueCertificate,
  mayOffer,
} from "../../core/trust/certificate.ts";
import type { NodeId, WallMillis } from "../../core/types.ts";
import type { CertificateCheck } from "../../membership/document-codec.ts";
import { Registry } from "../../membership/registry.ts";
import { drawBelow, streamKey } from "../engine/draws.ts";
import { Lane } from "../engine/lane.ts";
import { WALL_START } from "../engine/local-clock.ts";
import { World } from "../engine/world.ts";
import { type KeyRing, Signatures } from "../keys.ts";
import { Network } from "../network/network.ts";
import { Paths } from "../network/paths.ts";
import type { Plan } from "../plan.ts";
import type { TraceEvent } from "../trace.ts";
import { Agent } from "./agent.ts";
import type { Broadcast, BroadcastMaker } from "./broadcast.ts";
import { Host } from "./host.ts";
import { SharedReader } from "./shared-reader.ts";

const TRUST_DOMAIN = "sim";
const CERTIFICATE_TTL_MS = 90 * 86_400_000;
/** A verdict on a certificate is asked for again this often. */
const VERDICT_MS = 3_600_000;
/** How many machines everybody knows from the start. */
const SEEDS = 3;
const NODE_ID = /12D3KooW\w+/g;

/** A trace event before its moment is known. */
type Untimed<Event> = Event extends unknown ? Omit<Event, "at"> : never;

interface Judged {
  readonly bytes: Uint8Array;
  readonly hour: number;
  readonly verdict: CertificateVerdict;
}

export class Fleet {
  readonly plan: Plan;
  readonly world: World;
  readonly network: Network;
  readonly broadcast: Broadcast;
  readonly signatures: Signatures;
  readonly registry = new Registry();
  readonly reader = new SharedReader();
  readonly hosts: readonly Host[];
  /** How often each rare thing happened. */
  readonly marks = new Map<string, number>();
  readonly #onTrace: (event: TraceEvent) => void;
  readonly #indexes = new Map<NodeId, number>();
  readonly #certificates = new Map<NodeId, Uint8Array>();
  readonly #judged = new Map<NodeId, Judged>();
  readonly #labels = new Map<Host, string>();
  readonly #authority: Signer;
  #lanes = 0;
  #activations = 0;

  constructor(
    plan: Plan,
    ring: KeyRing,
    makeBroadcast: BroadcastMaker,
    onTrace: (event: TraceEvent) => void,
  ) {
    this.plan = plan;
    this.world = new World(plan.seed);
    this.#onTrace = onTrace;
    const zoneOf = (host: number) => host % plan.zones;
    this.network = new Network(this.world, new Paths(plan.seed, plan.network, zoneOf, this.world));
    this.broadcast = makeBroadcast(this.world, this.network.paths);
    this.signatures = new Signatures(ring);
    this.#authority = this.signatures.signer(`${plan.seed} authority`, () => {});
    const key = streamKey(plan.seed, 0xc10c);
    this.hosts = Array.from({ length: plan.nodes }, (_, index) => {
      const span = (at: number, most: number) => drawBelow(key, at, 2 * most + 1) - most;
      const machine = {
        offsetMs: span(index * 2, plan.clockOffsetMs),
        driftPpm: span(index * 2 + 1, plan.clockDriftPpm),
      };
      return this.#prepare(new Host(index, zoneOf(index), machine));
    });
    for (const host of this.hosts) {
      this.#indexes.set(this.signatures.signer(this.labelOf(host), () => {}).id, host.index);
    }
  }

  get seeds(): readonly string[] {
    return this.hosts.slice(0, SEEDS).map((host) => host.bind);
  }

  /** The label from which a machine's key is made. */
  labelOf(host: Host): string {
    return this.#labels.get(host) ?? `${this.plan.seed} ${host.name}`;
  }

  indexOf(id: NodeId): number {
    return this.#indexes.get(id) ?? -1;
  }

  emit(event: Untimed<TraceEvent>): void {
    this.#onTrace({ at: this.world.now, ...event } as TraceEvent);
  }

  /** A text of the mesh with nodes by their names. */
  named(text: string): string {
    return text.replace(NODE_ID, (id) => `n${this.indexOf(id as NodeId)}`);
  }

  /** A number for an actor's life in a process; no two of a run share one. */
  nextActivation(): number {
    this.#activations += 1;
    return this.#activations;
  }

  mark(name: string): void {
    this.marks.set(name, (this.marks.get(name) ?? 0) + 1);
  }

  /** A machine outside the list with another's key: what a copied disk makes. */
  addClone(of: Host, index: number): Host {
    const clone = this.#prepare(new Host(index, of.zone, { offsetMs: 0, driftPpm: 0 }));
    this.#labels.set(clone, this.labelOf(of));
    return clone;
  }

  start(host: Host, seeds: readonly string[] = this.seeds): Agent {
    host.starts += 1;
    this.#lanes += 1;
    const disk = host.disk.isRolledBack ? "rolled back" : host.disk.isEmpty ? "lost" : "kept";
    host.disk.isRolledBack = false;
    const agent = new Agent(this, host, new Lane(this.#lanes, host.index));
    host.agent = agent;
    this.emit({ kind: "start", node: host.index, epoch: agent.epoch, disk });
    if (disk === "rolled back") {
      for (const instance of host.disk.registrations.keys()) {
        this.emit({ kind: "registered", node: host.index, instance });
      }
    }
    this.world.plan(this.world.now, agent.lane, "application", () => {
      agent.start(seeds.filter((seed) => seed !== host.bind));
    });
    return agent;
  }

  /** Ends the process. Killed or left: its machine's kernel tells the peers. Power: nobody does. */
  stop(host: Host, how: "killed" | "power" | "left"): void {
    const { agent } = host;
    if (agent === undefined) return;
    host.agent = undefined;
    agent.lane.end();
    if (how === "power") this.network.vanish(host.index);
    else {
      const isKilled = how === "killed";
      const detail = isKilled ? "the process was killed" : "the agent stopped";
      this.network.killConnections(host.index, isKilled ? "reset" : "closed", detail);
    }
    this.emit({ kind: "stop", node: host.index, how });
  }

  certificateOf(
    id: NodeId,
    host: Host,
  ): { readonly certificate: Uint8Array; readonly expiresWallMs: number } {
    const expiresWallMs = WALL_START + CERTIFICATE_TTL_MS;
    const known = this.#certificates.get(id);
    if (known !== undefined) return { certificate: known, expiresWallMs };
    const certificate = issueCertificate(
      {
        ...{ trustDomain: TRUST_DOMAIN, peer: id, name: host.name, zone: "", region: "" },
        ...{ services: ["*/*"], notBefore: WALL_START - CERTIFICATE_TTL_MS },
        ...{ notAfter: expiresWallMs, serial: host.index.toString(16).padStart(2, "0") },
      },
      this.#authority,
    );
    this.#certificates.set(id, certificate);
    return { certificate, expiresWallMs };
  }

  checkCertificate(
    peer: NodeId,
    bytes: Uint8Array,
    wall: WallMillis,
  ): ReturnType<CertificateCheck> {
    const hour = Math.floor(wall / VERDICT_MS);
    const known = this.#judged.get(peer);
    const isKnown = known?.hour === hour && isEqual(known.bytes, bytes);
    const verdict = isKnown ? known.verdict : this.#judge(peer, bytes, wall);
    if (!isKnown) this.#judged.set(peer, { bytes: new Uint8Array(bytes), hour, verdict });
    if (!verdict.ok) return { ok: false, reason: verdict.reason, mayOffer: () => false };
    const { certificate } = verdict;
    return { ok: true, mayOffer: (namespace, name) => mayOffer(certificate, namespace, name) };
  }

  onStored(agent: Agent, owner: NodeId, message: Uint8Array, part: number): void {
    const { statement } = this.reader.read(message);
    if (typeof statement === "string") throw new Error(`what was stored is ${statement}`);
    const { epoch, seq } = statement;
    const hash = Number.parseInt(statement.hash.slice(0, 12), 16);
    const { index } = agent.host;
    const wallMs = agent.clock.wall();
    this.emit({
      ...{ kind: "stored", node: index, owner: this.indexOf(owner), part, epoch, seq, wallMs },
      hash,
    });
  }

  #judge(peer: NodeId, bytes: Uint8Array, wall: WallMillis): CertificateVerdict {
    const verifier: Verifier = this.signatures;
    return checkCertificate(bytes, {
      ...{ peer, trustDomain: TRUST_DOMAIN, roots: [this.#authority.id], verifier, wall },
    });
  }

  /** Each gets the other's addresses; neither may be running. */
  swapAddresses(one: Host, other: Host): void {
    [one.bind, other.bind] = [other.bind, one.bind];
    [one.link, other.link] = [other.link, one.link];
    this.#prepare(one);
    this.#prepare(other);
  }

  #prepare(host: Host): Host {
    this.network.own(host.bind, host.index);
    this.network.own(host.link, host.index);
    return host;
  }
}

function isEqual(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && one.every((byte, at) => byte === other[at]);
}
