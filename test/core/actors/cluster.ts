/**
 * Nodes that host actors, joined by a network in memory: each has its own view, which a test may set
 * apart from the others', and every message takes a millisecond of virtual time.
 */
import { Actors } from "../../../core/actors/actors.ts";
import { CallTarget } from "../../../core/actors/call.ts";
import { type AnyActorDefinition, actorService } from "../../../core/actors/definition.ts";
import { PromiseCall } from "../../../core/actors/promise-call.ts";
import { GrapevineError } from "../../../core/errors.ts";
import { SeededRandom } from "../../../core/random.ts";
import type { DecisionRecord } from "../../../core/record.ts";
import { Services } from "../../../core/router/services.ts";
import type { Millis } from "../../../core/types.ts";
import type { InstanceView, MeshView } from "../../../core/view.ts";
import { createRoutingPolicies } from "../../../policies/routing.ts";
import { instanceView, memberView, meshView, nodeId } from "../../agent/views.ts";
import { VirtualClock } from "../../agent/virtual-clock.ts";

const LATENCY_MS = 1;

export class Cluster {
  readonly clock = new VirtualClock();
  readonly nodes = new Map<string, Node>();
  /** Pairs "a b" between which no link can be made, and nodes that are leaving at the link level. */
  readonly cut = new Set<string>();
  readonly draining = new Set<string>();
  version = 1;

  constructor(...names: readonly string[]) {
    for (const name of names) this.nodes.set(name, new Node(name, this));
  }

  node(name: string): Node {
    const node = this.nodes.get(name);
    if (node === undefined) throw new Error(`no node ${name}`);
    return node;
  }

  /** Hosts the types on the named nodes and shows that to all. */
  host(definitions: readonly AnyActorDefinition[], ...names: readonly string[]): void {
    for (const name of names) this.node(name).actors.host(definitions, name, "");
    this.agree();
  }

  /** Gives all nodes, or the named ones, the same view of all that is hosted. */
  agree(
    options: {
      seenBy?: readonly string[];
      leaving?: readonly string[];
      gone?: readonly string[];
    } = {},
  ) {
    const { leaving = [], gone = [] } = options;
    const present = [...this.nodes.values()].filter(({ name }) => !gone.includes(name));
    const instances: InstanceView[] = present.flatMap(({ name, actors }) =>
      actors.hostings
        .entries()
        .map((entry) => instanceView(entry.name, entry.id, name, { protocol: "actor", ports: [] })),
    );
    instances.sort((one, other) => (one.id < other.id ? -1 : 1));
    this.version += 1;
    for (const name of options.seenBy ?? this.nodes.keys()) {
      const members = [...this.nodes.keys()].map((each) =>
        memberView(each, {
          self: each === name,
          leaving: leaving.includes(each),
          link: each,
          state: gone.includes(each) ? "dead" : "alive",
        }),
      );
      this.node(name).see(meshView({ members, instances, version: this.version }));
    }
  }
}

class Node {
  readonly name: string;
  readonly actors: Actors;
  readonly records: DecisionRecord[] = [];
  readonly timerFailures: string[] = [];
  /** Calls that left this node. */
  sent = 0;
  view: MeshView;
  readonly #cluster: Cluster;

  constructor(name: string, cluster: Cluster) {
    this.name = name;
    this.#cluster = cluster;
    this.view = meshView({ members: [memberView(name, { self: true })] });
    const { clock } = cluster;
    const random = new SeededRandom(7);
    const policies = createRoutingPolicies(random);
    this.actors = new Actors({
      ...{ self: nodeId(name), clock, random },
      soon: queueMicrotask,
      later: setImmediate,
      view: () => this.view,
      services: new Services(policies),
      judgeError: policies.judgeError,
      send: (peer, address, payload, deadlineMs, done) => {
        this.sent += 1;
        const later = (callback: () => void) =>
          clock.at((clock.now() + LATENCY_MS) as Millis, callback);
        later(() => {
          if (cluster.cut.has(`${name} ${address}`)) {
            done(new GrapevineError("unreachable", `no link to ${peer}`), undefined);
          } else if (cluster.draining.has(address)) {
            done(new GrapevineError("draining", `${address} is leaving`), undefined);
          } else {
            const other = cluster.node(address).actors.router;
            other.onCall(nodeId(name), payload, deadlineMs, (error, reply) =>
              later(() => done(error, reply)),
            );
          }
        });
      },
      onRecord: (record) => this.records.push(record),
      onChange: () => undefined,
      onTimerFailed: (type, key) => this.timerFailures.push(`${type}/${key}`),
      reference: (definition, key) => ({ definition, key }),
    });
  }

  see(view: MeshView): void {
    this.view = view;
    this.actors.onView(view);
  }

  call(
    type: string,
    key: string,
    method: string,
    args: readonly unknown[] = [],
    options: { timeoutMs?: number; oneWay?: boolean } = {},
  ): Promise<unknown> {
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    promise.catch(() => undefined);
    const now = this.#cluster.clock.now();
    const target = new CallTarget(actorService(type), key);
    const due = now + (options.timeoutMs ?? 5_000);
    const oneWay = options.oneWay ?? false;
    const call = new PromiseCall(target, method, args, oneWay, due, resolve, reject);
    call.startedAt = now;
    this.actors.router.call(call);
    return promise;
  }
}
