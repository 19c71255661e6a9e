/**
 * The production policies with an eye on the breakers: each change of a breaker's state goes into the
 * trace with what led to it, and now and then that one keeps attempts back. Nothing is decided here.
 */
import type {
  Breaker,
  BreakerState,
  Evidence,
  RoutingPolicies,
  ServicePolicies,
} from "../../core/router/policy.ts";
import type { Random } from "../../core/seams.ts";
import type { Millis } from "../../core/types.ts";
import { createRoutingPolicies } from "../../policies/routing.ts";
import type { TraceEventOf } from "../trace.ts";

export type BreakerNews = Omit<TraceEventOf<"breaker">, "at" | "kind" | "node">;

/** A breaker that keeps attempts back is mentioned so often. */
const MENTION_MS = 1_000;

export function watchedPolicies(
  random: Random,
  tell: (news: BreakerNews) => void,
): RoutingPolicies {
  const policies = createRoutingPolicies(random);
  let breakers = 0;
  return {
    ...policies,
    createService: (service) => {
      const inner = policies.createService(service);
      const group = { service, instances: 0, ejected: 0 };
      return {
        retries: inner.retries,
        createLatency: () => inner.createLatency(),
        resize: (instances) => {
          group.instances = instances;
          inner.resize(instances);
        },
        createBreaker: () => {
          breakers += 1;
          return watched(inner, group, breakers, tell);
        },
      };
    },
  };
}

function watched(
  policies: ServicePolicies,
  group: { readonly service: string; instances: number; ejected: number },
  breaker: number,
  tell: (news: BreakerNews) => void,
): Breaker {
  const inner = policies.createBreaker();
  let known: BreakerState = "closed";
  let successes = 0;
  let mentionedAt = Number.NEGATIVE_INFINITY;
  let isOver = false;
  const say = (to: BreakerNews["to"], evidence: Evidence | "") => {
    const { service, instances, ejected } = group;
    tell({ service, breaker, from: known, to, evidence, successes, instances, ejected });
  };
  const note = (now: Millis, evidence: Evidence | "") => {
    const state = inner.state(now);
    if (state === known) return;
    say(state, evidence);
    if (!isOver && known === "closed") group.ejected += 1;
    if (!isOver && state === "closed") group.ejected -= 1;
    known = state;
    successes = 0;
  };
  return {
    state: (now) => inner.state(now),
    admits: (now) => {
      const isAdmitted = inner.admits(now);
      if (!isAdmitted && now - mentionedAt >= MENTION_MS) {
        mentionedAt = now;
        say("held back", "");
      }
      return isAdmitted;
    },
    start: (now) => {
      if (inner.state(now) === "open") say("attempted", "");
      const ticket = inner.start(now);
      note(now, "");
      return ticket;
    },
    succeed: (ticket, now) => {
      successes += 1;
      inner.succeed(ticket, now);
      note(now, "");
    },
    fail: (ticket, evidence, now) => {
      inner.fail(ticket, evidence, now);
      // One that is past its time counts as open until an attempt starts.
      if (known !== "open" || inner.state(now) !== "half-open") note(now, evidence);
    },
    abandon: (ticket) => inner.abandon(ticket),
    dispose: () => {
      if (!isOver && known !== "closed") group.ejected -= 1;
      isOver = true;
      inner.dispose();
    },
  };
}
