/** One machine: addresses, clock and disk outlive the processes that run on it one after another. */
import type { MachineClock } from "../engine/local-clock.ts";
import type { Agent } from "./agent.ts";
import { Disk } from "./disk.ts";

export class Host {
  readonly index: number;
  readonly name: string;
  readonly zone: number;
  bind: string;
  link: string;
  readonly machine: MachineClock;
  readonly disk = new Disk();
  agent: Agent | undefined;
  /** Processes started here so far. */
  starts = 0;
  isPowered = true;
  /** It stays broken for good: the others must come right without it. */
  isBroken = false;
  /** Grapevine's own version on the machine: a rolling upgrade changes it. */
  version = "0.1.0";

  constructor(index: number, zone: number, machine: MachineClock) {
    this.index = index;
    this.name = `n${index}`;
    this.zone = zone;
    const address = `10.${zone}.${index >> 8}.${index & 255}`;
    this.bind = `${address}:7946`;
    this.link = `${address}:7947`;
    this.machine = machine;
  }

  get isRunning(): boolean {
    return this.agent !== undefined;
  }
}
