/**
 * Turns seams into a running node: the control loop on one side, router, links and the receiver's
 * side on the other, and between them only views and the news that a member is gone. The daemon,
 * the embedded node and the simulator all assemble a node here, so that what is simulated is what
 * ships. No I/O of its own: this file reaches only the pure folders.
 */

import { Actors } from "../core/actors/actors.ts";
import type { AnyActorDefinition } from "../core/actors/definition.ts";
import type {
  AttemptContext,
  Exchange,
  ExchangeObserver,
  RequestHead,
} from "../core/exchange/contract.ts";
import { Inbound, type LocalInstance } from "../core/exchange/inbound.ts";
import { type EgressOpener, Router } from "../core/exchange/routed.ts";
import { type LinkEvent, Links } from "../core/link/links.ts";
import type { DecisionRecord } from "../core/record.ts";
import type { RoutingPolicies } from "../core/router/policy.ts";
import { Services } from "../core/router/services.ts";
import type {
  Clock,
  CloseReason,
  ControlTransport,
  LinkTransport,
  Random,
  Signer,
  Verifier,
} from "../core/seams.ts";
import type { Millis, NodeId, ServiceKey } from "../core/types.ts";
import type { MeshView } from "../core/view.ts";
import type { MembershipConfig } from "../membership/config.ts";
import { ControlLoop } from "../membership/control-loop.ts";
import {
  DIRECTORY_DEFAULTS,
  Directory,
  type DirectoryConfig,
  type DirectoryReport,
} from "../membership/directory.ts";
import type { InstanceEntry } from "../membership/document.ts";
import type { CertificateCheck } from "../membership/document-codec.ts";
import { type MemberEvent, Membership } from "../membership/membership.ts";
import type { Registry } from "../membership/registry.ts";
import type { StatementReader } from "../membership/statement-reader.ts";
import { ViewBuilder } from "../membership/view.ts";
import { createRoutingPolicies } from "../policies/routing.ts";

/** The instances that this node answers for. */
export interface LocalInstances<Instance extends LocalInstance> {
  find(service: ServiceKey, id: string): Instance | undefined;
  open(
    instance: Instance,
    context: AttemptContext,
    request: RequestHead,
    observer: ExchangeObserver,
  ): Exchange;
}

export interface NodeSeams<Instance extends LocalInstance> {
  readonly clock: Clock;
  readonly random: Random;
  readonly signer: Signer;
  readonly verifier: Verifier;
  readonly control: ControlTransport;
  readonly links: LinkTransport;
  /** Calls back at the end of the event-loop turn. */
  readonly flushSoon: (callback: () => void) => void;
  readonly instances: LocalInstances<Instance>;
  readonly outside: EgressOpener;
  readonly actors?: ActorSeams;
  /** Makes the routing policies; the simulator watches them. */
  readonly policies?: (random: Random) => RoutingPolicies;
  /** Shared by the nodes of one simulation; an agent has its own. */
  readonly registry?: Registry;
  readonly reader?: StatementReader;
}

/** What actors in this process need beyond the rest; without it turns begin with flushSoon. */
export interface ActorSeams {
  /** Calls back as soon as what runs now is over, before I/O. */
  readonly soon: (callback: () => void) => void;
  /** Makes the reference to another actor that an actor asks its context for. */
  readonly reference: (definition: AnyActorDefinition, key: string) => unknown;
}

export interface NodeSettings {
  readonly self: NodeId;
  /** Greater than that of any earlier start, and on disk. */
  readonly epoch: number;
  readonly nonce: number;
  readonly certificate: Uint8Array;
  readonly name: string;
  readonly zone: string;
  readonly region: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Grapevine's own. */
  readonly version: string;
  /** HOST:PORT at which others reach the control plane and the link port. */
  readonly bind: string;
  readonly link: string;
  readonly membership: MembershipConfig;
  readonly directory?: Partial<DirectoryConfig>;
  readonly checkCertificate: CertificateCheck;
  /** Read for each request, so that a reload takes effect with the next one. */
  readonly egress: () => "allow" | "deny";
  /** SPIFFE id in whose name requests go out. */
  readonly caller: string;
}

export interface NodeListener {
  /** Left out where nobody follows views: then they are made only when asked for. */
  onView?(view: MeshView, former: MeshView): void;
  onMemberEvent(event: MemberEvent): void;
  onLinkEvent(event: LinkEvent): void;
  /** A directory statement to keep for the next start. */
  onDocument(owner: NodeId, message: Uint8Array, part: number): void;
  onRefused(peer: NodeId, why: string): void;
  onDirectoryReport(report: DirectoryReport): void;
  /** What became of an address that was dialled: connected, or why not. */
  onDialed(address: string, failure: CloseReason | undefined): void;
  onRecord(record: DecisionRecord): void;
  /** A timer of an actor, or its onStop hook, threw. */
  onActorTimerFailed?(type: string, key: string, thrown: unknown): void;
}

