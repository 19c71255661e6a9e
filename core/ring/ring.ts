/**
 * Who owns a key, and who comes next: the ring of a service. It is a pure function of the ids and
 * weights of the instances registered on members that are alive, suspect or leaving; health,
 * breakers and latency never change it, so all nodes with the same members agree on every key.
 *
 * The scheme is weighted rendezvous hashing (Thaler and Ravishankar 1998; the logarithm for weights
 * is Schindelhauer and Schomaker 2005): each instance draws a pseudo-random cost per key,
 * -log2(draw) / weight, and the preference list is the order of the costs. Against tokens on a
 * circle: shares follow the weights exactly instead of by luck of the tokens; a change moves only
 * the keys that the changed instance gains or loses; the keys of a lost instance spread over all
 * others instead of falling on one neighbour; and there is nothing to build or to keep. The price
 * is a scan of all instances, some ten nanoseconds each. Costs are whole numbers, compared by
 * multiplying crosswise, which stays exact below 2^53.
 */
import { hash32 } from "../hash.ts";
import { LOG2_FRACTION_BITS, log2Fixed } from "./log2.ts";

/** Weights are whole; above this they no longer compare exactly. */
export const WEIGHT_MAX = 65_535;
const FIRST_SEED = 0x67726170;
const SECOND_SEED = 0x65766e65;
/** The cost of a draw of 0, the lowest: 32 bits in the fixed point of log2Fixed. */
const COST_ZERO = 32 * 2 ** LOG2_FRACTION_BITS;
/** Up to this length one pass of insertion is faster than sorting all. */
const SHORT_LIST = 16;

export interface RingMember {
  readonly id: string;
  /** 0 owns nothing. Fractions are cut off, and what is above WEIGHT_MAX counts as that. */
  readonly weight: number;
}

export class Ring<Member extends RingMember> {
  /** Names the ring: equal on all nodes that hold the same ids and weights. */
  readonly version: number;
  /** Those with a weight, sorted by id. */
  readonly members: readonly Member[];
  readonly #weights: Float64Array;
  readonly #even: boolean;
  readonly #firstHashes: Int32Array;
  readonly #secondHashes: Int32Array;

  /** Of several members with one id the first given stands. */
  constructor(given: Iterable<Member>) {
    const byId = new Map<string, Member>();
    for (const member of given) {
      if (wholeWeight(member.weight) > 0 && !byId.has(member.id)) byId.set(member.id, member);
    }
    const members = [...byId.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
    this.members = members;
    this.#weights = Float64Array.from(members, (member) => wholeWeight(member.weight));
    this.#even = this.#weights.every((weight) => weight === this.#weights[0]);
    this.#firstHashes = Int32Array.from(members, (member) => hash32(member.id, FIRST_SEED) | 0);
    this.#secondHashes = Int32Array.from(members, (member) => hash32(member.id, SECOND_SEED) | 0);
    const names = members.map((member, at) => `${member.id}=${this.#weights[at]}`);
    this.version = hash32(`rendezvous-1 ${names.join(" ")}`);
  }

  /** The first of the key's preference list; undefined if the ring is empty. */
  ownerOf(key: string): Member | undefined {
    return this.preferenceList(key, 1)[0];
  }

  /** The first `length` members in the order in which they are to serve the key. */
  preferenceList(key: string, length: number): Member[] {
    const draws = this.#draws(hash32(key));
    const compare = this.#order(draws);
    const wanted = Math.min(length, draws.length);
    const places =
      wanted <= SHORT_LIST
        ? cheapest(draws.length, wanted, compare)
        : Array.from(draws, (_, place) => place)
            .sort(compare)
            .slice(0, wanted);
    return places.map((place) => this.members[place] as Member);
  }

  #draws(keyHash: number): Uint32Array {
    const draws = new Uint32Array(this.members.length);
    const first = this.#firstHashes;
    const second = this.#secondHashes;
    for (let place = 0; place < draws.length; place += 1) {
      draws[place] = mix(keyHash, first[place] as number, second[place] as number);
    }
    return draws;
  }

  /**
   * Below 0 if the member at place `a` comes before the one at place `b`: the lower cost, then the
   * higher draw, then the lower id. At equal weights the draw alone decides, without logarithms.
   */
  #order(draws: Uint32Array): (a: number, b: number) => number {
    const byDraw = (a: number, b: number) =>
      draws[a] === draws[b] ? a - b : (draws[b] as number) - (draws[a] as number);
    if (this.#even) return byDraw;
    const weights = this.#weights;
    const costs = new Float64Array(draws.length);
    for (let place = 0; place < costs.length; place += 1) {
      costs[place] = COST_ZERO - log2Fixed((draws[place] as number) + 1);
    }
    return (a, b) => {
      const left = (costs[a] as number) * (weights[b] as number);
      const right = (costs[b] as number) * (weights[a] as number);
      return left === right ? byDraw(a, b) : left - right;
    };
  }
}

/** The first `wanted` of all places, in order, in one pass. */
function cheapest(
  count: number,
  wanted: number,
  compare: (a: number, b: number) => number,
): number[] {
  const best: number[] = [];
  for (let place = 0; place < count; place += 1) {
    let at = best.length;
    while (at > 0 && compare(place, best[at - 1] as number) < 0) at -= 1;
    if (at >= wanted) continue;
    best.splice(at, 0, place);
    if (best.length > wanted) best.pop();
  }
  return best;
}

/** The weight by which the ring counts. */
export function wholeWeight(weight: number): number {
  return weight >= 1 ? Math.min(Math.floor(weight), WEIGHT_MAX) : 0;
}

/** Two keyed rounds and the finish of MurmurHash3: 0 to 2^32 - 1. */
function mix(key: number, first: number, second: number): number {
  let hash = Math.imul(key ^ first, 0xcc9e2d51);
  hash ^= hash >>> 15;
  hash = Math.imul((hash + second) | 0, 0x1b873593);
  hash ^= hash >>> 16;
  hash = Math.imul(hash, 0x85ebca6b);
  hash ^= hash >>> 13;
  hash = Math.imul(hash, 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
