/** A virtual clock, backends that follow the contract and note what they are told, and views. */

import { GrapevineError } from "../../../core/errors.ts";
import type {
  AttemptContext,
  Exchange,
  ExchangeObserver,
  RawHeaders,
  RequestHead,
  ResponseHead,
} from "../../../core/exchange/contract.ts";
import type { FrontRequest } from "../../../core/exchange/front.ts";
import type { AttemptOpener } from "../../../core/exchange/routed.ts";
import type { Clock, Timer } from "../../../core/seams.ts";
import type { MemberState, Millis, NodeId, ServiceKey, WallMillis } from "../../../core/types.ts";
import type { InstanceView, MemberView, MeshView, ServiceView } from "../../../core/view.ts";

export class VirtualClock implements Clock {
  time = 1_000;
  #timers: { when: number; order: number; callback: () => void }[] = [];
  #order = 0;

  now(): Millis {
    return this.time as Millis;
  }

  wall(): WallMillis {
    return (1_700_000_000_000 + this.time) as WallMillis;
  }

  at(when: Millis, callback: () => void): Timer {
    this.#order += 1;
    const timer = { when: Math.max(when, this.time), order: this.#order, callback };
    this.#timers.push(timer);
    return {
      cancel: () => {
        this.#timers = this.#timers.filter((each) => each !== timer);
      },
    };
  }

  /** Runs everything that is due up to `ms` from now, in order. */
  advance(ms: number): void {
    const until = this.time + ms;
    for (;;) {
      this.#timers.sort((a, b) => a.when - b.when || a.order - b.order);
      const next = this.#timers[0];
      if (next === undefined || next.when > until) break;
      this.#timers.shift();
      this.time = Math.max(this.time, next.when);
      next.callback();
    }
    this.time = until;
  }

  /** The process stands still for so long: what expired meanwhile runs late, in order. */
  stall(ms: number): void {
    this.time += ms;
    this.advance(0);
  }
}

/** Notes each event as one line; a line after the end or from inside `open` is an error. */
export class NotingObserver implements ExchangeObserver {
  readonly lines: string[] = [];
  readonly errors: GrapevineError[] = [];
  body: number[] = [];
  isOver = false;
  isForbidden = false;
  onHeadDo: (() => void) | undefined;

  onRequestDrain(): void {
    this.#note("drain");
  }
  onInformational(head: ResponseHead): void {
    this.#note(`informational ${head.status}`);
  }
  onHead(head: ResponseHead): void {
    this.#note(`head ${head.status}`);
    this.onHeadDo?.();
  }
  onBody(chunk: Uint8Array): void {
    this.#note(`body ${chunk.length}`);
    this.body.push(...chunk);
  }
  onEnd(): void {
    this.#note("end");
    this.isOver = true;
  }
  onError(error: GrapevineError): void {
    this.#note(`error ${error.short}`);
    this.errors.push(error);
    this.isOver = true;
  }
  #note(line: string): void {
    if (this.isOver) throw new Error(`"${line}" after the end: ${this.lines.join(", ")}`);
    if (this.isForbidden) throw new Error(`"${line}" where the observer must not be called`);
    this.lines.push(line);
  }
}

/** One attempt as its backend sees it; the test plays the instance. */
export class FakeAttempt implements Exchange {
  readonly instance: string;
  readonly context: AttemptContext;
  readonly request: RequestHead;
  readonly observer: ExchangeObserver;
  body: number[] = [];
  isBodyEnded = false;
  trailers: RawHeaders | undefined;
  canceled: GrapevineError | undefined;
  isPaused = false;
  /** What writeBody answers. */
  takesMore = true;
  onWrite: (() => void) | undefined;

  constructor(
    instance: InstanceView | undefined,
    context: AttemptContext,
    request: RequestHead,
    observer: ExchangeObserver,
  ) {
    this.instance = instance?.id ?? "outside";
    this.context = context;
    this.request = request;
    this.observer = observer;
  }