/** The share of the drain timeout after which this host's own clients are turned away in any case. */
const OWN_CLIENTS_DRAIN_FROM = 0.75;
/** How often a leaving node looks whether the requests it routes are done. */
const DRAIN_CHECK_MS = 20;
/** Lets the last word reach the peers before the connections close. */
const FAREWELL_MS = 150;

export class MeshNode<Instance extends LocalInstance> {
  readonly control: ControlLoop;
  readonly router: Router;
  readonly links: Links;
  readonly inbound: Inbound<Instance>;
  readonly directory: Directory;
  readonly actors: Actors;
  readonly #clock: Clock;
  readonly #settings: NodeSettings;
  #instances: readonly InstanceEntry[] = [];
  #isInboundIdle = false;
  #isLeaving = false;

  constructor(seams: NodeSeams<Instance>, settings: NodeSettings, listener: NodeListener) {
    this.#clock = seams.clock;
    this.#settings = settings;
    this.directory = this.#createDirectory(seams);
    this.control = this.#createControl(seams, listener);
    this.inbound = new Inbound<Instance>({
      self: settings.self,
      clock: seams.clock,
      find: (service, id) => seams.instances.find(service, id),
      open: (instance, context, request, observer) =>
        seams.instances.open(instance, context, request, observer),
      onIdle: () => {
        this.#isInboundIdle = true;
      },
    });
    this.links = new Links({
      self: settings.self,
      clock: seams.clock,
      random: seams.random.fork("links"),
      transport: seams.links,
      flushSoon: seams.flushSoon,
      accept: (peer, context, request, observer) =>
        this.inbound.accept(peer, context, request, observer),
      onCall: (peer, payload, deadlineLeftMs, respond) =>
        this.actors.router.onCall(peer, payload, deadlineLeftMs, respond),
      report: (event) => listener.onLinkEvent(event),
    });
    const policies = (seams.policies ?? createRoutingPolicies)(seams.random.fork("policies"));
    const services = new Services(policies);
    this.router = this.#createRouter(seams, listener, policies, services);
    this.actors = this.#createActors(seams, listener, policies, services);
  }

  get isLeaving(): boolean {
    return this.#isLeaving;
  }

  view(): MeshView {
    return this.control.view();
  }

  /** Starts to listen to the control plane and to dial the seeds. */
  start(seeds: readonly string[]): void {
    this.control.start(seeds);
    this.setInstances([], []);
  }

  /** Replaces what this node offers; `failing` names instances by "namespace/name/id". */
  setInstances(instances: readonly InstanceEntry[], failing: readonly string[]): void {
    this.control.setFailing(failing);
    this.#instances = instances;
    this.#publish();
  }

  #publish(): void {
    const { name, bind, link, zone, region, labels, version, certificate } = this.#settings;
    const instances = [...this.#instances, ...this.actors.hostings.entries()];
    this.control.setOwn({
      name,
      bind,
      link,
      zone,
      region,
      labels,
      version,
      certificate,
      instances,
    });
  }

  join(address: string): void {
    this.control.withMembership((membership, now, output) =>
      membership.addSeeds([address], now, output),
    );
  }

  /** Drops a member that is dead or has left; false if it is neither. */
  forget(peer: NodeId): boolean {
    let forgotten = false;
    this.control.withMembership((membership, now, output) => {
      forgotten = membership.forget(peer, now, output);
    });
    return forgotten;
  }

