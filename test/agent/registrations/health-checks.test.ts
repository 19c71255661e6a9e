import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CheckState } from "../../../agent/registrations/check-state.ts";
import { HealthChecks } from "../../../agent/registrations/health-checks.ts";
import type { Probe, ProbeResult } from "../../../agent/registrations/probe.ts";
import type { CheckSpec } from "../../../agent/registrations/registration.ts";
import { SeededRandom } from "../../../core/random.ts";
import type { Millis } from "../../../core/types.ts";
import { VirtualClock } from "../virtual-clock.ts";

const common = { intervalMs: 1_000, timeoutMs: 300, unhealthyAfter: 2, healthyAfter: 1 };
const tcp: CheckSpec = { ...common, type: "tcp" };
const now = 0 as Millis;

describe("CheckState", () => {
  it("holds an instance back until its first success", () => {
    const state = new CheckState(tcp, now);
    expect(state.status()).toMatchObject({ health: "failing", checked: undefined });
    expect(state.onResult(false, "refused", now)).toBe(false);
    expect(state.onResult(true, "connected", now)).toBe(true);
    expect(state.status()).toMatchObject({ health: "passing", message: "connected" });
  });

  it("does not flap on a single failure", () => {
    const state = new CheckState(tcp, now);
    state.onResult(true, "", now);
    expect(state.onResult(false, "", now)).toBe(false);
    expect(state.onResult(true, "", now)).toBe(false);
    expect(state.onResult(false, "", now)).toBe(false);
    expect(state.onResult(false, "gone", now)).toBe(true);
    expect(state.status()).toMatchObject({ health: "failing", message: "gone" });
  });

  it("changes exactly when the last results all contradict it", () => {
    fc.assert(
      fc.property(
        fc.array(fc.boolean()),
        fc.integer({ min: 1, max: 4 }),
        fc.integer({ min: 1, max: 4 }),
        (results, healthyAfter, unhealthyAfter) => {
          const state = new CheckState({ ...tcp, healthyAfter, unhealthyAfter }, now);
          let passing = false;
          const seen: boolean[] = [];
          for (const ok of results) {
            seen.push(ok);
            const needed = passing ? unhealthyAfter : healthyAfter;
            const tail = seen.slice(-needed);
            const flips = tail.length === needed && tail.every((item) => item !== passing);
            expect(state.onResult(ok, "", now)).toBe(flips);
            if (flips) {
              passing = !passing;
              seen.length = 0;
            }
            expect(state.status().health).toBe(passing ? "passing" : "failing");
          }
        },
      ),
    );
  });
});

interface Run {
  readonly key: string;
  readonly signal: AbortSignal;
  finish(result: ProbeResult): void;
}

function setUp() {
  const clock = new VirtualClock();
  const runs: Run[] = [];
  const changes: string[] = [];
  const probe: Probe = (task, signal) => {
    const { promise, resolve } = Promise.withResolvers<ProbeResult>();
    runs.push({ key: task.instance, signal, finish: resolve });
    signal.addEventListener("abort", () => resolve({ ok: false, message: signal.reason.message }));
    return promise;
  };
  const checks = new HealthChecks({
    clock,
    random: new SeededRandom(7),
    probe,
    onChange: (key, status) => changes.push(`${key} ${status.health}`),
  });
  const add = (key: string, spec: CheckSpec = tcp) =>
    checks.add(key, {
      spec,
      target: { host: "127.0.0.1", port: 1 },
      protocol: "http",
      service: "default/web",
      instance: key,
    });
  return { clock, runs, changes, checks, add };
}

describe("HealthChecks", () => {
  it("checks at once, then about every interval, never two at a time", async () => {
    const { clock, runs, changes, add } = setUp();
    add("a");
    await clock.advance(0);
    expect(runs).toHaveLength(1);
    runs[0]?.finish({ ok: true, message: "" });
    await clock.advance(899);
    expect(changes).toEqual(["a passing"]);
    expect(runs).toHaveLength(1);
    await clock.advance(202);
    expect(runs).toHaveLength(2);
    await clock.advance(299);
    expect(runs).toHaveLength(2);
  });

  it("fails a run that does not answer in time, and says so", async () => {
    const { clock, runs, checks, add } = setUp();
    add("a");
    await clock.advance(300);
    expect(runs[0]?.signal.aborted).toBe(true);
    expect(checks.status("a")).toMatchObject({ message: "no answer within 300 ms" });
  });

  it("runs a bounded number at a time, and all of them in the end", async () => {
    const { clock, runs, add } = setUp();
    for (let at = 0; at < 100; at += 1) add(`i${at}`);
    await clock.advance(0);
    expect(runs).toHaveLength(32);
    for (let at = 0; at < 100; at += 1) {
      runs[at]?.finish({ ok: true, message: "" });
      await clock.advance(0);
    }
    expect(new Set(runs.map((run) => run.key)).size).toBe(100);
  });

  it("leaves nothing behind when it is closed during a run", async () => {
    const { clock, runs, changes, checks, add } = setUp();
    add("a");
    add("b", { ...common, type: "ttl", ttlMs: 500 });
    checks.report("b", true, "up");
    await clock.advance(0);
    checks.close();
    await clock.advance(0);
    expect(runs[0]?.signal.aborted).toBe(true);
    expect(clock.pending).toBe(0);
    expect(changes).toEqual(["b passing"]);
  });

  it("fails a ttl check as soon as the reports stop, and passes again with the next", async () => {
    const { clock, changes, checks, add } = setUp();
    add("a", { ...common, type: "ttl", ttlMs: 500 });
    expect(checks.report("a", true, "up")).toBe(true);
    await clock.advance(499);
    checks.report("a", true, "up");
    await clock.advance(499);
    expect(changes).toEqual(["a passing"]);
    await clock.advance(1);
    expect(checks.status("a")?.message).toBe("no report for 500 ms");
    checks.report("a", true, "up");
    checks.report("a", false, "out of disk");
    expect(changes).toEqual(["a passing", "a failing", "a passing", "a failing"]);
  });

  it("takes reports for ttl checks alone", () => {
    const { checks, add } = setUp();
    add("a");
    expect(checks.report("a", true, "")).toBe(false);
    expect(checks.report("b", true, "")).toBe(false);
  });
});
