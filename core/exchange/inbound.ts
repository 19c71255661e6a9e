/**
 * The receiver's side of an attempt: what comes over a link, or from this agent's own router, for
 * an instance that is registered here. It refuses what it cannot take before anything runs, so that
 * the caller may try elsewhere (`executed: "no"`), counts what it has handed on, and tells when the
 * last of it is done, which is what a draining agent waits for.
 */
import { assert } from "../assert.ts";
import { GrapevineError } from "../errors.ts";
import { INBOUND_IN_FLIGHT_MAX, INBOUND_PER_INSTANCE_MAX } from "../limits.ts";
import { parseServiceName, serviceKey } from "../names.ts";
import type { Clock } from "../seams.ts";
import type { NodeId, ServiceKey, ServiceProtocol } from "../types.ts";
import type {
  AttemptContext,
  Exchange,
  ExchangeObserver,
  RawHeaders,
  RequestHead,
  ResponseHead,
} from "./contract.ts";
import { refuse } from "./refused.ts";

/** What the receiver has to know of an instance on this agent. */
export interface LocalInstance {
  readonly service: ServiceKey;
  readonly id: string;
  readonly protocol: ServiceProtocol;
  /** Service ports that it answers for. */
  readonly ports: readonly number[];
}

export interface InboundOptions<Instance extends LocalInstance> {
  /** This node: its own attempts are taken even while it drains, and nobody waits for them here. */
  readonly self: NodeId;
  readonly clock: Clock;
  /** The instance as it is registered on this agent now. */
  find(service: ServiceKey, id: string): Instance | undefined;
  open(
    instance: Instance,
    context: AttemptContext,
    request: RequestHead,
    observer: ExchangeObserver,
  ): Exchange;
  /** Called once, after `drain`, when nothing of a peer is in flight any more. */
  onIdle(): void;
  /** INBOUND_IN_FLIGHT_MAX and INBOUND_PER_INSTANCE_MAX by default. */
  readonly inFlightMax?: number;
  readonly perInstanceMax?: number;
}

export class Inbound<Instance extends LocalInstance> {
  readonly #options: InboundOptions<Instance>;
  readonly #inFlightMax: number;
  readonly #perInstanceMax: number;
  readonly #perInstance = new Map<string, number>();
  #inFlight = 0;
  #ofPeers = 0;
  #isDraining = false;
  #isIdleTold = false;

