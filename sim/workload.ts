/**
 * What applications do in a run: requests with and without a key, some of which must not run twice,
 * from random nodes to random services over the production router and links. Each request is counted
 * and its end is told to the trace; the moments and targets are counted draws, so that removing a
 * fault from a plan leaves them as they were.
 */
import type { GrapevineError } from "../core/errors.ts";
import type { ExchangeObserver, RequestHead, ResponseHead } from "../core/exchange/contract.ts";
import { serviceKey } from "../core/names.ts";
import type { InstanceEntry } from "../membership/document.ts";
import { drawBelow, drawFloat, streamKey } from "./engine/draws.ts";
import type { EventOf } from "./fault-site.ts";
import type { Agent } from "./node/agent.ts";
import type { Fleet } from "./node/fleet.ts";
import type { Host } from "./node/host.ts";
import { callTally } from "./node/tally.ts";
import { type DrawnRequest, drawRequest, furnished } from "./requests.ts";

const REQUEST_DEADLINE_MS = 10_000;
/** Requests that come at once, and the keys that they share. */
const BURST_REQUESTS = 8;
const BURST_KEYS = 4;
const ACTORS = 40;
const BODY = new TextEncoder().encode("0123456789abcdef");

export interface RequestCounts {
  sent: number;
  answered: number;
  failed: number;
}

export class Workload {
  readonly counts: RequestCounts = { sent: 0, answered: 0, failed: 0 };
  readonly #fleet: Fleet;
  #number = 0;
  #isOver = false;

  constructor(fleet: Fleet) {
    this.#fleet = fleet;
  }

  /** Puts the first registrations on a machine's disk, before its first start. */
  furnish(host: Host): void {
    for (const { service, id } of furnished(this.#fleet.plan, host.index)) {
      const key = `default/${service}/${id}`;
      host.disk.putRegistration(key, instanceOf(service, id));
      this.#fleet.emit({ kind: "registered", node: host.index, instance: key });
    }
  }

  /** Sends requests from now until `stop`. */
  start(): void {
    const {
      requestsPerSecond,
      burstsPerSecond = 0,
      services,
      callsPerSecond = 0,
    } = this.#fleet.plan.workload;
    if (requestsPerSecond > 0 && services > 0) this.#scheduleNext();
    if (burstsPerSecond > 0 && services > 0) this.#scheduleBurst(1, burstsPerSecond);
    if (callsPerSecond > 0) this.#scheduleCall(1, callsPerSecond);
  }

  stop(): void {
    this.#isOver = true;
  }

  /** Every node asks once, though the workload is over. */
  probe(): void {
    const { hosts, plan, world } = this.#fleet;
    const { services, callsPerSecond = 0 } = plan.workload;
    for (const { agent, index, isBroken } of hosts) {
      if (agent === undefined || isBroken) continue;
      world.plan(world.now, agent.lane, "workload", () => {
        if (services > 0) this.#open(agent, `s${index % services}`, undefined, true);
        if (callsPerSecond > 0) callTally(agent, `a${index % ACTORS}`, `probe ${index}`);
      });
    }
  }

  #scheduleNext(): void {
    const { world, plan } = this.#fleet;
    this.#number += 1;
    const drawn = drawRequest(plan, this.#number);
    world.plan(world.now + drawn.pauseUs, undefined, "workload", () => {
      if (this.#isOver) return;
      this.#send(drawn);
      this.#scheduleNext();
    });
  }

  /** One caller that hammers a few instances: only there do breakers and budgets come into play. */
  #scheduleBurst(number: number, perSecond: number): void {
    const { world, hosts, plan } = this.#fleet;
    const { requestsPerBurst = BURST_REQUESTS } = plan.workload;
    const key = streamKey(plan.seed, 0xb057);
    const pauseUs = Math.ceil((2_000_000 / perSecond) * drawFloat(key, number * 2));
    world.plan(world.now + pauseUs, undefined, "workload", () => {
      if (this.#isOver) return;
      this.#scheduleBurst(number + 1, perSecond);
      const { agent } = hosts[drawBelow(key, 0, hosts.length)] as Host;
      if (agent === undefined || agent.lane.isPaused) return;
      const shared = `burst ${drawBelow(key, number * 2 + 1, BURST_KEYS)}`;
      world.plan(world.now, agent.lane, "workload", () => {
        for (let sent = 0; sent < requestsPerBurst; sent += 1)
          this.#open(agent, "s0", shared, true);
      });
    });
  }

  /** Any node calls any of the actors. */
  #scheduleCall(number: number, perSecond: number): void {
    const { world, hosts, plan } = this.#fleet;
    const key = streamKey(plan.seed, 0xac70);
    const pauseUs = Math.ceil((2_000_000 / perSecond) * drawFloat(key, number * 4));
    world.plan(world.now + pauseUs, undefined, "workload", () => {
      if (this.#isOver) return;
      this.#scheduleCall(number + 1, perSecond);
      this.#call(hosts[drawBelow(key, number * 4 + 1, hosts.length)] as Host, number, key);
    });
  }

  #call({ agent }: Host, number: number, key: number): void {
    if (agent === undefined || agent.lane.isPaused) return;
    const { world } = this.#fleet;
    const actor = `a${drawBelow(key, number * 4 + 2, ACTORS)}`;
    world.plan(world.now, agent.lane, "workload", () => callTally(agent, actor, `c${number}`));
  }

  /** An application registers an instance, or takes it back. */
  registration(event: EventOf<"register" | "deregister">): void {
    const { world, hosts } = this.#fleet;
    const { agent } = hosts[event.node] as Host;
    if (agent === undefined || agent.lane.isPaused || agent.node.isLeaving) return;
    const { service, id, kind } = event;
    world.plan(world.now, agent.lane, "workload", () => {
      if (kind === "register") agent.register(instanceOf(service, id));
      else agent.deregister(`default/${service}/${id}`);
    });
  }

  /** Many more requests from one node, for a while. */
  overload({ node, forMs, requestsPerSecond, atMs }: EventOf<"overload">): void {
    const { world, plan, hosts } = this.#fleet;
    const { services } = plan.workload;
    if (services === 0 || requestsPerSecond <= 0) return;
    const key = streamKey(plan.seed, 0x07e2, atMs, node);
    const pauseUs = Math.ceil(1_000_000 / requestsPerSecond);
    const until = world.now + forMs * 1_000;
    const next = (number: number) => {
      if (this.#isOver || world.now > until) return;
      const { agent } = hosts[node] as Host;
      if (agent !== undefined && !agent.lane.isPaused) {
        const service = `s${drawBelow(key, number, Math.min(3, services))}`;
        world.plan(world.now, agent.lane, "workload", () =>
          this.#open(agent, service, undefined, true),
        );
      }
      world.plan(world.now + pauseUs, undefined, "workload", () => next(number + 1));
    };
    next(1);
  }

  #send({ node, service, key, isIdempotent }: DrawnRequest): void {
    const { world, hosts } = this.#fleet;
    const { agent } = hosts[node] as Host;
    if (agent === undefined || agent.lane.isPaused) return;
    world.plan(world.now, agent.lane, "workload", () => {
      this.#lookUp(agent, service);
      this.#open(agent, service, key, isIdempotent);
    });
  }

  #lookUp(agent: Agent, service: string): void {
    const { fleet, host, node } = agent;
    const found = node.view().services.get(serviceKey("default", service))?.instances ?? [];
    fleet.emit({
      ...{ kind: "lookup", node: host.index, service: `default/${service}` },
      instances: found.map(({ id }) => `default/${service}/${id}`),
    });
  }