  /**
   * Leaves in order: says that it is leaving, refuses new work in a way that callers may repeat
   * elsewhere, finishes what runs, at most for `drainTimeoutMs`, says that it has left. `served`
   * says that nothing of the peers runs here any more, or that little time is left: until then their
   * requests may need more requests, from the instances of this host to others. `done` tells how
   * many requests were cut off.
   */
  leave(
    drainTimeoutMs: number,
    done: (cutOff: number) => void,
    served: () => void = () => {},
  ): void {
    if (this.#isLeaving) return;
    this.#isLeaving = true;
    this.control.withMembership((membership, now, output) => membership.setLeaving(now, output));
    let areLinksTold = false;
    const start = this.#clock.now();
    this.links.drain(start, () => {
      areLinksTold = true;
    });
    this.inbound.drain();
    let areActorsIdle = false;
    this.actors.drain(() => {
      areActorsIdle = true;
    });
    let isServedTold = false;
    const check = () => {
      const now = this.#clock.now();
      const isServed =
        areLinksTold && this.#isInboundIdle && areActorsIdle && this.actors.inbound === 0;
      const isLate = now - start >= drainTimeoutMs * OWN_CLIENTS_DRAIN_FROM;
      if ((isServed || isLate) && !isServedTold) {
        isServedTold = true;
        served();
      }
      const isDone = isServed && this.router.inFlight === 0;
      if (!isDone && now - start < drainTimeoutMs) {
        this.#clock.at((now + DRAIN_CHECK_MS) as Millis, check);
        return;
      }
      const cutOff = this.router.inFlight + this.inbound.inFlight + this.actors.inbound;
      this.control.withMembership((membership, when, output) => membership.leave(when, output));
      this.#clock.at((now + FAREWELL_MS) as Millis, () => done(cutOff));
    };
    check();
  }

  stop(): void {
    this.control.stop();
    this.actors.stop();
    this.links.stop();
  }

  #createControl(seams: NodeSeams<Instance>, listener: NodeListener): ControlLoop {
    const { self, epoch, nonce, bind, membership } = this.#settings;
    const { clock, random, signer, verifier } = seams;
    const directory = this.directory;
    const parts = {
      clock,
      transport: seams.control,
      membership: new Membership({
        self,
        epoch,
        nonce,
        bind,
        config: membership,
        random: random.fork("membership"),
        signer,
        verifier,
        ...(seams.registry === undefined ? {} : { registry: seams.registry }),
      }),
      directory,
      views: new ViewBuilder({ self, directory }),
    };
    return new ControlLoop(parts, {
      onView: (view, former) => {
        this.actors.onView(view);
        listener.onView?.(view, former);
      },
      followsViews: () => listener.onView !== undefined || this.actors.hostings.isHosting,
      onMemberEvent: (event) => {
        if (event.kind === "dead") this.links.failPeer(event.peer, "its agent was declared dead");
        if (event.kind === "left") this.links.closePeer(event.peer, "its agent left the mesh");
        listener.onMemberEvent(event);
      },
      onDocument: (owner, message, part) => listener.onDocument(owner, message, part),
      onRefused: (peer, why) => listener.onRefused(peer, why),
      onDirectoryReport: (report) => listener.onDirectoryReport(report),
      onDialed: (address, failure) => listener.onDialed(address, failure),
    });
  }

  #createActors(
    seams: NodeSeams<Instance>,
    listener: NodeListener,
    policies: RoutingPolicies,
    services: Services,
  ): Actors {
    const { flushSoon, actors, clock } = seams;
    return new Actors({
      ...{ self: this.#settings.self, clock, services },
      random: seams.random.fork("actors"),
      soon: actors?.soon ?? flushSoon,
      later: flushSoon,
      view: () => this.control.view(),
      judgeError: policies.judgeError,
      send: (peer, address, payload, deadlineMs, done) =>
        this.links.call(peer, address, payload, deadlineMs, done),
      onRecord: (record) => listener.onRecord(record),
      onChange: () => this.#publish(),
      onTimerFailed: (type, key, thrown) => listener.onActorTimerFailed?.(type, key, thrown),
      reference: (definition, key) => actors?.reference(definition, key),
    });
  }

  #createRouter(
    seams: NodeSeams<Instance>,
    listener: NodeListener,
    policies: RoutingPolicies,
    services: Services,
  ): Router {
    const settings = this.#settings;
    return new Router({
      clock: seams.clock,
      random: seams.random.fork("router"),
      view: () => this.control.view(),
      attempts: {
        open: (instance, context, request, observer) =>
          instance.agent === settings.self
            ? this.inbound.accept(settings.self, context, request, observer)
            : this.links.open(
                instance.agent,
                this.control.view().members.get(instance.agent)?.link ?? "",
                context,
                request,
                observer,
              ),
      },
      egress: {
        get policy() {
          return settings.egress();
        },
        open: (host, port, request, observer) => seams.outside.open(host, port, request, observer),
      },
      ...{ policies, services },
      onRecord: (record) => listener.onRecord(record),
      caller: settings.caller,
    });
  }

  #createDirectory(seams: NodeSeams<Instance>): Directory {
    const { self, epoch, nonce, region, checkCertificate, directory } = this.#settings;
    const { signer, verifier, reader } = seams;
    return new Directory({
      ...{ self, epoch, nonce, signer, verifier, checkCertificate },
      config: { ...DIRECTORY_DEFAULTS, region, ...directory },
      random: seams.random.fork("directory"),
      memberState: (peer) => this.control.memberState(peer),
      ...(reader === undefined ? {} : { reader }),
    });
  }
}