  constructor(options: InboundOptions<Instance>) {
    this.#options = options;
    this.#inFlightMax = options.inFlightMax ?? INBOUND_IN_FLIGHT_MAX;
    this.#perInstanceMax = options.perInstanceMax ?? INBOUND_PER_INSTANCE_MAX;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  /** Takes an attempt from `peer`; a refusal arrives at the observer like any other failure. */
  accept(
    peer: NodeId,
    context: AttemptContext,
    request: RequestHead,
    observer: ExchangeObserver,
  ): Exchange {
    const found = this.#admit(peer, context, request);
    if (found instanceof GrapevineError) return refuse(this.#options.clock, found, observer);
    const key = instanceKey(found);
    this.#inFlight += 1;
    this.#perInstance.set(key, (this.#perInstance.get(key) ?? 0) + 1);
    const isPeer = peer !== this.#options.self;
    if (isPeer) this.#ofPeers += 1;
    const counted = new CountedExchange(observer, () => this.#release(key, isPeer));
    counted.exchange = this.#options.open(found, context, request, counted);
    return counted;
  }

  /** Refuses what peers send from now on; `onIdle` follows when what runs for them has ended. */
  drain(): void {
    if (this.#isDraining) return;
    this.#isDraining = true;
    const { clock } = this.#options;
    clock.at(clock.now(), () => this.#tellIfIdle());
  }

  #admit(peer: NodeId, context: AttemptContext, request: RequestHead): Instance | GrapevineError {
    if (this.#isDraining && peer !== this.#options.self) {
      return new GrapevineError("draining", "the agent of this instance is leaving the mesh");
    }
    const instance = this.#find(context);
    const what = `instance ${context.instance} of ${context.service}`;
    if (instance === undefined) {
      return new GrapevineError("not_owner", `${what} is not registered on the agent asked for it`);
    }
    if (!instance.ports.includes(context.port)) {
      const ports = instance.ports.join(", ");
      return new GrapevineError(
        "not_owner",
        `${what} does not offer port ${context.port}; it offers ${ports}`,
      );
    }
    if (request.kind === "http" && instance.protocol === "tcp") {
      return new GrapevineError("unsupported", `${what} is registered as tcp, not http`);
    }
    if (context.deadlineLeftMs !== undefined && context.deadlineLeftMs <= 0) {
      return new GrapevineError(
        "deadline_exceeded",
        `the attempt from ${peer} at ${what} arrived after its deadline`,
        { executed: "no" },
      );
    }
    return this.#overload(instance, what) ?? instance;
  }

  /** Peers name a service in full; whatever else may name one is tried when that finds nothing. */
  #find({ service, instance }: AttemptContext): Instance | undefined {
    const found = this.#options.find(service as ServiceKey, instance);
    if (found?.service === service && found.id === instance) return found;
    const name = parseServiceName(service);
    return name && this.#options.find(serviceKey(name.namespace, name.name), instance);
  }

  #overload(instance: Instance, what: string): GrapevineError | undefined {
    const running = this.#perInstance.get(instanceKey(instance)) ?? 0;
    if (running >= this.#perInstanceMax) {
      return new GrapevineError("overloaded", `${what} has ${running} requests in flight`);
    }
    if (this.#inFlight < this.#inFlightMax) return undefined;
    const sum = `${this.#inFlight} requests in flight`;
    return new GrapevineError("overloaded", `the agent of ${what} has ${sum}, its limit`);
  }

  #release(key: string, isPeer: boolean): void {
    const left = (this.#perInstance.get(key) ?? 0) - 1;
    assert(left >= 0, `inbound: ${key} was released more often than taken`);
    if (left === 0) this.#perInstance.delete(key);
    else this.#perInstance.set(key, left);
    this.#inFlight -= 1;
    if (isPeer) this.#ofPeers -= 1;
    if (this.#isDraining) this.#tellIfIdle();
  }

  #tellIfIdle(): void {
    if (this.#ofPeers > 0 || this.#isIdleTold) return;
    this.#isIdleTold = true;
    this.#options.onIdle();
  }
}

function instanceKey({ service, id }: LocalInstance): string {
  return `${service}/${id}`;
}

/** Passes everything through and tells the first end of either side. */
class CountedExchange implements Exchange, ExchangeObserver {
  /** Set as soon as the instance's side is open. */
  exchange: Exchange | undefined;
  readonly #observer: ExchangeObserver;
  readonly #onOver: () => void;
  #isOver = false;

  constructor(observer: ExchangeObserver, onOver: () => void) {
    this.#observer = observer;
    this.#onOver = onOver;
  }

  writeBody(chunk: Uint8Array): boolean {
    return this.#isOver || (this.exchange?.writeBody(chunk) ?? true);
  }

  endBody(trailers: RawHeaders): void {
    if (!this.#isOver) this.exchange?.endBody(trailers);
  }

  cancel(reason: GrapevineError): void {
    if (!this.#over()) return;
    this.exchange?.cancel(reason);
    this.#onOver();
  }

  pause(): void {
    this.exchange?.pause();
  }

  resume(): void {
    this.exchange?.resume();
  }

  onRequestDrain(): void {
    if (!this.#isOver) this.#observer.onRequestDrain();
  }

  onInformational(head: ResponseHead): void {
    if (!this.#isOver) this.#observer.onInformational(head);
  }

  onHead(head: ResponseHead): void {
    if (!this.#isOver) this.#observer.onHead(head);
  }

  onBody(chunk: Uint8Array): void {
    if (!this.#isOver) this.#observer.onBody(chunk);
  }

  onEnd(trailers: RawHeaders): void {
    if (!this.#over()) return;
    this.#observer.onEnd(trailers);
    this.#onOver();
  }

  onError(error: GrapevineError): void {
    if (!this.#over()) return;
    this.#observer.onError(error);
    this.#onOver();
  }

  /** True the first time. */
  #over(): boolean {
    const isFirst = !this.#isOver;
    this.#isOver = true;
    return isFirst;
  }
}
