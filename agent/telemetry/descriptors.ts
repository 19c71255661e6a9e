/**
 * File descriptors: how many are open, how many there may be, and a warning before they run out.
 * Nothing else would tell: the system accepts what no descriptor is left for and closes it at once,
 * and neither Node nor the listener hears of it. Linux alone says how many there are.
 */
import { readdirSync, readFileSync } from "node:fs";

const LOOK_MS = 5_000;
/** Shares of the limit at which a warning is given, and below which the next one may be. */
const WARN_SHARE = 0.9;
const CALM_SHARE = 0.8;

export interface DescriptorUse {
  /** `max` where none was left to count them with. */
  readonly open: number;
  readonly max: number;
}

/** The limit is read once, so that a look needs no more than one descriptor. */
export function descriptorReader(): (() => DescriptorUse) | undefined {
  const max = descriptorsMax();
  if (max === undefined) return undefined;
  return () => {
    try {
      return { open: readdirSync("/proc/self/fd").length, max };
    } catch {
      return { open: max, max };
    }
  };
}

function descriptorsMax(): number | undefined {
  try {
    const limits = readFileSync("/proc/self/limits", "utf8");
    const max = Number(/^Max open files\s+(\d+)/m.exec(limits)?.[1]);
    return max > 0 ? max : undefined;
  } catch {
    return undefined;
  }
}

/** Warns once each time that descriptors become scarce. */
export class DescriptorAlarm {
  readonly #warn: (text: string) => void;
  #isScarce = false;

  constructor(warn: (text: string) => void) {
    this.#warn = warn;
  }

  onUse({ open, max }: DescriptorUse): void {
    if (open < CALM_SHARE * max) this.#isScarce = false;
    if (this.#isScarce || open < WARN_SHARE * max) return;
    this.#isScarce = true;
    this.#warn(
      `${open} of ${max} file descriptors are in use: connections beyond them are closed at once. ` +
        "Raise the limit (ulimit -n, LimitNOFILE=) or look for clients that open too many",
    );
  }
}

export function watchDescriptors(warn: (text: string) => void): { close(): void } {
  const read = descriptorReader();
  if (read === undefined) return { close: () => undefined };
  const alarm = new DescriptorAlarm(warn);
  const timer = setInterval(() => alarm.onUse(read()), LOOK_MS);
  timer.unref();
  return { close: () => clearInterval(timer) };
}
