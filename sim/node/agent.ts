/**
 * One agent process: the production node (agent/assemble.ts) over simulated seams. It does for the
 * node what the daemon does: restores what is on disk, keeps what is to be kept, tells it when the
 * event loop ran late, and offers the registrations. What the node reports goes into the trace.
 */
import { MeshNode, type NodeListener, type NodeSettings } from "../../agent/assemble.ts";
import { GrapevineError } from "../../core/errors.ts";
import type { LocalInstance } from "../../core/exchange/inbound.ts";
import { refuse } from "../../core/exchange/refused.ts";
import { hash32 } from "../../core/hash.ts";
import { SeededRandom } from "../../core/random.ts";
import type { DecisionRecord } from "../../core/record.ts";
import type { Signer } from "../../core/seams.ts";
import type { Millis, NodeId } from "../../core/types.ts";
import { MEMBERSHIP_PRESETS, type MembershipConfig } from "../../membership/config.ts";
import { topicOf } from "../../membership/directory.ts";
import type { InstanceEntry } from "../../membership/document.ts";
import { instanceKey } from "../../membership/document-fields.ts";
import type { MemberEvent } from "../../membership/membership.ts";
import type { Lane } from "../engine/lane.ts";
import { LocalClock } from "../engine/local-clock.ts";
import type { Held } from "../trace.ts";
import { type Application, serve } from "./application.ts";
import { SimControl } from "./control.ts";
import { readEmission } from "./emissions.ts";
import type { Fleet } from "./fleet.ts";
import type { Host } from "./host.ts";
import { SimLinks } from "./links.ts";
import { TALLY_SERVICE, tallyOf } from "./tally.ts";
import { type BreakerNews, watchedPolicies } from "./watched-policies.ts";

/** How often the daemon looks whether its event loop runs late. */
const MONITOR_MS = 100;
const MONITOR_MS_MIN = 50;
export const REGION = "";
/** What a later version says of an instance, and this one does not know. */
const LATER_VERSION = "0.2.0";
const LATER = { laterField: { warmupMs: 500 } };

export class Agent {
  readonly fleet: Fleet;
  readonly host: Host;
  readonly lane: Lane;
  readonly clock: LocalClock;
  readonly signer: Signer;
  readonly control: SimControl;
  readonly links: SimLinks;
  readonly node: MeshNode<LocalInstance>;
  readonly application: Application;
  readonly epoch: number;
  #isMonitored = false;

