/**
 * Which instance gets an attempt. With a key: the first in the key's preference list that may be
 * used. Without: two are drawn by chance, in proportion to their weights, and the better of them is
 * taken, so that many callers do not all run to the one that looks best. Where nothing is fit for
 * use, instances that are merely doubtful are taken in order of doubt: of a suspect member, a probe
 * that cannot be repeated, of an agent that this request could not reach a moment ago, and last one
 * that has failed this very request.
 */
import {
  ATTEMPTS_PER_INSTANCE_MAX,
  ATTEMPTS_PER_REMOTE_INSTANCE_MAX,
  CANDIDATES_RECORDED_MAX,
  PREFERENCE_RECORDED_MAX,
} from "../limits.ts";
import type { CandidateRecord, CandidateVerdict } from "../record.ts";
import type { Random } from "../seams.ts";
import type { Millis, NodeId } from "../types.ts";
import type { MeshView } from "../view.ts";
import type { RoutingPolicies } from "./policy.ts";
import type { ServiceState, Target } from "./services.ts";

/** A failed attempt of the same request. */
export interface Tried {
  readonly instance: string;
  readonly agent: NodeId;
  /** Its agent could not be reached, so that its other instances are no better. */
  readonly peerFailed: boolean;
}

export interface CandidateQuestion {
  readonly key: string | undefined;
  /** Only the instance of this id. */
  readonly named: string | undefined;
  readonly port: number;
  /** The number of the attempt that looks for a candidate. */
  readonly attempt: number;
  readonly tried: readonly Tried[];
  /** Whether a failure could be repeated elsewhere; if not, it is no good as a probe. */
  readonly repeatable: boolean;
}

export interface CandidateChoice {
  readonly target: Target;
  readonly rank: number;
  readonly reason: string;
  /** It has failed this request before. */
  readonly again: boolean;
}

/** How many candidates got each verdict that speaks against them: it explains a refusal. */
export type Tally = ReadonlyMap<CandidateVerdict, number>;

/** From best to worst; a verdict that is not listed rules the candidate out. */
const USABLE: readonly (readonly CandidateVerdict[])[] = [
  ["acceptable"],
  ["own_leaving"],
  ["suspect", "probe_withheld"],
  ["peer_failed"],
  ["tried"],
];
/** Services up to this size are looked through whole; larger ones are sampled first. */
const WHOLE_LOOK_MAX = 32;
const SAMPLES_MAX = 8;

/** One look for a candidate. */
export class CandidateSearch {
  /** The beginning of the key's preference list. */
  preference: readonly string[] = [];
  readonly #state: ServiceState;
  readonly #view: MeshView;
  readonly #question: CandidateQuestion;
  readonly #now: Millis;
  /** Where verdicts are noted, CANDIDATES_RECORDED_MAX at most. */
  readonly #notes: CandidateRecord[];
  /** Not made where the first look is enough, as it nearly always is. */
  #tally: Map<CandidateVerdict, number> | undefined;

  constructor(
    state: ServiceState,
    view: MeshView,
    question: CandidateQuestion,
    notes: CandidateRecord[],
    now: Millis,
  ) {
    this.#state = state;
    this.#view = view;
    this.#question = question;
    this.#notes = notes;
    this.#now = now;
  }

  get tally(): Tally {
    return this.#tally ?? new Map();
  }

  /** Undefined if no candidate may be used; the tally then tells why. */
  run(random: Random, policies: RoutingPolicies): CandidateChoice | undefined {
    if (this.#question.named !== undefined) return this.#named(this.#question.named);
    if (this.#question.key !== undefined) return this.#keyed(this.#question.key);
    return this.#unkeyed(random, policies);
  }

  #named(id: string): CandidateChoice | undefined {
    let best: Target | undefined;
    let bestTier = USABLE.length;
    for (const target of this.#state.targets) {
      if (target.id !== id) continue;
      const verdict = target.instance.conflict ? "conflict" : this.#verdict(target);
      const tier = this.#note(target, -1, verdict);
      if (tier < bestTier) [best, bestTier] = [target, tier];
    }
    return best && this.#chosen(best, -1, bestTier, "named");
  }

  #keyed(key: string): CandidateChoice | undefined {
    const ring = this.#state.ring;
    let list = ring.preferenceList(key, PREFERENCE_RECORDED_MAX);
    this.preference = list.map((target) => target.id);
    let best: Target | undefined;
    let bestRank = -1;
    let bestTier = USABLE.length;
    for (let rank = 0; rank < ring.members.length && bestTier > 0; rank += 1) {
      if (rank === list.length) list = ring.preferenceList(key, ring.members.length);
      const target = list[rank] as Target;
      const tier = this.#note(target, rank, this.#verdict(target));
      if (tier < bestTier) [best, bestRank, bestTier] = [target, rank, tier];
    }
    return best && this.#chosen(best, bestRank, bestTier, bestRank === 0 ? "owner" : "fallback");
  }

