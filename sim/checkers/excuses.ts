/**
 * What a node may be excused for: it is down, or a fault touches it or the road between two nodes,
 * or did so a short while ago. Built from the trace alone.
 */
import type { TraceEventOf } from "../trace.ts";

interface Active {
  readonly fault: string;
  readonly left: ReadonlySet<number>;
  readonly right: ReadonlySet<number> | undefined;
  readonly beganAt: number;
  endedAt: number | undefined;
}

/** A clean cut leaves both sides sound within themselves; other faults touch all they name. */
const CLEAN_CUT = "partition";

/** How long damping remembers (its half-life), and the longest sound time that it asks for. */
const DAMPED_US = 300_000_000;
const SOUND_US = 60_000_000;

export class Excuses {
  readonly #upSince = new Map<number, number>();
  readonly #faults = new Map<number, Active>();
  #healedAt: number | undefined;

  onStart({ node, at }: TraceEventOf<"start">): void {
    this.#upSince.set(node, at);
  }

  onStop({ node }: TraceEventOf<"stop">): void {
    this.#upSince.delete(node);
  }

  onFault({ id, on, fault, left, right, at }: TraceEventOf<"fault">): void {
    const known = this.#faults.get(id);
    if (!on) {
      if (known !== undefined) known.endedAt = at;
      return;
    }
    const sides = { left: new Set(left), right: right && new Set(right) };
    this.#faults.set(id, { fault, ...sides, beganAt: at, endedAt: undefined });
  }

  onHealed({ at }: TraceEventOf<"healed">): void {
    this.#healedAt = at;
  }

  isUp(node: number): boolean {
    return this.#upSince.has(node);
  }

  /** True if it has run since `since` without a fault that touches it alone. */
  isSound(node: number, since: number): boolean {
    const upSince = this.#upSince.get(node);
    if (upSince === undefined || upSince > since) return false;
    for (const active of this.#faults.values()) {
      if (isOver(active, since) || active.fault === CLEAN_CUT) continue;
      if (active.left.has(node) || active.right?.has(node) === true) return false;
    }
    return true;
  }

  /** True if no clean cut has run between the two since `since`. */
  areConnected(one: number, other: number, since: number): boolean {
    for (const active of this.#faults.values()) {
      if (active.fault !== CLEAN_CUT || isOver(active, since)) continue;
      if (active.left.has(one) !== active.left.has(other)) return false;
    }
    return true;
  }

  /**
   * True if clean cuts came again and again and the last of them is not long over: a member that the
   * other side accused each time then waits with its contradiction until its network is well.
   */
  isShaken(at: number): boolean {
    let cuts = 0;
    let isFresh = false;
    for (const { fault, beganAt, endedAt } of this.#faults.values()) {
      if (fault !== CLEAN_CUT || beganAt < at - DAMPED_US) continue;
      cuts += 1;
      isFresh ||= endedAt === undefined || endedAt > at - SOUND_US;
    }
    return cuts > 1 && isFresh;
  }

  /** True if it has run since `since`, whatever was done to it. */
  isUpSince(node: number, since: number): boolean {
    const upSince = this.#upSince.get(node);
    return upSince !== undefined && upSince <= since;
  }

  /** True if no fault of anybody began, went on or ended since `since`, but for what stays broken. */
  isQuiet(since: number): boolean {
    for (const active of this.#faults.values()) {
      if (isOver(active, since)) continue;
      if (!active.fault.startsWith("broken ") || active.beganAt > since) return false;
    }
    return this.#healedAt === undefined || this.#healedAt < since;
  }
}

function isOver({ endedAt }: Active, since: number): boolean {
  return endedAt !== undefined && endedAt < since;
}
