import { describe, expect, it } from "vitest";
import { GrapevineError } from "../../core/errors.ts";
import { SeededRandom } from "../../core/random.ts";
import type { Choice } from "../../core/router/policy.ts";
import type { Millis } from "../../core/types.ts";
import { BREAKER_DEFAULTS, BreakerGroup } from "../../policies/breaker.ts";
import { judgeError, judgeHead } from "../../policies/evidence.ts";
import { LATENCY_DEFAULTS, PeakEwma } from "../../policies/latency.ts";
import { chooseOfTwo } from "../../policies/two-choices.ts";

const at = (ms: number) => ms as Millis;
const estimate = () => new PeakEwma(LATENCY_DEFAULTS);
const choice = (latencyMs?: number): Choice & { latency: PeakEwma } => {
  const latency = estimate();
  if (latencyMs !== undefined) latency.answered(latencyMs, at(0));
  const breakers = new BreakerGroup(BREAKER_DEFAULTS, new SeededRandom(1));
  return { breaker: breakers.create(), latency, share: 1 };
};

describe("the latency estimate", () => {
  it("jumps to a peak at once and comes down slowly", () => {
    const latency = estimate();
    for (let answer = 0; answer < 10; answer += 1) latency.answered(10, at(0));
    latency.answered(500, at(10));
    expect(latency.latencyMs(at(10))).toBe(500);
    latency.answered(10, at(1_010));
    expect(latency.latencyMs(at(1_010))).toBeGreaterThan(250);
    expect(latency.latencyMs(at(60_000))).toBeLessThan(5);
  });

  it("forgets the slow first answers of a new instance within a second", () => {
    const latency = estimate();
    latency.answered(200, at(0));
    expect(latency.latencyMs(at(10))).toBeGreaterThan(100);
    expect(latency.latencyMs(at(1_100))).toBeLessThan(3);
  });

  it("counts a failure that came fast as slow, so that it does not draw the traffic", () => {
    const fast = choice();
    fast.latency.failed(0.1, at(0));
    const slow = choice(50);
    expect(chooseOfTwo(fast, slow, at(1))).toBe(slow);
    expect(chooseOfTwo(slow, fast, at(1))).toBe(slow);
  });

  it("gives a new instance its first request soon, and the second only after an answer", () => {
    const known = choice(20);
    const fresh = choice();
    expect(chooseOfTwo(known, fresh, at(0))).toBe(fresh);
    fresh.latency.start();
    expect(chooseOfTwo(fresh, known, at(0))).toBe(known);
    fresh.latency.end();
    fresh.latency.answered(1, at(30));
    expect(chooseOfTwo(known, fresh, at(30))).toBe(fresh);
  });
});

describe("two choices", () => {
  it("takes the clearly cheaper one, and the first drawn among near equals", () => {
    const [near, like, far] = [choice(10), choice(11), choice(40)];
    expect(chooseOfTwo(like, near, at(0))).toBe(like);
    expect(chooseOfTwo(near, like, at(0))).toBe(near);
    expect(chooseOfTwo(far, near, at(0))).toBe(near);
  });

  it("weighs requests in flight against latency, in proportion to the weight", () => {
    const [busy, idle] = [choice(10), choice(30)];
    for (let each = 0; each < 4; each += 1) busy.latency.start();
    expect(chooseOfTwo(busy, idle, at(0))).toBe(idle);
    expect(chooseOfTwo({ ...busy, share: 8 }, idle, at(0)).share).toBe(8);
  });

  it("sends the probes of a half-open breaker to where they are wanted", () => {
    const [slow, fast] = [choice(5_000), choice(1)];
    for (let each = 0; each < 5; each += 1) {
      slow.breaker.fail(slow.breaker.start(at(0)), "hard", at(0));
    }
    expect(chooseOfTwo(fast, slow, at(100))).toBe(fast);
    expect(chooseOfTwo(fast, slow, at(2_000))).toBe(slow);
  });
});

describe("evidence", () => {
  const head = (status: number, headers: string[] = []) =>
    judgeHead({ status, reason: "", headers, body: 0 });

  it("takes gateway errors for the instance's, and 4xx and 500 for the request's", () => {
    expect([502, 503, 504].map((status) => head(status))).toEqual(["soft", "soft", "soft"]);
    expect([101, 200, 301, 404, 429, 500, 501].map((status) => head(status))).toEqual(
      Array(7).fill(undefined),
    );
  });

  it("takes a 503 with Retry-After for load shed on purpose", () => {
    expect(head(503, ["Retry-After", "3"])).toBeUndefined();
  });

  it("does not blame the instance for refusals of our own", () => {
    const judge = (code: GrapevineError["short"]) => judgeError(new GrapevineError(code, ""));
    expect(judge("unreachable")).toBe("hard");
    expect(judge("upstream_reset")).toBe("soft");
    for (const code of ["overloaded", "draining", "not_owner", "canceled", "internal"] as const) {
      expect(judge(code)).toBeUndefined();
    }
  });
});
