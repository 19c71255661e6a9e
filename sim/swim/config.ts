/**
 * The numbers of memberlist's LAN profile (hashicorp/memberlist, config.go) with the suspicion of
 * the Lifeguard paper (arXiv:1707.00788): alpha 5, beta 6, three confirmations. Each of Lifeguard's
 * three parts can be left out; without all of them, what remains is SWIM as memberlist ran it before.
 */

export interface SwimConfig {
  readonly probeIntervalMs: number;
  readonly probeTimeoutMs: number;
  readonly indirectChecks: number;
  /** Alpha: suspicion lasts alpha * log10(members) probe intervals … */
  readonly suspicionMult: number;
  /** … and beta times that while nobody confirms it. */
  readonly suspicionMaxTimeoutMult: number;
  readonly retransmitMult: number;
  readonly gossipIntervalMs: number;
  readonly gossipNodes: number;
  /** The dead are gossiped to for so long, so that they can refute; then they are forgotten. */
  readonly gossipToTheDeadMs: number;
  readonly pushPullIntervalMs: number;
  readonly awarenessMax: number;
  /** Messages that wait for their handler. */
  readonly handoffQueueDepth: number;
  readonly packetBytesMax: number;
  /** Lifeguard: local health stretches the probe interval, and helpers answer with nacks. */
  readonly lhaProbe: boolean;
  /** Lifeguard: suspicion starts at its longest and shrinks with each confirmation. */
  readonly lhaSuspicion: boolean;
  /** Lifeguard: who probes a suspect tells it so in the same packet. */
  readonly buddy: boolean;
}

export const SWIM: SwimConfig = {
  probeIntervalMs: 1_000,
  probeTimeoutMs: 500,
  indirectChecks: 3,
  suspicionMult: 5,
  suspicionMaxTimeoutMult: 6,
  retransmitMult: 4,
  gossipIntervalMs: 200,
  gossipNodes: 3,
  gossipToTheDeadMs: 30_000,
  pushPullIntervalMs: 30_000,
  awarenessMax: 8,
  handoffQueueDepth: 1_024,
  packetBytesMax: 1_400,
  lhaProbe: false,
  lhaSuspicion: false,
  buddy: false,
};

export const LIFEGUARD: SwimConfig = { ...SWIM, lhaProbe: true, lhaSuspicion: true, buddy: true };

/** From here on push/pull becomes rarer, so that its cost grows no faster than the cluster. */
const PUSH_PULL_SCALE = 32;

/** The shortest suspicion (util.go, suspicionTimeout). */
export function suspicionMinMs(config: SwimConfig, members: number): number {
  const scale = Math.max(1, Math.log10(Math.max(1, members)));
  return config.suspicionMult * scale * config.probeIntervalMs;
}

/** How often each rumour is sent by each member (util.go, retransmitLimit). */
export function retransmitLimit(config: SwimConfig, members: number): number {
  return config.retransmitMult * Math.ceil(Math.log10(members + 1));
}

export function pushPullMs(config: SwimConfig, members: number): number {
  if (members <= PUSH_PULL_SCALE) return config.pushPullIntervalMs;
  const times = Math.ceil(Math.log2(members) - Math.log2(PUSH_PULL_SCALE)) + 1;
  return config.pushPullIntervalMs * times;
}