  constructor(fleet: Fleet, host: Host, lane: Lane) {
    this.fleet = fleet;
    this.host = host;
    this.lane = lane;
    const { world, network, broadcast, signatures } = fleet;
    const label = `${world.seed} ${host.name} ${host.starts}`;
    const random = new SeededRandom(hash32(label, world.seed));
    this.clock = new LocalClock(world, lane, host.machine, 1_000 + random.below(1_000_000));
    this.signer = signatures.signer(fleet.labelOf(host), (bytes) => this.#onSign(bytes));
    const { id } = this.signer;
    const { expiresWallMs, certificate } = fleet.certificateOf(id, host);
    const shared = { id, lane, network };
    const tellLinked = (plane: "control" | "link") => (peer: NodeId, on: boolean) =>
      fleet.emit({ kind: "linked", node: host.index, peer: fleet.indexOf(peer), plane, on });
    this.control = new SimControl({
      ...{ ...shared, onLinked: tellLinked("control") },
      ...{ address: host.bind, broadcast, clock: this.clock, topics: [topicOf(REGION)] },
    });
    this.links = new SimLinks({
      ...{ ...shared, address: host.link, expiresWallMs, onLinked: tellLinked("link") },
    });
    this.application = {
      mode: "well",
      clock: this.clock,
      onExecute: (context) =>
        fleet.emit({
          ...{ kind: "executed", node: host.index, request: context.requestId },
          instance: `${context.service}/${context.instance}`,
        }),
    };
    host.disk.takeSnapshot();
    this.epoch = host.disk.nextEpoch(this.clock.wall());
    this.node = new MeshNode(
      {
        ...{ clock: this.clock, random, signer: this.signer, verifier: signatures },
        ...{ control: this.control, links: this.links },
        ...{ registry: fleet.registry, reader: fleet.reader },
        flushSoon: (callback) => world.atTurnEnd(callback),
        policies: (source) => watchedPolicies(source, (news) => this.#onBreaker(news)),
        instances: this.#instances(),
        outside: {
          open: (_host, _port, _request, observer) =>
            refuse(this.clock, new GrapevineError("egress_failed", "no way out"), observer),
        },
      },
      this.#settings(certificate, random.below(0x7fff_ffff)),
      this.#listener(),
    );
  }

  get id(): NodeId {
    return this.signer.id;
  }

  /** In the order of the daemon: the planes, what was learned, then the registrations. */
  start(seeds: readonly string[]): void {
    this.node.start(seeds);
    for (const message of this.host.disk.documents()) this.node.control.restore(message);
    const { callsPerSecond = 0 } = this.fleet.plan.workload;
    // A clone is there to trouble the one that it copies, not to offer anything.
    if (callsPerSecond > 0 && this.host.index < this.fleet.plan.nodes) this.#hostActors();
    this.offer();
  }

  #hostActors(): void {
    // A clone is called what the machine is called that it copies.
    const node = this.fleet.indexOf(this.id);
    const name = this.fleet.hosts[node]?.name ?? this.host.name;
    this.node.actors.host([tallyOf(this)], name, "simulated");
    const instance = `${TALLY_SERVICE}/${name}`;
    this.fleet.emit({ kind: "registered", node, instance });
  }

  /** Offers what is on disk. */
  offer(): void {
    const { disk, version } = this.host;
    const entries = [...disk.registrations.values()];
    const isLater = version === LATER_VERSION;
    this.node.setInstances(
      isLater ? entries.map((entry) => ({ ...entry, ...LATER })) : entries,
      [],
    );
  }

  /** Acknowledged once it is on disk. */
  register(entry: InstanceEntry): void {
    const key = instanceKey(entry);
    this.#whenSynced(() => {
      if (!this.host.disk.putRegistration(key, entry)) return;
      this.offer();
      this.fleet.emit({ kind: "registered", node: this.host.index, instance: key });
    });
  }

  deregister(key: string): void {
    this.#whenSynced(() => {
      if (!this.host.disk.deleteRegistration(key)) return;
      this.offer();
      this.fleet.emit({ kind: "deregistered", node: this.host.index, instance: key });
    });
  }

  #whenSynced(write: () => void): void {
    const { syncMs } = this.host.disk;
    if (syncMs === 0) write();
    else this.clock.at((this.clock.now() + syncMs) as Millis, write);
  }

  /** A digest of the documents that it holds, whatever their order. */
  contents(): number {
    let digest = 0;
    for (const { owner, part, epoch, seq, hash } of this.node.directory.snapshot().statements) {
      digest ^= hash32(`${owner}/${part} ${epoch}.${seq} ${hash}`);
    }
    return digest >>> 0;
  }

  /** How much it keeps, for the check that this is bounded. */
  held(): Held {
    // Counted, not listed: a list of everybody that each node keeps is gigabytes in a large mesh.
    const members = this.node.control.membersTable();
    let rows = 0;
    for (const slot of members.slots()) if (members.statement(slot) !== undefined) rows += 1;
    let held = {
      members: rows,
      statements: this.node.directory.parts(),
      rumours: 0,
      subjects: 0,
      peers: 0,
    };
    this.node.control.withMembership((membership) => {
      const { rumours, subjects, peers } = membership.health();
      held = { ...held, rumours, subjects, peers };
    });
    return held;
  }

  /** Watches the event loop while something is wrong with it: at other times nothing runs late. */
  monitorLoop(): void {
    if (this.#isMonitored) return;
    this.#isMonitored = true;
    const expected = (this.clock.now() + MONITOR_MS) as Millis;
    this.clock.at(expected, () => {
      this.#isMonitored = false;
      const delayMs = this.clock.now() - expected;
      if (delayMs >= MONITOR_MS_MIN) {
        this.node.control.withMembership((membership, now, out) =>
          membership.onLoopDelay(delayMs, now, out),
        );
      }
      if (this.lane.costUs > 0) this.monitorLoop();
    });
  }

  #settings(certificate: Uint8Array, nonce: number): NodeSettings {
    const { fleet, host } = this;
    const { plan } = fleet;
    const preset = MEMBERSHIP_PRESETS[plan.preset];
    return {
      ...{ self: this.signer.id, epoch: this.epoch, nonce, certificate },
      ...{ name: host.name, zone: `z${host.zone}`, region: REGION, labels: {} },
      ...{ version: host.version, bind: host.bind, link: host.link },
      membership: { ...preset, ...plan.membership } as MembershipConfig,
      directory: { pushEnabled: plan.push, leaseMs: plan.leaseMs },
      checkCertificate: (peer, bytes) => fleet.checkCertificate(peer, bytes, this.clock.wall()),
      egress: () => "deny",
      caller: `spiffe://sim/node/${host.name}`,
    };
  }

  #instances() {
    const { registrations } = this.host.disk;
    return {
      find: (service: string, id: string): LocalInstance | undefined => {
        const entry = registrations.get(`${service}/${id}`);
        if (entry === undefined) return undefined;
        const { protocol, ports } = entry;
        return { service: service as LocalInstance["service"], id, protocol, ports };
      },
      open: (
        _instance: LocalInstance,
        context: Parameters<typeof serve>[1],
        request: Parameters<typeof serve>[2],
        observer: Parameters<typeof serve>[3],
      ) => serve(this.application, context, request, observer),
    };
  }

  #listener(): NodeListener {
    const { fleet, host } = this;
    return {
      onMemberEvent: (event) => this.#onMemberEvent(event),
      onLinkEvent: () => {},
      onDocument: (owner, message, part) => {
        host.disk.keepDocument(owner, part, message, fleet.world.now);
        fleet.onStored(this, owner, message, part);
      },
      onRefused: (peer, why) =>
        fleet.emit({ kind: "refused", node: host.index, from: fleet.indexOf(peer), why }),
      onDirectoryReport: (report) => fleet.mark(`directory ${report.kind}`),
      onDialed: () => {},
      onRecord: (record) => this.#onRecord(record),
    };
  }

  #onSign(bytes: Uint8Array): void {
    const emission = readEmission(bytes);
    if (emission === undefined) return;
    const { fleet } = this;
    // By the key, not the machine: a clone speaks in the name of the node that it copies.
    const node = fleet.indexOf(this.id);
    if (emission.kind === "accused") {
      fleet.emit({ ...emission, node, subject: fleet.indexOf(emission.subject) });
    } else fleet.emit({ ...emission, node });
  }

  #onMemberEvent(event: MemberEvent): void {
    const { fleet, host } = this;
    const subject = fleet.indexOf(event.peer);
    if (event.kind === "duplicate_identity") {
      fleet.emit({ kind: "duplicate", node: host.index, subject });
      return;
    }
    if (event.kind === "refuted" && event.peer === this.id) {
      fleet.mark("refuted an accusation of itself");
      return;
    }
    const isAlive = ["joined", "alive", "leaving", "refuted"].includes(event.kind);
    const belief = isAlive ? "alive" : (event.kind as "suspect" | "dead" | "left" | "forgotten");
    const { epoch, incarnation } = event;
    const why = fleet.named(event.why);
    fleet.emit({ kind: "belief", node: host.index, subject, belief, epoch, incarnation, why });
    fleet.mark(`member ${event.kind}`);
  }

  #onBreaker(news: BreakerNews): void {
    if (news.to !== "held back") this.fleet.mark(`breaker ${news.to}`);
    this.fleet.emit({ kind: "breaker", node: this.host.index, ...news });
  }

  #onRecord(record: DecisionRecord): void {
    const { fleet, host } = this;
    const startedMs = this.clock.now() - record.durationMs;
    fleet.emit({
      ...{ kind: "record", node: host.index, request: record.id, service: record.service },
      ...{ outcome: record.outcome, error: record.error ?? "" },
      attempts: record.attempts.map((attempt) => ({
        at: this.clock.worldTimeOf((startedMs + attempt.startMs) as Millis),
        instance: `${record.service}/${attempt.instance}`,
        target: attempt.agent === "" ? -1 : fleet.indexOf(attempt.agent),
        breaker: attempt.breaker,
        outcome: attempt.outcome,
        executed: attempt.executed ?? "",
        error: attempt.error ?? "",
      })),
    });
    if (record.attempts.length > 1) fleet.mark("a request was repeated");
    if (record.error !== null) fleet.mark(`request ${record.error}`);
  }
}