  #unkeyed(random: Random, policies: RoutingPolicies): CandidateChoice | undefined {
    const members = this.#state.ring.members;
    if (members.length > WHOLE_LOOK_MAX) {
      const sampled = this.#sample(members, random);
      if (sampled !== undefined) return this.#better(sampled[0], sampled[1], 0, policies);
    }
    let pool: Target[] = [];
    let bestTier = USABLE.length;
    for (const target of this.#state.targets) {
      const tier = this.#note(target, -1, this.#unringed(target) ?? this.#verdict(target));
      if (tier > bestTier || tier === USABLE.length) continue;
      if (tier < bestTier) pool = [];
      bestTier = tier;
      pool.push(target);
    }
    const first = this.#draw(pool, random);
    if (first === undefined) return undefined;
    const others = pool.filter((target) => target !== first);
    return this.#better(first, this.#draw(others, random) ?? first, bestTier, policies);
  }

  /** Two acceptable candidates out of a few draws, or undefined. */
  #sample(members: readonly Target[], random: Random): [Target, Target] | undefined {
    if (!this.#state.even) return undefined;
    let first: Target | undefined;
    for (let draw = 0; draw < SAMPLES_MAX; draw += 1) {
      const target = members[random.below(members.length)] as Target;
      if (target === first || this.#verdict(target) !== "acceptable") continue;
      if (first !== undefined) {
        this.#note(first, -1, "acceptable");
        this.#note(target, -1, "acceptable");
        return [first, target];
      }
      first = target;
    }
    return undefined;
  }

  #draw(pool: readonly Target[], random: Random): Target | undefined {
    if (this.#state.even || pool.length < 2) return pool[random.below(pool.length)];
    let left = random.float() * pool.reduce((sum, target) => sum + target.weight, 0);
    for (const target of pool) {
      left -= target.weight;
      if (left < 0) return target;
    }
    return pool.at(-1);
  }

  #better(first: Target, second: Target, tier: number, policies: RoutingPolicies): CandidateChoice {
    const better = first === second ? first : policies.choose(first, second, this.#now);
    return this.#chosen(better, -1, tier, "least_latency");
  }

  #chosen(target: Target, rank: number, tier: number, reason: string): CandidateChoice {
    const at = this.#notes.findIndex(
      (note) =>
        note.attempt === this.#question.attempt &&
        note.instance === target.id &&
        note.agent === target.instance.agent,
    );
    if (at >= 0) this.#notes[at] = { ...(this.#notes[at] as CandidateRecord), verdict: "chosen" };
    return {
      target,
      rank,
      reason: this.#question.attempt > 1 ? "retry" : reason,
      again: USABLE[tier]?.includes("tried") ?? false,
    };
  }

  /** Why a target is not in the ring; undefined if it is. */
  #unringed(target: Target): CandidateVerdict | undefined {
    if (target.weight > 0) return undefined;
    return target.instance.weight > 0 ? "conflict" : "weight_zero";
  }

  #verdict(target: Target): CandidateVerdict {
    const { instance } = target;
    if (!instance.ports.includes(this.#question.port)) return "wrong_port";
    const member = this.#view.members.get(instance.agent);
    if (member === undefined || member.state === "dead" || member.state === "left") return "dead";
    if (member.leaving && instance.agent !== this.#view.self) return "leaving";
    if (instance.health === "failing") return "failing";
    if (!target.breaker.admits(this.#now)) return "breaker_open";
    const isRemote = instance.agent !== this.#view.self;
    const attemptsMax = isRemote ? ATTEMPTS_PER_REMOTE_INSTANCE_MAX : ATTEMPTS_PER_INSTANCE_MAX;
    if (target.latency.inFlight >= attemptsMax) return "full";
    const { tried } = this.#question;
    if (tried.length > 0) {
      const onAgent = tried.filter((each) => each.agent === instance.agent);
      if (onAgent.some((each) => each.instance === instance.id)) return "tried";
      if (onAgent.some((each) => each.peerFailed)) return "peer_failed";
    }
    if (member.state === "suspect") return "suspect";
    if (!this.#question.repeatable && target.breaker.state(this.#now) === "half-open") {
      return "probe_withheld";
    }
    return member.leaving ? "own_leaving" : "acceptable";
  }

  #count(verdict: CandidateVerdict): void {
    this.#tally ??= new Map();
    this.#tally.set(verdict, (this.#tally.get(verdict) ?? 0) + 1);
  }

  /** Writes a verdict down and gives its tier; USABLE.length if it rules the candidate out. */
  #note(target: Target, rank: number, verdict: CandidateVerdict): number {
    if (verdict !== "acceptable") this.#count(verdict);
    if (this.#notes.length < CANDIDATES_RECORDED_MAX) {
      this.#notes.push({
        attempt: this.#question.attempt,
        instance: target.id,
        agent: target.instance.agent,
        agentName: target.instance.agentName,
        rank,
        verdict,
      });
    }
    const tier = USABLE.findIndex((verdicts) => verdicts.includes(verdict));
    return tier < 0 ? USABLE.length : tier;
  }
}
