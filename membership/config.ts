/**
 * The numbers of the failure detector and why they are what they are. Three presets: `lan` for
 * machines in one data centre, `wan` for members that are tens to hundreds of milliseconds apart,
 * `local` for many agents on one host (development, tests), where round trips are short but
 * processors are shared. Everything is a constant of the cluster: mixed presets still interoperate,
 * the slower ones only detect later.
 */

export interface MembershipConfig {
  /** How many fixed observers each member has. Rapid uses 10, Orleans 10, Pekko 9; 8 keeps 2K links. */
  readonly observers: number;
  /** Up to this many other members, everybody is connected with everybody. */
  readonly fullMeshMax: number;
  /** Connections to random members besides the overlay's, so that rumours do not follow it alone. */
  readonly randomLinks: number;
  /** Connections that nobody here needs are closed above this number. */
  readonly connectionsMax: number;
  /** Attempts to connect that may be under way at once. */
  readonly dialsMax: number;

  /** Each subject is probed once per interval; stretched by local health up to nine times. */
  readonly probeIntervalMs: number;
  /** An answer after this is a miss; three times the round trip where that is longer. */
  readonly probeTimeoutMs: number;
  /** Bound of the adaptive timeout, before local health stretches it. */
  readonly probeTimeoutMsMax: number;
  /** Members asked to probe a silent one (SWIM's k). */
  readonly indirectProbes: number;

  /** Suspicion lasts at least base + perDecade * log10(members) … */
  readonly suspicionBaseMs: number;
  readonly suspicionPerDecadeMs: number;
  /** … and at most this many times as long when nobody confirms it (Lifeguard's beta). */
  readonly suspicionMaxFactor: number;

  /** Fresh rumours are pushed after this pause, so that what arrives together leaves together. */
  readonly pushDelayMs: number;
  /** Rumours that are not spent yet are pushed again after this. */
  readonly gossipIntervalMs: number;
  readonly gossipFanout: number;
  /** Each member sends a rumour mult * ceil(ln(members + 1)) times, less what it hears again. */
  readonly retransmitMult: number;
  /** Every so often the whole table is compared with one random neighbour's. */
  readonly syncIntervalMs: number;

  /** Dead members and seeds are tried again for ever; the pause doubles up to these bounds. */
  readonly deadRetryIntervalMsMax: number;
  readonly seedRetryIntervalMsMax: number;
  /** An attempt to connect of which nothing is heard counts as failed after this. */
  readonly dialTimeoutMs: number;
}

export const LAN: MembershipConfig = {
  observers: 8,
  fullMeshMax: 16,
  randomLinks: 4,
  connectionsMax: 48,
  dialsMax: 16,
  // memberlist's LAN profile probes each second with 500 ms; ours probes fixed peers over open
  // connections, so the same pace costs 8 small packets a second at any cluster size.
  probeIntervalMs: 1_000,
  probeTimeoutMs: 500,
  probeTimeoutMsMax: 2_000,
  indirectProbes: 3,
  // A stopped process is dead for all after 1.5 s (two misses) + 4 s (10 members) + spreading.
  suspicionBaseMs: 3_000,
  suspicionPerDecadeMs: 1_000,
  suspicionMaxFactor: 6,
  pushDelayMs: 20,
  gossipIntervalMs: 200,
  gossipFanout: 4,
  retransmitMult: 3,
  syncIntervalMs: 10_000,
  deadRetryIntervalMsMax: 5_000,
  seedRetryIntervalMsMax: 30_000,
  dialTimeoutMs: 12_000,
};

const WAN: MembershipConfig = {
  ...LAN,
  // Round trips of 300 ms and routes that change under way: memberlist allows 3 s per answer.
  probeIntervalMs: 2_000,
  probeTimeoutMs: 1_500,
  probeTimeoutMsMax: 3_000,
  suspicionBaseMs: 8_000,
  suspicionPerDecadeMs: 2_000,
  pushDelayMs: 50,
  gossipIntervalMs: 500,
  syncIntervalMs: 20_000,
  deadRetryIntervalMsMax: 15_000,
  seedRetryIntervalMsMax: 60_000,
  dialTimeoutMs: 20_000,
};

const LOCAL: MembershipConfig = {
  ...LAN,
  // Twenty agents on two cores: a connection costs both ends 50 ms of processor time when it is
  // made, and being scheduled late is usual. Half the observers still leave two to agree.
  observers: 4,
  fullMeshMax: 6,
  randomLinks: 2,
  probeTimeoutMs: 600,
  gossipIntervalMs: 100,
  syncIntervalMs: 5_000,
  seedRetryIntervalMsMax: 10_000,
};

export const MEMBERSHIP_PRESETS = { lan: LAN, wan: WAN, local: LOCAL } as const;

/** The shortest and longest life of a suspicion in a cluster of `members`. */
export function suspicionBounds(
  config: MembershipConfig,
  members: number,
): { readonly minMs: number; readonly maxMs: number } {
  const decades = Math.log10(Math.max(1, members));
  const minMs = config.suspicionBaseMs + config.suspicionPerDecadeMs * decades;
  return { minMs, maxMs: minMs * config.suspicionMaxFactor };
}

/** How often each member sends one rumour: SWIM's lambda * log n, with lambda = 3 as in its paper. */
export function sendsMax(config: MembershipConfig, members: number): number {
  return config.retransmitMult * Math.ceil(Math.log(members + 1));
}
