/**
 * Runs the checks of all local instances: the first at once, then every interval with a jitter of a
 * tenth, never two runs of one check at a time, and only so many in all, so that a thousand checks
 * do not become a burst on the host that they are to observe. What the results mean is decided in
 * check-state.ts.
 */
import type { Clock, Random, Timer } from "../../core/seams.ts";
import type { CheckStatus } from "./check-state.ts";
import { CheckState } from "./check-state.ts";
import type { Probe, ProbeResult, ProbeTask } from "./probe.ts";

/** Probes that run at a time; further ones wait their turn. */
const RUNS_AT_ONCE_MAX = 32;
const JITTER = 0.1;

export interface HealthChecksOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly probe: Probe;
  /** Called after each change of an instance's health, never from inside a call. */
  readonly onChange: (key: string, status: CheckStatus) => void;
}

interface Check {
  readonly key: string;
  readonly task: ProbeTask;
  readonly state: CheckState;
  timer: Timer | undefined;
  /** Set while a run is under way. */
  running: AbortController | undefined;
  removed: boolean;
}

export class HealthChecks {
  readonly #options: HealthChecksOptions;
  readonly #checks = new Map<string, Check>();
  readonly #waiting: Check[] = [];
  #running = 0;

  constructor(options: HealthChecksOptions) {
    this.#options = options;
  }

  /** Begins the check of an instance; an earlier one under this key ends. */
  add(key: string, task: ProbeTask): void {
    this.remove(key);
    const { clock } = this.#options;
    const state = new CheckState(task.spec, clock.now());
    const check: Check = { key, task, state, timer: undefined, running: undefined, removed: false };
    this.#checks.set(key, check);
    if (task.spec.type !== "ttl") this.#schedule(check, 0);
  }

  remove(key: string): void {
    const check = this.#checks.get(key);
    if (check === undefined) return;
    check.removed = true;
    check.timer?.cancel();
    check.running?.abort(new Error("the check was removed"));
    this.#checks.delete(key);
  }

  /** The application's own report for a ttl check; false if `key` has no such check. */
  report(key: string, ok: boolean, message: string): boolean {
    const check = this.#checks.get(key);
    if (check === undefined || check.task.spec.type !== "ttl") return false;
    const { ttlMs } = check.task.spec;
    check.timer?.cancel();
    check.timer = this.#after(ttlMs, () => {
      this.#settle(check, { ok: false, message: `no report for ${ttlMs} ms` });
    });
    this.#settle(check, { ok, message });
    return true;
  }

  status(key: string): CheckStatus | undefined {
    return this.#checks.get(key)?.state.status();
  }

  close(): void {
    for (const key of [...this.#checks.keys()]) this.remove(key);
    this.#waiting.length = 0;
  }

  #after(delayMs: number, callback: () => void): Timer {
    const { clock } = this.#options;
    return clock.at((clock.now() + delayMs) as ReturnType<Clock["now"]>, callback);
  }

  #schedule(check: Check, delayMs: number): void {
    check.timer = this.#after(delayMs, () => {
      this.#waiting.push(check);
      this.#startWaiting();
    });
  }

  #startWaiting(): void {
    while (this.#running < RUNS_AT_ONCE_MAX) {
      const check = this.#waiting.shift();
      if (check === undefined) return;
      if (!check.removed) void this.#run(check);
    }
  }

  async #run(check: Check): Promise<void> {
    const { clock, random, probe } = this.#options;
    const { spec } = check.task;
    const started = clock.now();
    const controller = new AbortController();
    const timeout = this.#after(spec.timeoutMs, () => {
      controller.abort(new Error(`no answer within ${spec.timeoutMs} ms`));
    });
    check.running = controller;
    this.#running += 1;
    let result: ProbeResult;
    try {
      result = await probe(check.task, controller.signal);
    } catch (error) {
      result = { ok: false, message: error instanceof Error ? error.message : String(error) };
    }
    timeout.cancel();
    check.running = undefined;
    this.#running -= 1;
    if (!check.removed) {
      this.#settle(check, result);
      const interval = spec.intervalMs * (1 + JITTER * (2 * random.float() - 1));
      this.#schedule(check, Math.max(0, started + interval - clock.now()));
    }
    this.#startWaiting();
  }

  #settle(check: Check, result: ProbeResult): void {
    const { clock, onChange } = this.#options;
    if (check.removed) return;
    const changed = check.state.onResult(result.ok, result.message, clock.now());
    if (changed) onChange(check.key, check.state.status());
  }
}
