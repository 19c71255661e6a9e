import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { SeededRandom } from "../../core/random.ts";
import type { Breaker, BreakerState, Evidence } from "../../core/router/policy.ts";
import type { Millis } from "../../core/types.ts";
import { BREAKER_DEFAULTS, BreakerGroup } from "../../policies/breaker.ts";

const at = (ms: number) => ms as Millis;
const config = BREAKER_DEFAULTS;
const group = (instances: number) => {
  const made = new BreakerGroup(config, new SeededRandom(7));
  made.resize(instances);
  return made;
};
const fail = (breaker: Breaker, times: number, now: number, evidence: Evidence = "hard") => {
  for (let each = 0; each < times; each += 1) {
    breaker.fail(breaker.start(at(now)), evidence, at(now));
  }
};
const succeed = (breaker: Breaker, times: number, now: number) => {
  for (let each = 0; each < times; each += 1) breaker.succeed(breaker.start(at(now)), at(now));
};

describe("the breaker of one instance", () => {
  it("trips after failures in a row, and a success between them starts the count again", () => {
    const breaker = group(3).create();
    fail(breaker, 4, 0);
    succeed(breaker, 1, 0);
    fail(breaker, 4, 0);
    expect(breaker.state(at(0))).toBe("closed");
    fail(breaker, 1, 0);
    expect(breaker.state(at(0))).toBe("open");
    expect(breaker.admits(at(999))).toBe(false);
  });

  it("trips on half failures without a row, but not on few answers or old ones", () => {
    const alternate = (breaker: Breaker, pairs: number, now: number) => {
      for (let pair = 0; pair < pairs; pair += 1) {
        succeed(breaker, 1, now);
        fail(breaker, 1, now);
      }
    };
    const few = group(3).create();
    alternate(few, 9, 0);
    expect(few.state(at(0))).toBe("closed");
    alternate(few, 9, 11_000);
    expect(few.state(at(11_000))).toBe("closed");
    alternate(few, 1, 11_500);
    expect(few.state(at(11_500))).toBe("open");
  });

  it("closes after its probes succeed, and lets no more of them through", () => {
    const breaker = group(3).create();
    fail(breaker, 5, 0);
    expect(breaker.admits(at(1_500))).toBe(true);
    const probes = [breaker.start(at(1_500)), breaker.start(at(1_500))];
    expect(breaker.admits(at(1_500))).toBe(false);
    for (const probe of probes) breaker.succeed(probe, at(1_600));
    expect(breaker.state(at(1_600))).toBe("closed");
  });

  it("gives the place of an abandoned probe to the next one", () => {
    const breaker = group(3).create();
    fail(breaker, 5, 0);
    const probes = [breaker.start(at(2_000)), breaker.start(at(2_000))];
    breaker.abandon(probes[0] as number);
    expect(breaker.admits(at(2_000))).toBe(true);
  });

  it("doubles its open time with each trip that follows soon, up to the most", () => {
    const breaker = group(3).create();
    fail(breaker, 5, 0);
    let now = 0;
    const openTimes: number[] = [];
    for (let trip = 0; trip < 8; trip += 1) {
      const opened = now;
      while (!breaker.admits(at(now))) now += 50;
      openTimes.push(now - opened);
      fail(breaker, 1, now);
    }
    openTimes.forEach((openMs, trip) => {
      const base = Math.min(1_000 * 2 ** trip, config.openMaxMs);
      expect(openMs).toBeGreaterThanOrEqual(base);
      expect(openMs).toBeLessThanOrEqual(base * 1.5 + 50);
    });
    succeed(breaker, 2, now + 50_000);
    fail(breaker, 5, now + 200_000);
    expect(breaker.admits(at(now + 201_500))).toBe(true);
  });

  it("ignores what attempts from before the trip say", () => {
    const breaker = group(3).create();
    const old = breaker.start(at(0));
    fail(breaker, 5, 0);
    breaker.start(at(2_000));
    breaker.succeed(old, at(2_000));
    breaker.fail(old, "hard", at(2_000));
    breaker.abandon(old);
    expect(breaker.state(at(2_000))).toBe("half-open");
  });
});

