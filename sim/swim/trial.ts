/**
 * One trial of the starvation experiment, the same for every subject: a settled cluster, some
 * members starved for a while, a few sound ones losing power meanwhile. What a trial yields are
 * counts in the Lifeguard paper's terms: a false positive is a member that declares dead one that
 * neither starves nor failed; FP- are those of them that happen at members which do not starve.
 */
import { Draws } from "../engine/draws.ts";
import type { Starvation } from "../engine/starvation.ts";
import type { NetworkShape, RoadShape } from "../network/paths.ts";

export interface TrialShape {
  readonly seed: number;
  readonly nodes: number;
  /** How many members starve. */
  readonly anomalies: number;
  readonly starvation: Starvation;
  readonly starveMs: number;
  /** Afterwards: suspicions that are under way come to their end. */
  readonly tailMs: number;
  /** Sound members that lose power, spread over the time of starvation. */
  readonly crashes: number;
}

/** Moments count from the beginning of the starvation. */
export interface Schedule {
  readonly starved: readonly number[];
  readonly crashes: readonly { readonly node: number; readonly atMs: number }[];
}

export interface TrialResult {
  /** Sound members declared dead, by anybody. */
  readonly falsePositives: number;
  /** … by sound members. */
  readonly falsePositivesAtSound: number;
  /** Starved members declared dead, by anybody; the paper does not count these. */
  readonly starvedDeclared: number;
  /** For each crash: until the first sound member held it dead, and until all did. */
  readonly firstMs: readonly number[];
  readonly fullMs: readonly number[];
  /** Crashes that some sound member did not hold dead by the end. */
  readonly undetected: number;
  readonly messages: number;
  readonly bytes: number;
}

/** One data centre. */
const ROAD: RoadShape = { baseUs: 250, jitterUs: 100, loss: 0, bytesPerSecond: 0 };
export const TRIAL_NETWORK: NetworkShape = {
  ...{ sameZone: ROAD, otherZone: ROAD, giveUpMs: 900_000 },
  ...{ gossipLoss: 0, gossipDuplicates: 0, gossipLateMs: 0 },
};

/** Everybody's seeds are the first three: they are left alone, so that no subject depends on them. */
const SPARED = 3;

export function drawSchedule({ seed, nodes, anomalies, starveMs, crashes }: TrialShape): Schedule {
  const draws = new Draws(seed, 0x5a11, nodes);
  const victims = draws.distinct(anomalies + crashes, nodes - SPARED).map((node) => node + SPARED);
  const crashed: number[] = [];
  while (crashed.length < crashes) {
    crashed.push(...victims.splice(draws.between(0, victims.length - 1), 1));
  }
  // The first comes while the starved are being found out, the others when they are known.
  const pauseMs = starveMs / crashes;
  return {
    starved: victims,
    crashes: crashed.map((node, at) => ({ node, atMs: Math.round(pauseMs * (at + 0.25)) })),
  };
}

interface Crash {
  readonly atMs: number;
  readonly waiting: Set<number>;
  firstMs: number | undefined;
  fullMs: number | undefined;
}

/** Follows what members believe. */
export class Tally {
  readonly #starved: ReadonlySet<number>;
  readonly #sound: Set<number>;
  readonly #crashes = new Map<number, Crash>();
  #falsePositives = 0;
  #atSound = 0;
  #starvedDeclared = 0;

  constructor({ nodes }: TrialShape, { starved }: Schedule) {
    this.#starved = new Set(starved);
    const all = Array.from({ length: nodes }, (_, node) => node);
    this.#sound = new Set(all.filter((node) => !this.#starved.has(node)));
  }

  onCrash(node: number, atMs: number): void {
    this.#sound.delete(node);
    for (const { waiting } of this.#crashes.values()) waiting.delete(node);
    const waiting = new Set(this.#sound);
    this.#crashes.set(node, { atMs, waiting, firstMs: undefined, fullMs: undefined });
  }

  onDead(viewer: number, subject: number, atMs: number): void {
    const crash = this.#crashes.get(subject);
    if (crash !== undefined) this.#onDetected(crash, viewer, atMs);
    else if (this.#starved.has(subject)) this.#starvedDeclared += 1;
    else {
      this.#falsePositives += 1;
      if (this.#sound.has(viewer)) this.#atSound += 1;
    }
  }

  result(messages: number, bytes: number): TrialResult {
    const crashes = [...this.#crashes.values()];
    const known = (values: readonly (number | undefined)[]) =>
      values.filter((value) => value !== undefined);
    return {
      falsePositives: this.#falsePositives,
      falsePositivesAtSound: this.#atSound,
      starvedDeclared: this.#starvedDeclared,
      firstMs: known(crashes.map(({ firstMs }) => firstMs)),
      fullMs: known(crashes.map(({ fullMs }) => fullMs)),
      undetected: crashes.filter(({ fullMs }) => fullMs === undefined).length,
      ...{ messages, bytes },
    };
  }

  #onDetected(crash: Crash, viewer: number, atMs: number): void {
    if (!crash.waiting.delete(viewer)) return;
    crash.firstMs ??= atMs - crash.atMs;
    if (crash.waiting.size === 0) crash.fullMs = atMs - crash.atMs;
  }
}
