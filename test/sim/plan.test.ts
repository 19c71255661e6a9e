import { gunzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { assemblePage } from "../../cli/sim/replay-page.ts";
import { type Plan, type PlanEvent, parsePlan } from "../../sim/plan.ts";
import { drawPlan, PROFILES } from "../../sim/profiles.ts";
import { replayData } from "../../sim/replay.ts";
import { shrink } from "../../sim/shrink.ts";

const plan = drawPlan({ profile: "mixed", seed: 1, nodes: 16, minutes: 5 });

describe("a plan file", () => {
  it("comes back as it was written", () => {
    expect(parsePlan(JSON.stringify(plan), "p.json")).toEqual(plan);
  });

  it.each<readonly [string, (value: Record<string, unknown>) => void, string]>([
    ["another version", (value) => Object.assign(value, { version: 9 }), '"version" is not 1'],
    ["no seed", (value) => delete value["seed"], '"seed"'],
    ["too many nodes", (value) => Object.assign(value, { nodes: 1e6 }), '"nodes"'],
    ["no network", (value) => Object.assign(value, { network: 1 }), '"network"'],
    [
      "an unknown fault",
      (value) => Object.assign(value, { events: [{ atMs: 1, kind: "meteor" }] }),
      "events[0] has an unknown kind",
    ],
    [
      "a fault of a node that is not there",
      (value) =>
        Object.assign(value, {
          events: [{ atMs: 1, kind: "pause", node: 16, forMs: 1, resume: "io" }],
        }),
      'events[0] (pause): "node"',
    ],
  ])("is refused with %s, by name", (_what, change, message) => {
    const copy = structuredClone(plan) as unknown as Record<string, unknown>;
    change(copy);
    expect(() => parsePlan(JSON.stringify(copy), "p.json")).toThrow(message);
  });

  const drift = { atMs: 1, kind: "clock", node: 1, stepMs: 0, driftPpm: -1_000_000 };
  const starve = {
    atMs: 1,
    kind: "starve",
    node: 1,
    forMs: 9,
    blockMs: 0,
    costUs: 0,
    resume: "io",
  };
  const service = { atMs: 1, kind: "register", node: 1, service: "Not A Label", id: "x" };
  it.each<readonly [string, object, string]>([
    [
      "a share of requests above one",
      { workload: { ...plan.workload, keyed: 7 } },
      "workload.keyed",
    ],
    ["half a service", { workload: { ...plan.workload, services: 2.5 } }, "workload.services"],
    ["callers by name", { workload: { ...plan.workload, callers: "x" } }, "workload.callers"],
    [
      "more loss than packets",
      { network: { ...plan.network, gossipLoss: 5 } },
      "network.gossipLoss",
    ],
    [
      "distances of too few zones",
      { network: { ...plan.network, zoneDelayUs: [[1]] } },
      "zoneDelay",
    ],
    ["a parameter that the detector lacks", { membership: { observer: 5 } }, "membership.observer"],
    [
      "a lease that lasts no time",
      { leaseMs: 0 },
      '"leaseMs" is 0; it must be a whole number from',
    ],
    ["a clock that stands still", { events: [drift] }, 'events[0] (clock): "driftPpm" is -1000000'],
    ["no processor for ever", { events: [{ ...starve, runMs: 0 }] }, '"runMs" is 0'],
    ["a service that nobody can register", { events: [service] }, '"service" is "Not A Label"'],
    [
      "a field misspelt",
      { events: [{ ...drift, driftPPM: 5 }] },
      '"driftPPM" is unknown; known are',
    ],
    ["a field that plans lack", { colour: "red" }, '"colour" is unknown'],
    ["a node that breaks in no known way", { broken: [{ node: 1, how: "x" }] }, "broken[0].how"],
  ])("is refused with %s, before anything runs", (_what, change, message) => {
    const text = JSON.stringify({ ...plan, ...change });
    expect(() => parsePlan(text, "p.json")).toThrow(message);
  });

  it("that is drawn is one, whatever the profile, the size and the seed", () => {
    for (const [seed, profile] of PROFILES.entries()) {
      for (const nodes of [undefined, 1, 2, 5, 3_000]) {
        const drawn = drawPlan({ profile, seed, nodes, minutes: 2 });
        expect(parsePlan(JSON.stringify(drawn), "p.json")).toEqual(drawn);
      }
    }
  });

  it("is refused if it is not JSON", () => {
    expect(() => parsePlan("{", "p.json")).toThrow("p.json is not a plan: it is not JSON");
  });
});

function shrunk(start: Plan, fails: (candidate: Plan) => boolean) {
  const attempts = shrink(start);
  let next = attempts.next();
  while (next.done !== true) next = attempts.next(fails(next.value));
  return next.value;
}

describe("shrinking", () => {
  const pause = (node: number): PlanEvent => {
    return { atMs: 60_000, kind: "pause", node, forMs: 20_000, resume: "timers" };
  };
  const crash = (node: number): PlanEvent => {
    return { atMs: 90_000, kind: "crash", node, forMs: 500, how: "kill", disk: "kept" };
  };
  const large: Plan = {
    ...plan,
    events: [...plan.events.filter(({ kind }) => kind === "register"), pause(9), crash(12)],
  };

  it("keeps the two faults that matter, on few nodes, and says what did not", () => {
    const needsBoth = ({ events }: Plan) =>
      events.some((event) => event.kind === "pause" && event.forMs >= 5_000) &&
      events.some((event) => event.kind === "crash");
    const { plan: small, account, runs } = shrunk(large, needsBoth);
    expect(small.events.map(({ kind }) => kind)).toEqual(["pause", "crash"]);
    expect(small.nodes).toBe(2);
    expect(small.events[0]).toMatchObject({ node: 0, forMs: 5_000 });
    expect(small.workload.requestsPerSecond).toBe(0);
    expect(small.virtualMs).toBe(91_000);
    expect(account.length).toBeGreaterThan(3);
    expect(runs).toBeLessThan(200);
  });

  it("leaves out of a fault the nodes that it need not strike, and then these nodes", () => {
    const others = Array.from({ length: 15 }, (_, at) => at + 1);
    const loss = { clog: false, loss: 0.8, delayMs: 0, jitterMs: 0, bytesPerSecond: 0 };
    const road = { atMs: 1_000, kind: "road", forMs: 60_000, ...loss } as const;
    const cut = { atMs: 2_000, kind: "partition", left: [4, 9, 2, 7], forMs: 5_000 } as const;
    const start: Plan = {
      ...plan,
      events: [
        { ...road, from: [0], to: others },
        { ...cut, oneWay: false },
      ],
    };
    const { plan: small } = shrunk(start, ({ events, nodes }) => {
      const [first, second] = events;
      const isLossy = first?.kind === "road" && first.to.length >= 2;
      return nodes >= 4 && isLossy && second?.kind === "partition";
    });
    expect(small.events).toMatchObject([{ from: [0], to: [1, 2] }, { left: [expect.any(Number)] }]);
    expect(small.nodes).toBe(4);
  });

  it("leaves neither bursts of requests nor loss of packets that do not matter", () => {
    const { sameZone } = plan.network;
    const start: Plan = {
      ...{ ...plan, workload: { ...plan.workload, requestsPerSecond: 5, burstsPerSecond: 3 } },
      network: { ...plan.network, sameZone: { ...sameZone, loss: 0.01 } },
    };
    const { plan: small } = shrunk(start, () => true);
    expect(small.workload).toMatchObject({ requestsPerSecond: 0, burstsPerSecond: 0 });
    expect(small.network.sameZone.loss).toBe(0);
    expect(small.network.otherZone.loss).toBe(0);
  });

  it("keeps a plan a plan when a zone that a fault names would be lost", () => {
    const zone: PlanEvent = { atMs: 1_000, kind: "zone", zone: 2, forMs: 5_000, how: "power" };
    const start: Plan = { ...plan, zones: 3, events: [zone] };
    const { plan: small } = shrunk(start, ({ events }) => events.length === 1);
    expect(parsePlan(JSON.stringify(small), "small.json")).toEqual(small);
  });

  it("ends with the plan as it was if everything matters", () => {
    const text = JSON.stringify(large);
    const { plan: same } = shrunk(large, (candidate) => JSON.stringify(candidate) === text);
    expect(same).toEqual(large);
  });
});

describe("a replay page", () => {
  it("holds the trace, and no text of it can end the script", () => {
    const line = { at: 1, kind: "registered", node: 0, instance: "</script><b>" };
    const data = replayData([JSON.stringify({ plan }), JSON.stringify(line)]) as string;
    const page = assemblePage(data);
    expect(page.match(/<\/script>/g)).toHaveLength(2);
    expect(traceOf(page)).toMatchObject({ plan, events: [line] });
    expect(page).not.toMatch(/^(import|export) /m);
  });

  it("loses the least telling events where there are too many, and says which", () => {
    const stored = Array.from({ length: 300_001 }, () => '{"at":1,"kind":"stored"}');
    const lines = [JSON.stringify({ plan }), ...stored, '{"at":2,"kind":"healed"}'];
    const { dropped, events } = JSON.parse(replayData(lines) as string);
    expect(dropped).toEqual(["stored"]);
    expect(events).toEqual([{ at: 2, kind: "healed" }]);
  });

  it("is not made from anything else", () => {
    expect(replayData(["hello"])).toBeUndefined();
    expect(replayData([])).toBeUndefined();
    expect(replayData(['{"plan":{}}'])).toBeUndefined();
    expect(replayData(['{"plan":1}'])).toBeUndefined();
  });
});

function traceOf(page: string): unknown {
  const [, packed = ""] = /id="data">([^<]*)</.exec(page) ?? [];
  return JSON.parse(gunzipSync(Buffer.from(packed, "base64")).toString());
}
