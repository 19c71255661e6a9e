/** What only the operating system can give the pure folders: unpredictable seeds, and lag. */
import { randomInt } from "node:crypto";
import { SeededRandom } from "../core/random.ts";
import type { Random } from "../core/seams.ts";

/** A generator seeded from the operating system. For jitter and choices, never for keys. */
export function systemRandom(): Random {
  return new SeededRandom(randomInt(2 ** 32));
}

export interface DelayMonitor {
  stop(): void;
}

/**
 * Watches how late the event loop runs: calls `onDelay` with the milliseconds by which a periodic
 * timer came late, whenever that is at least `delayMsMin`. The failure detector counts such delays
 * against this node's own health, so that a stalled process does not accuse its peers.
 */
export function monitorLoopDelay(
  onDelay: (delayMs: number) => void,
  intervalMs = 100,
  delayMsMin = 50,
): DelayMonitor {
  let expected = performance.now() + intervalMs;
  const timer = setInterval(() => {
    const now = performance.now();
    const delay = now - expected;
    expected = now + intervalMs;
    if (delay >= delayMsMin) onDelay(delay);
  }, intervalMs);
  timer.unref();
  return { stop: () => clearInterval(timer) };
}
