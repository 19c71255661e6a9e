/**
 * Where calls of actors go. A call for an actor of this agent is handed to its host; any other
 * crosses a link to the owner's agent, once: it is never repeated elsewhere, because that would be a
 * second activation. Only an answer that proves that nothing ran moves it on: "not the owner", with
 * the answering node's view, and "leaving". Two such answers while views settle are followed, the
 * third is an error.
 */
import { GrapevineError } from "../errors.ts";
import { ACTOR_FORWARDS_MAX } from "../limits.ts";
import type { CallDone } from "../link/calls.ts";
import type { DecisionRecord } from "../record.ts";
import type { RoutingPolicies } from "../router/policy.ts";
import type { ServiceState, Services, Target } from "../router/services.ts";
import type { Clock, Random } from "../seams.ts";
import { createRequestId } from "../trace.ts";
import type { Millis, NodeId, ServiceKey } from "../types.ts";
import type { MeshView } from "../view.ts";
import { type ActorRecordFacts, actorRecord } from "./actor-record.ts";
import { type ActorCall, CallTarget, type CallTracker, type Hop } from "./call.ts";
import { actorTypeOf } from "./definition.ts";
import type { ActorBackend, Hostings } from "./hostings.ts";
import { LinkCall } from "./link-call.ts";
import { callPayload } from "./payload.ts";
import { ownerOf } from "./placement.ts";
import type { RemoteError } from "./remote-error.ts";
import {
  ANSWER_NOT_OWNER,
  decodeCall,
  decodeNotOwner,
  EMPTY_ANSWER,
  encodeNotOwner,
  type OwnerHint,
} from "./wire.ts";

export interface ActorRouterOptions {
  readonly self: NodeId;
  readonly clock: Clock;
  readonly random: Random;
  readonly view: () => MeshView;
  /** The router's own table: rings and breakers are the ones that requests use. */
  readonly services: Services;
  readonly hostings: Hostings;
  readonly judgeError: RoutingPolicies["judgeError"];
  /** Sends a call to another agent's link port. */
  readonly send: (
    peer: NodeId,
    address: string,
    payload: Uint8Array,
    deadlineMs: number,
    done: CallDone,
  ) => void;
  readonly onRecord: (record: DecisionRecord) => void;
}

/** What a target keeps for as long as the view stands. */
interface KnownOwner {
  /** Undefined on another node. */
  readonly backend: ActorBackend | undefined;
  readonly target: Target;
  readonly ringVersion: number;
}

/** Actors of which it is remembered that they live here, for calls from links. */
const KNOWN_TARGETS_MAX = 10_000;
/** Of successful calls one in this time is recorded; of failed ones every one. */
const SAMPLE_INTERVAL_MS = 100;
/** Lets views meet before a call looks for its owner again. */
const SETTLE_MS = 50;