  #open(agent: Agent, service: string, key: string | undefined, isIdempotent: boolean): void {
    const { fleet, host } = agent;
    const head = isIdempotent ? get(service) : post(service);
    let ends = 0;
    let status = 0;
    let request = "";
    const end = (error: GrapevineError | undefined) => {
      ends += 1;
      const isAnswered = error === undefined;
      if (ends === 1) this.counts[isAnswered ? "answered" : "failed"] += 1;
      fleet.emit({
        ...{ kind: "outcome", node: host.index, request, status },
        error: error?.short ?? "",
      });
    };
    const observer: ExchangeObserver = {
      onRequestDrain: () => {},
      onInformational: () => {},
      onHead: (answer: ResponseHead) => {
        status = answer.status;
      },
      onBody: () => {},
      onEnd: () => end(undefined),
      onError: (error) => end(error),
    };
    this.counts.sent += 1;
    const opened = agent.node.router.open(
      {
        ...{ head, key, listener: "sim", remote: "127.0.0.1:1" },
        ...{ deadlineLeftMs: REQUEST_DEADLINE_MS },
        destination: {
          ...{ kind: "mesh", service: serviceKey("default", service) },
          ...{ instance: undefined, port: 80 },
        },
      },
      observer,
    );
    request = opened.requestId;
    fleet.emit({
      ...{ kind: "request", node: host.index, request, isIdempotent },
      service: `default/${service}`,
    });
    if (!isIdempotent) opened.exchange.writeBody(new Uint8Array(BODY));
    opened.exchange.endBody([]);
  }
}

function get(service: string): RequestHead {
  return {
    ...{ kind: "http", method: "GET", path: "/", authority: `${service}.mesh`, body: 0 },
    headers: ["Host", `${service}.mesh`],
    ...{ upgrade: undefined, expectContinue: false },
  };
}

function post(service: string): RequestHead {
  const length = String(BODY.length);
  return {
    ...get(service),
    ...{ method: "POST", body: BODY.length },
    headers: ["Host", `${service}.mesh`, "Content-Length", length],
  };
}

function instanceOf(service: string, id: string): InstanceEntry {
  return {
    ...{ namespace: "default", name: service, id, protocol: "http", ports: [80] },
    ...{ address: "127.0.0.1:8080", version: "", weight: 1, tags: {} },
  };
}
