/**
 * The front behind every listener: it turns what an application asked for into a routed exchange,
 * and keeps what all of them share: the state of each service, the bound on requests in flight and
 * the watch for silence. Where to send is decided in core/router, whether to repeat in policies.
 */
import { GrapevineError } from "../errors.ts";
import { REQUESTS_IN_FLIGHT_MAX } from "../limits.ts";
import type { DecisionRecord } from "../record.ts";
import type { BreakerState, RoutingPolicies } from "../router/policy.ts";
import { Services } from "../router/services.ts";
import type { Clock, Random, Timer } from "../seams.ts";
import { createRequestId } from "../trace.ts";
import type { Millis, NodeId, ServiceKey } from "../types.ts";
import type { InstanceView, MeshView } from "../view.ts";
import type { AttemptContext, Exchange, ExchangeObserver, RequestHead } from "./contract.ts";
import type { Front, FrontRequest } from "./front.ts";
import { type RequestHome, RoutedExchange } from "./routed-exchange.ts";

/** Opens one attempt at an instance, be it behind a link or on this agent. */
export interface AttemptOpener {
  open(
    instance: InstanceView,
    context: AttemptContext,
    request: RequestHead,
    observer: ExchangeObserver,
  ): Exchange;
}

/** Opens a connection to a destination that is not in the mesh. */
export interface EgressOpener {
  open(host: string, port: number, request: RequestHead, observer: ExchangeObserver): Exchange;
}

export interface Egress extends EgressOpener {
  /** Read for each request, so that a reload takes effect with the next one. */
  readonly policy: "allow" | "deny";
}

export interface RouterOptions {
  readonly clock: Clock;
  readonly random: Random;
  /** The newest view of the mesh. */
  readonly view: () => MeshView;
  readonly attempts: AttemptOpener;
  readonly egress: Egress;
  readonly policies: RoutingPolicies;
  /** Rings and breakers, where others use them as well; its own by default. */
  readonly services?: Services;
  /** Takes the record of each request, once, when it is over. */
  onRecord(record: DecisionRecord): void;
  /** SPIFFE id in whose name requests go out whose listener does not tell who calls. */
  readonly caller?: string;
}

/** How this node judges one instance now. */
export interface TargetSnapshot {
  readonly service: ServiceKey;
  readonly instance: string;
  readonly agent: NodeId;
  readonly breaker: BreakerState;
  readonly inFlight: number;
  /** Moving average of the time to the response head. */
  readonly latencyMs: number;
}

export interface RouterSnapshot {
  readonly inFlight: number;
  /** Of services that have been asked for since they appeared. */
  readonly services: readonly { readonly service: ServiceKey; readonly retryTokens: number }[];
  readonly targets: readonly TargetSnapshot[];
}

/** How often requests without a response head are looked at; part of the slack of the timeout. */
const IDLE_CHECK_MS = 1_000;

export class Router implements Front {
  readonly #options: RouterOptions;
  readonly #services: Services;
  readonly #home: RequestHome;
  readonly #running = new Set<RoutedExchange>();
  readonly #ids: Random;
  #idleTimer: Timer | undefined;

  constructor(options: RouterOptions) {
    this.#options = options;
    this.#services = options.services ?? new Services(options.policies);
    this.#ids = options.random.fork("request ids");
    this.#home = {
      options,
      services: this.#services,
      onFinished: (exchange, record) => this.#onFinished(exchange, record),
    };
  }

  open(
    request: FrontRequest,
    observer: ExchangeObserver,
  ): { exchange: Exchange; requestId: string } {
    const requestId = createRequestId(this.#ids);
    const exchange = new RoutedExchange(this.#home, requestId, request, observer);
    if (this.#running.size >= REQUESTS_IN_FLIGHT_MAX) {
      const what = `this agent routes ${this.#running.size} requests already, its limit`;
      exchange.refuse(new GrapevineError("overloaded", what));
    } else {
      this.#running.add(exchange);
      this.#watch();
      exchange.start();
    }
    return { exchange, requestId };
  }

  /** Requests that are not over. */
  get inFlight(): number {
    return this.#running.size;
  }

  /** The state of the breaker for an instance; closed if nothing was ever sent to it. */
  breakerOf(instance: InstanceView): BreakerState {
    const now = this.#options.clock.now();
    const state = this.#services.peek(instance.service);
    const target = state?.targets.find(
      (each) => each.id === instance.id && each.instance.agent === instance.agent,
    );
    return target?.breaker.state(now) ?? "closed";
  }

  snapshot(): RouterSnapshot {
    const now = this.#options.clock.now();
    const states = [...this.#services.all()];
    return {
      inFlight: this.#running.size,
      services: states.map((state) => ({
        service: state.view.key,
        retryTokens: state.policies.retries.tokens(now),
      })),
      targets: states.flatMap((state) =>
        state.targets.map((target) => ({
          service: state.view.key,
          instance: target.id,
          agent: target.instance.agent,
          breaker: target.breaker.state(now),
          inFlight: target.latency.inFlight,
          latencyMs: target.latency.latencyMs(now),
        })),
      ),
    };
  }

  #onFinished(exchange: RoutedExchange, record: DecisionRecord): void {
    this.#running.delete(exchange);
    this.#options.onRecord(record);
  }

  /** Looks at the running requests every second, and stops by itself once there are none. */
  #watch(): void {
    if (this.#idleTimer !== undefined) return;
    const { clock } = this.#options;
    this.#idleTimer = clock.at((clock.now() + IDLE_CHECK_MS) as Millis, () => {
      this.#idleTimer = undefined;
      const now = clock.now();
      for (const exchange of [...this.#running]) exchange.checkIdle(now);
      if (this.#running.size > 0) this.#watch();
    });
  }
}