describe("the breakers of one service", () => {
  it("soft evidence ejects half of the instances at most, but always may eject one", () => {
    for (const [instances, most] of [
      [1, 1],
      [2, 1],
      [3, 1],
      [4, 2],
      [10, 5],
    ] as const) {
      const made = group(instances);
      const breakers = Array.from({ length: instances }, () => made.create());
      for (const breaker of breakers) fail(breaker, 30, 0, "soft");
      const open = breakers.filter((breaker) => breaker.state(at(0)) === "open");
      expect(open).toHaveLength(most);
    }
  });

  it("hard evidence ejects them all", () => {
    const made = group(4);
    const breakers = Array.from({ length: 4 }, () => made.create());
    for (const breaker of breakers) fail(breaker, 5, 0);
    expect(breakers.every((breaker) => !breaker.admits(at(0)))).toBe(true);
  });

  it("an instance that went away makes room for another ejection", () => {
    const made = group(2);
    const [first, second] = [made.create(), made.create()];
    fail(first, 5, 0, "soft");
    fail(second, 5, 0, "soft");
    expect(second.state(at(0))).toBe("closed");
    first.dispose();
    first.dispose();
    fail(second, 1, 0, "soft");
    expect(second.state(at(0))).toBe("open");
  });
});

describe("any history of a breaker", () => {
  const history = fc.array(
    fc.record({
      kind: fc.constantFrom("start", "start", "succeed", "fail", "fail", "abandon", "wait"),
      pick: fc.nat(50),
      ms: fc.integer({ min: 0, max: 4_000 }),
    }),
    { maxLength: 200, size: "max" },
  );
  const legal = new Set(["closed>open", "open>half-open", "half-open>closed", "half-open>open"]);

  it("takes legal transitions only, and while half-open never more than its probes", () => {
    fc.assert(
      fc.property(history, (steps) => {
        const breaker = group(3).create();
        const out: number[] = [];
        let now = 0;
        const seen = { state: "closed" as BreakerState, probes: 0, ticket: -1 };
        const look = () => {
          const next = breaker.state(at(now));
          if (next === seen.state) return;
          expect(legal.has(`${seen.state}>${next}`)).toBe(true);
          Object.assign(seen, { state: next, probes: 0 });
        };
        for (const { kind, pick, ms } of steps) {
          if (kind === "wait") now += ms;
          look();
          const ticket = out[pick % Math.max(out.length, 1)];
          if (kind === "start" && breaker.admits(at(now))) {
            expect(seen.state).not.toBe("open");
            seen.ticket = breaker.start(at(now));
            out.push(seen.ticket);
            if (seen.state === "half-open") seen.probes += 1;
            expect(seen.probes).toBeLessThanOrEqual(config.probes);
          } else if (ticket !== undefined && kind !== "wait" && kind !== "start") {
            out.splice(out.indexOf(ticket), 1);
            if (kind === "succeed") breaker.succeed(ticket, at(now));
            else if (kind === "fail") breaker.fail(ticket, "hard", at(now));
            else {
              breaker.abandon(ticket);
              if (seen.state === "half-open" && ticket === seen.ticket) seen.probes -= 1;
            }
          }
          look();
        }
      }),
      { numRuns: 300 },
    );
  });

  it("closes in the end when the instance is well again, whatever came before", () => {
    fc.assert(
      fc.property(history, (steps) => {
        const breaker = group(3).create();
        let now = 0;
        for (const { kind, ms } of steps) {
          now += ms;
          if (!breaker.admits(at(now))) continue;
          const ticket = breaker.start(at(now));
          if (kind === "fail") breaker.fail(ticket, "hard", at(now));
          else if (kind === "succeed") breaker.succeed(ticket, at(now));
          else breaker.abandon(ticket);
        }
        now += config.openMaxMs * (1 + config.openJitter);
        for (let probe = 0; probe < config.probes; probe += 1) {
          expect(breaker.admits(at(now))).toBe(true);
          breaker.succeed(breaker.start(at(now)), at(now));
        }
        expect(breaker.state(at(now))).toBe("closed");
      }),
      { numRuns: 300 },
    );
  });
});
