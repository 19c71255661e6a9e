/**
 * Addresses that an operator gave, whose identities are not known before the first connection.
 * While this node is connected to too few members they are tried quickly; later slowly, for ever,
 * except those behind which a present member was found: a cluster that was cut in two meets again
 * at its seeds.
 */
import type { Random } from "../core/seams.ts";
import type { Millis, NodeId } from "../core/types.ts";
import { backoffMs } from "./backoff.ts";

const SEEDS_MAX = 64;
const FIRST_PAUSE_MS = 250;
const HURRIED_PAUSE_MS_MAX = 2_000;

interface Seed {
  /** Who answered there last; this node itself, perhaps. */
  peer: NodeId | undefined;
  failures: number;
  nextAt: Millis;
}

export class Seeds {
  readonly #byAddress = new Map<string, Seed>();
  readonly #pauseMsMax: number;

  constructor(pauseMsMax: number) {
    this.#pauseMsMax = pauseMsMax;
  }

  add(address: string, now: Millis): void {
    const known = this.#byAddress.get(address);
    if (known !== undefined) {
      known.failures = 0;
      known.nextAt = now;
    } else if (this.#byAddress.size < SEEDS_MAX) {
      this.#byAddress.set(address, { peer: undefined, failures: 0, nextAt: now });
    }
  }

  has(address: string): boolean {
    return this.#byAddress.has(address);
  }

  onConnected(address: string, peer: NodeId): void {
    const seed = this.#byAddress.get(address);
    if (seed === undefined) return;
    seed.peer = peer;
    seed.failures = 0;
  }

  /** Seeds to dial now. `isHurried`: this node is connected to too few members. */
  due(
    isHurried: boolean,
    isSettled: (peer: NodeId) => boolean,
    random: Random,
    now: Millis,
  ): string[] {
    const due: string[] = [];
    for (const [address, seed] of this.#byAddress) {
      if (seed.peer !== undefined && isSettled(seed.peer)) continue;
      const longest = isHurried ? HURRIED_PAUSE_MS_MAX : this.#pauseMsMax;
      if (isHurried && seed.nextAt - now > longest) seed.nextAt = now;
      if (seed.nextAt > now) continue;
      due.push(address);
      const pauseMs = isHurried
        ? backoffMs(FIRST_PAUSE_MS, longest, seed.failures, random)
        : longest;
      seed.nextAt = (now + pauseMs * (isHurried ? 1 : 0.75 + random.float() / 2)) as Millis;
      seed.failures += 1;
    }
    return due;
  }
}