  writeBody(chunk: Uint8Array): boolean {
    this.body.push(...chunk);
    // Whoever is handed a chunk owns it: a backend may well seal it in place.
    chunk.fill(0xee);
    this.onWrite?.();
    return this.takesMore;
  }
  endBody(trailers: RawHeaders): void {
    if (this.isBodyEnded) throw new Error("the body ended twice");
    this.isBodyEnded = true;
    this.trailers = trailers;
  }
  cancel(reason: GrapevineError): void {
    this.canceled = reason;
  }
  pause(): void {
    this.isPaused = true;
  }
  resume(): void {
    this.isPaused = false;
  }

  answer(status = 200, body = "ok", headers: RawHeaders = []): void {
    this.head(status, headers);
    if (body !== "") this.observer.onBody(new TextEncoder().encode(body));
    this.observer.onEnd([]);
  }
  head(status = 200, headers: RawHeaders = []): void {
    this.observer.onHead({ status, reason: "", headers, body: "chunked" });
  }
  fail(code: GrapevineError["short"], executed?: "no" | "unknown"): void {
    const options = executed === undefined ? {} : { executed };
    this.observer.onError(new GrapevineError(code, `${this.instance} failed`, options));
  }
}

export class FakeBackends implements AttemptOpener {
  readonly attempts: FakeAttempt[] = [];
  onOpen: ((attempt: FakeAttempt) => void) | undefined;

  open(
    instance: InstanceView,
    context: AttemptContext,
    request: RequestHead,
    observer: ExchangeObserver,
  ): Exchange {
    const attempt = new FakeAttempt(instance, context, request, observer);
    this.attempts.push(attempt);
    this.onOpen?.(attempt);
    return attempt;
  }

  get last(): FakeAttempt {
    const last = this.attempts.at(-1);
    if (last === undefined) throw new Error("no attempt was made");
    return last;
  }
}

export function member(name: string, more: Partial<MemberView> = {}): MemberView {
  return {
    id: name as NodeId,
    name,
    state: "alive" as MemberState,
    leaving: false,
    self: false,
    bind: "",
    link: "",
    zone: "",
    region: "",
    epoch: 1,
    incarnation: 0,
    version: "0.1.0",
    since: 0 as Millis,
    ...more,
  };
}

export function instance(
  id: string,
  agent: string,
  more: Partial<InstanceView> = {},
): InstanceView {
  return {
    id,
    service: "default/web" as ServiceKey,
    agent: agent as NodeId,
    agentName: agent,
    protocol: "http",
    ports: [80],
    address: "127.0.0.1:8080",
    version: "",
    weight: 1,
    tags: {},
    health: "passing",
    zone: "",
    region: "",
    since: 0 as Millis,
    conflict: false,
    ...more,
  };
}

let versions = 0;

/** A view of the instances' services, with an alive member for each agent not given. */
export function meshView(instances: InstanceView[], members: MemberView[] = []): MeshView {
  versions += 1;
  const services = new Map<ServiceKey, ServiceView>();
  for (const each of instances) {
    const [namespace = "", name = ""] = each.service.split("/");
    const others = services.get(each.service)?.instances ?? [];
    services.set(each.service, {
      key: each.service,
      namespace,
      name,
      protocol: each.protocol,
      instances: [...others, each].sort((a, b) => (a.id < b.id ? -1 : 1)),
    });
  }
  const byId = new Map(instances.map((each) => [each.agent, member(each.agent)]));
  for (const each of members) byId.set(each.id, each);
  return { version: versions, self: "self" as NodeId, members: byId, services };
}

export function front(
  head: Partial<RequestHead> = {},
  more: Partial<FrontRequest> = {},
): FrontRequest {
  return {
    head: {
      kind: "http",
      method: "GET",
      path: "/",
      authority: "web.mesh",
      headers: ["Host", "web.mesh"],
      body: 0,
      upgrade: undefined,
      expectContinue: false,
      ...head,
    },
    destination: {
      kind: "mesh",
      service: "default/web" as ServiceKey,
      instance: undefined,
      port: 80,
    },
    key: undefined,
    listener: "proxy",
    remote: "127.0.0.1:50000",
    ...more,
  };
}