export class ActorRouter implements CallTracker {
  readonly #options: ActorRouterOptions;
  readonly #targets = new Map<string, CallTarget>();
  readonly #inboundTracker: CallTracker = {
    onSettled: () => {
      this.#inbound -= 1;
    },
  };
  #inbound = 0;
  #nextSampleAt = 0;

  constructor(options: ActorRouterOptions) {
    this.#options = options;
  }

  /** Calls of peers that have come and are not answered. */
  get inbound(): number {
    return this.#inbound;
  }

  /** Takes a call that begins on this node; it ends once, whatever happens. */
  call(call: ActorCall): void {
    const { startedAt, target } = call;
    call.tracker = this;
    if (startedAt >= this.#nextSampleAt) {
      this.#nextSampleAt = startedAt + SAMPLE_INTERVAL_MS;
      call.isSampled = true;
    }
    const view = this.#options.view();
    if (target.view !== view) {
      this.#route(call, view);
      return;
    }
    const { backend, target: owner, ringVersion } = target.owner as KnownOwner;
    if (backend !== undefined) backend.deliver(call);
    else this.#send(call, owner.instance.agent, owner.id, owner, ringVersion, view);
  }

  /** Takes a call from a peer's link. */
  onCall(peer: NodeId, payload: Uint8Array, deadlineLeftMs: number, respond: CallDone): void {
    const decoded = decodeCall(payload);
    if (decoded === undefined) {
      respond(new GrapevineError("bad_request", "this is no call of an actor"), undefined);
      return;
    }
    const { head, args } = decoded;
    const view = this.#options.view();
    const target = this.#targetOf(head.service, head.key);
    const backend =
      target.view === view ? (target.owner as KnownOwner).backend : this.#backendOf(target, view);
    if (backend === undefined) {
      respond(undefined, encodeNotOwner(this.#hint(head.service, head.key, view)));
      return;
    }
    if (deadlineLeftMs <= 0) {
      const what = `the call of ${head.method} arrived after its deadline`;
      respond(new GrapevineError("deadline_exceeded", what, { executed: "no" }), undefined);
      return;
    }
    const now = this.#options.clock.now();
    const due = now + deadlineLeftMs;
    const call = new LinkCall(target, head, args, due, peer, "link", respond);
    call.startedAt = now;
    call.tracker = this.#inboundTracker;
    this.#inbound += 1;
    backend.deliver(call);
    if (head.oneWay) respond(undefined, EMPTY_ANSWER);
  }

  /** A call that waited at a host of this agent which has lost the key, or is going away. */
  rehome(call: ActorCall): void {
    if (call.stage === "over") return;
    const view = this.#options.view();
    if (call.peer !== undefined) {
      call.answer(encodeNotOwner(this.#hint(call.target.service, call.target.key, view)));
      return;
    }
    call.target.view = undefined;
    this.#follow(call, undefined, true);
  }

  /** CallTracker. */
  onSettled(call: ActorCall, error: GrapevineError | RemoteError | undefined): void {
    if (error === undefined && !call.isSampled) return;
    const { clock, view, services, random, self } = this.#options;
    const now = clock.now();
    const state = services.peek(call.target.service);
    const facts: ActorRecordFacts = {
      id: createRequestId(random),
      now,
      wall: clock.wall(),
      viewVersion: view().version,
      state,
      owner: state && ownerOf(state, view(), call.target.key),
      self,
    };
    this.#options.onRecord(actorRecord(call, error, facts));
  }

  #route(call: ActorCall, view: MeshView): void {
    const { service, key } = call.target;
    const { services, self, hostings } = this.#options;
    const state = services.find(service, view);
    const owner = state && ownerOf(state, view, key, call.avoid);
    if (state === undefined || owner === undefined) {
      call.fail(notHosted(call, state));
      return;
    }
    const isHere = owner.instance.agent === self;
    const backend = isHere ? hostings.find(service, owner.id)?.backend : undefined;
    if (isHere && backend === undefined) {
      this.#follow(call, undefined);
      return;
    }
    const ringVersion = state.ring.version;
    if (call.avoid === undefined) {
      call.target.view = view;
      call.target.owner = { backend, target: owner, ringVersion } satisfies KnownOwner;
    }
    if (backend !== undefined) backend.deliver(call);
    else this.#send(call, owner.instance.agent, owner.id, owner, ringVersion, view);
  }

  #targetOf(service: ServiceKey, key: string): CallTarget {
    const name = `${service}/${key}`;
    let target = this.#targets.get(name);
    if (target !== undefined) return target;
    if (this.#targets.size >= KNOWN_TARGETS_MAX) this.#targets.clear();
    target = new CallTarget(service, key);
    this.#targets.set(name, target);
    return target;
  }

  /** The host on this agent, if this node's view makes it the owner. */
  #backendOf(target: CallTarget, view: MeshView): ActorBackend | undefined {
    const { services, self, hostings } = this.#options;
    const { service, key } = target;
    const state = services.find(service, view);
    const owner = state && ownerOf(state, view, key);
    if (owner === undefined || owner.instance.agent !== self) return undefined;
    const backend = hostings.find(service, owner.id)?.backend;
    if (backend === undefined) return undefined;
    target.view = view;
    target.owner = { backend, target: owner, ringVersion: 0 } satisfies KnownOwner;
    return backend;
  }

  #hint(service: ServiceKey, key: string, view: MeshView): OwnerHint {
    const state = this.#options.services.find(service, view);
    const owner = state && ownerOf(state, view, key);
    return {
      ringVersion: state?.ring.version ?? 0,
      owner: owner && { agent: owner.instance.agent, instance: owner.id },
    };
  }

  #send(
    call: ActorCall,
    agent: NodeId,
    instance: string,
    target: Target | undefined,
    ringVersion: number,
    view: MeshView,
  ): void {
    const now = this.#options.clock.now();
    const payload = callPayload(call, ringVersion, now);
    if (payload instanceof GrapevineError) {
      call.fail(payload);
      return;
    }
    const breaker = target?.breaker;
    if (breaker?.admits(now) === false) {
      const what = `${actorTypeOf(call.target.service)}/${call.target.key}`;
      const why = `the breaker for its owner ${instance} is open, because calls to it failed lately`;
      call.fail(new GrapevineError("circuit_open", `${what} cannot be called: ${why}`));
      return;
    }
    const member = view.members.get(agent);
    const hop: Hop = {
      ...{ instance, agent, agentName: member?.name ?? "", startedAt: now, endedAt: now },
      breaker: breaker?.state(now) ?? "",
      reason: call.forwards === 0 ? "owner" : "forward",
      error: undefined,
    };
    call.hops ??= [];
    call.hops.push(hop);
    const ticket = breaker?.start(now) ?? 0;
    target?.latency.start();
    const left = call.dueAt - now;
    this.#options.send(agent, member?.link ?? "", payload, left, (error, reply) => {
      const end = this.#options.clock.now();
      hop.endedAt = end;
      hop.error = error;
      if (target !== undefined) this.#judge(target, ticket, hop, end);
      this.#onAnswer(call, agent, error, reply);
    });
  }

  /** Only what says that nobody is there counts: a slow actor says nothing about its host. */
  #judge({ breaker, latency }: Target, ticket: number, hop: Hop, now: Millis): void {
    latency.end();
    if (hop.error === undefined) {
      breaker.succeed(ticket, now);
      latency.answered(now - hop.startedAt, now);
    } else if (this.#options.judgeError(hop.error) === "hard") breaker.fail(ticket, "hard", now);
    else breaker.abandon(ticket);
  }

  #onAnswer(
    call: ActorCall,
    agent: NodeId,
    error: GrapevineError | undefined,
    reply: Uint8Array | undefined,
  ): void {
    if (call.stage === "over") return;
    if (error?.short === "draining" && error.executed === "no") {
      call.avoid = agent;
      this.#follow(call, undefined);
    } else if (error !== undefined || reply === undefined) {
      call.fail(error ?? new GrapevineError("internal", "a call ended without an answer"));
    } else if (reply[0] === ANSWER_NOT_OWNER) {
      this.#follow(call, decodeNotOwner(reply));
    } else call.answer(reply);
  }

  /** Nothing ran where the call was sent: asks the owner that was named, or looks again. */
  #follow(call: ActorCall, hint: OwnerHint | undefined, isHomeless = false): void {
    const { clock, self, services } = this.#options;
    const { service, key } = call.target;
    if (call.forwards >= ACTOR_FORWARDS_MAX) {
      const asked = call.hops?.map(({ agentName, agent }) => agentName || agent).join(", ");
      const what = `who owns ${actorTypeOf(service)}/${key} is not settled yet`;
      call.fail(new GrapevineError("not_owner", `${what}; asked: ${asked ?? "this agent"}`));
      return;
    }
    call.forwards += 1;
    const view = this.#options.view();
    const named = hint?.owner;
    const last = call.hops?.at(-1)?.agent;
    const member = named && view.members.get(named.agent);
    const isUsable =
      (member?.state === "alive" || member?.state === "suspect") &&
      member.link !== "" &&
      named?.agent !== last &&
      named?.agent !== self;
    if (hint !== undefined && named !== undefined && isUsable) {
      const target = services
        .find(service, view)
        ?.targets.find(
          ({ id, instance }) => id === named.instance && instance.agent === named.agent,
        );
      this.#send(call, named.agent, named.instance, target, hint.ringVersion, view);
      return;
    }
    const owner = this.#ownerNow(call, view);
    const isNews = owner !== undefined && owner !== (isHomeless ? self : last);
    if (isNews) {
      this.#route(call, view);
      return;
    }
    clock.at((clock.now() + SETTLE_MS) as Millis, () => {
      if (call.stage !== "over") this.#route(call, this.#options.view());
    });
  }

  /** The agent of the owner by this node's view, unless that is this node without such a host. */
  #ownerNow(call: ActorCall, view: MeshView): NodeId | undefined {
    const { services, self, hostings } = this.#options;
    const { service, key } = call.target;
    const state = services.find(service, view);
    const owner = state && ownerOf(state, view, key, call.avoid);
    if (owner === undefined) return undefined;
    const { agent } = owner.instance;
    if (agent === self && hostings.find(service, owner.id) === undefined) return undefined;
    return agent;
  }
}

function notHosted(call: ActorCall, state: ServiceState | undefined): GrapevineError {
  const type = actorTypeOf(call.target.service);
  const why =
    state === undefined
      ? "no live agent hosts it; `grapevine actors` lists what is hosted"
      : `all its hosts are leaving (${state.targets.map(({ id }) => id).join(", ")})`;
  return new GrapevineError("not_hosted", `actor type ${type} cannot be called: ${why}`);
}
