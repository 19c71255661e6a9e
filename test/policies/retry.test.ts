import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { GrapevineError } from "../../core/errors.ts";
import { SeededRandom } from "../../core/random.ts";
import type { RetryQuestion } from "../../core/router/policy.ts";
import type { Millis } from "../../core/types.ts";
import { RETRY_DEFAULTS, ServiceRetries } from "../../policies/retry.ts";

const at = (ms: number) => ms as Millis;
const error = (short: GrapevineError["short"], executed?: "no" | "unknown") =>
  new GrapevineError(short, "it failed", executed === undefined ? {} : { executed });
const question = (more: Partial<RetryQuestion> = {}): RetryQuestion => ({
  error: error("link_reset"),
  attempts: 1,
  idempotent: true,
  bodyKept: true,
  headForwarded: false,
  deadlineLeftMs: undefined,
  ...more,
});
const retries = () => new ServiceRetries(RETRY_DEFAULTS, new SeededRandom(3));

describe("whether an attempt may be repeated", () => {
  it("may if it surely did not run, or may run twice", () => {
    const policy = retries();
    expect(policy.obstacle(question())).toBeUndefined();
    expect(policy.obstacle(question({ idempotent: false }))).toContain("twice");
    const refused = error("upstream_refused");
    expect(policy.obstacle(question({ idempotent: false, error: refused }))).toBeUndefined();
  });

  it("must not after the head, without its body, too often, or when it cannot help", () => {
    const policy = retries();
    expect(policy.obstacle(question({ headForwarded: true }))).toContain("passed on");
    expect(policy.obstacle(question({ bodyKept: false }))).toContain("body");
    expect(policy.obstacle(question({ attempts: 3 }))).toContain("3 attempts");
    expect(policy.obstacle(question({ error: error("idle_timeout") }))).toContain("idle_timeout");
  });
});

describe("when an attempt is repeated", () => {
  it("at once elsewhere; with delay and jitter at the same instance or after an overload", () => {
    const policy = retries();
    expect(policy.take(question(), false, at(0))).toEqual({ repeat: true, delayMs: 0 });
    const delays = new Set<number>();
    for (let round = 0; round < 20; round += 1) {
      for (const [asked, same] of [
        [question({ attempts: 2 }), true],
        [question({ attempts: 2, error: error("overloaded") }), false],
      ] as const) {
        const decision = policy.take(asked, same, at(0));
        const delayMs = decision.repeat ? decision.delayMs : -1;
        expect(delayMs).toBeGreaterThanOrEqual(25);
        expect(delayMs).toBeLessThan(50);
        delays.add(delayMs);
      }
    }
    expect(delays.size).toBeGreaterThan(20);
  });

  it("not if the deadline comes first", () => {
    const decision = retries().take(question({ deadlineLeftMs: 12 }), true, at(0));
    expect(decision).toMatchObject({ repeat: false });
  });
});

describe("the retry budget", () => {
  it("has a floor for quiet callers, is spent by repeats, and fills again with time", () => {
    const policy = retries();
    expect(policy.tokens(at(0))).toBe(100);
    for (let each = 0; each < 100; each += 1) policy.take(question(), false, at(0));
    expect(policy.take(question(), false, at(0))).toMatchObject({ repeat: false });
    expect(policy.tokens(at(12_000))).toBe(100);
  });

  it("does not charge for redirections, so that leaving loses no request", () => {
    const policy = retries();
    for (let each = 0; each < 500; each += 1) {
      const asked = question({ error: error("draining") });
      expect(policy.take(asked, false, at(0)).repeat).toBe(true);
    }
    expect(policy.tokens(at(0))).toBe(100);
  });

  it("never allows more than its share and floor, over every window that ends at a repeat", () => {
    const events = fc.array(
      fc.record({ afterMs: fc.nat(700), requests: fc.nat(60), repeats: fc.nat(60) }),
      { maxLength: 80, size: "max" },
    );
    fc.assert(
      fc.property(events, (steps) => {
        const policy = retries();
        const requests: number[] = [];
        const repeats: number[] = [];
        let now = 0;
        for (const step of steps) {
          now += step.afterMs;
          for (let each = 0; each < step.requests; each += 1) {
            policy.deposit(at(now));
            requests.push(now);
          }
          for (let each = 0; each < step.repeats; each += 1) {
            if (policy.take(question(), false, at(now)).repeat) repeats.push(now);
          }
          if (repeats.at(-1) !== now) continue;
          const inWindow = (times: number[]) => times.filter((time) => time > now - 10_000).length;
          expect(inWindow(repeats)).toBeLessThanOrEqual(0.2 * inWindow(requests) + 100);
        }
      }),
      { numRuns: 100 },
    );
  });
});
