import { describe, expect, it } from "vitest";
import { SeededRandom } from "../../core/random.ts";
import type { Millis, NodeId } from "../../core/types.ts";
import { Awareness } from "../../membership/awareness.ts";
import { backoffMs } from "../../membership/backoff.ts";
import { LAN, suspicionBounds } from "../../membership/config.ts";
import { Damping } from "../../membership/damping.ts";
import { LEFT, Members } from "../../membership/members.ts";
import { Observers } from "../../membership/observers.ts";
import { signAccusation, signStatement } from "../../membership/records.ts";
import { Registry } from "../../membership/registry.ts";
import { Rumours } from "../../membership/rumours.ts";
import { Seeds } from "../../membership/seeds.ts";
import { suspicionTimeoutMs } from "../../membership/suspicion.ts";
import { nodeId, testSigner } from "./network.ts";

const ms = (value: number) => value as Millis;

function statement(id: NodeId, incarnation = 0, left = false) {
  const content = { epoch: 1, incarnation, leaving: left, left, nonce: 1, bind: `${id}:1` };
  return signStatement(testSigner(id), content);
}

function table(count: number, registry = new Registry()) {
  const members = new Members(registry, ms(0));
  const ids = Array.from({ length: count }, (_, at) => nodeId(`member${at}`));
  for (const id of ids) members.apply(statement(id), ms(0));
  return { members, ids, slots: ids.map((id) => members.slotOf(id) as number) };
}

describe("suspicion", () => {
  it("lasts from the maximum to the minimum as others confirm it", () => {
    const bounds = { ...suspicionBounds(LAN, 10), otherObservers: 7 };
    expect(bounds).toMatchObject({ minMs: 4_000, maxMs: 24_000 });
    expect(suspicionTimeoutMs(bounds, 0)).toBe(24_000);
    expect(Math.round(suspicionTimeoutMs(bounds, 1))).toBe(11_381);
    expect(suspicionTimeoutMs(bounds, 2)).toBe(4_000);
    expect(suspicionTimeoutMs(bounds, 3)).toBe(4_000);
  });

  it("is at its minimum as soon as the only other observer agrees", () => {
    const bounds = { ...suspicionBounds(LAN, 3), otherObservers: 1 };
    expect(suspicionTimeoutMs(bounds, 1)).toBeCloseTo(bounds.minMs, 6);
  });

  it("alone always waits for the maximum", () => {
    const bounds = { ...suspicionBounds(LAN, 2), otherObservers: 0 };
    expect(suspicionTimeoutMs(bounds, 0)).toBe(bounds.maxMs);
  });
});

describe("local health", () => {
  it("mutes a node whose misses nobody explains, and recovers", () => {
    const awareness = new Awareness();
    awareness.onRound(0, 8);
    awareness.onRound(0, 8);
    expect(awareness.isMuted).toBe(true);
    for (let round = 0; round < 4; round += 1) awareness.onRound(8, 0);
    expect(awareness.score).toBe(0);
  });

  it("does not take others' starvation for its own: some misses beside many answers", () => {
    const awareness = new Awareness();
    awareness.onRound(0, 2);
    for (let round = 0; round < 4; round += 1) awareness.onRound(6, 2);
    expect(awareness.score).toBe(0);
    for (let round = 0; round < 4; round += 1) awareness.onRound(4, 4);
    expect(awareness.isMuted).toBe(true);
  });

  it("stays between 0 and 8, and counts a severe event-loop delay threefold", () => {
    const awareness = new Awareness();
    awareness.onLoopDelay(1_500);
    expect(awareness.score).toBe(3);
    awareness.onLoopDelay(250);
    expect(awareness.score).toBe(4);
    for (let round = 0; round < 10; round += 1) awareness.onRound(0, 1);
    expect(awareness.score).toBe(8);
    expect(awareness.factor).toBe(9);
  });
});

describe("flap damping", () => {
  it("lets the first death be refuted at once and asks for ever longer sound times later", () => {
    const damping = new Damping();
    const waits = Array.from({ length: 9 }, () => damping.soundMs("dead", ms(0)));
    expect(waits).toEqual([0, 2_000, 2_000, 4_000, 8_000, 16_000, 32_000, 32_000, 32_000]);
  });

  it("counts two suspicions as one death", () => {
    const damping = new Damping();
    const waits = Array.from({ length: 8 }, () => damping.soundMs("suspect", ms(0)));
    expect(waits.lastIndexOf(0)).toBe(2);
    expect(waits[3]).toBe(2_000);
  });

  it("forgets with time", () => {
    const damping = new Damping();
    for (let death = 0; death < 6; death += 1) damping.soundMs("dead", ms(0));
    expect(damping.soundMs("dead", ms(3_600_000))).toBe(0);
  });
});

describe("the overlay of observers", () => {
  it.each([2, 5, 10, 11, 30, 200])("of %i members looks the same from every node", (count) => {
    const { members, slots } = table(count);
    const views = slots.map((slot) => {
      const observers = new Observers(members, slot, 8);
      observers.refresh();
      return observers;
    });
    for (const [at, view] of views.entries()) {
      const self = slots[at] as number;
      expect(view.subjects()).not.toContain(self);
      expect(view.observersOf(self)).toEqual(view.observers());
      for (const subject of view.subjects()) {
        expect(views[slots.indexOf(subject)]?.observers()).toContain(self);
      }
      const least = Math.min(count - 1, 3);
      expect(view.observers().length).toBeGreaterThanOrEqual(least);
      expect(view.observers().length).toBeLessThanOrEqual(Math.max(8, Math.min(count - 1, 9)));
    }
  });

  it("kept up by newcomers and losses equals one made from scratch", () => {
    const registry = new Registry();
    const { members, slots } = table(20, registry);
    const self = slots[0] as number;
    const kept = new Observers(members, self, 8);
    kept.refresh();
    const accuser = testSigner(nodeId("accuser"));
    for (let step = 0; step < 60; step += 1) {
      const id = nodeId(`late${step}`);
      members.apply(statement(id), ms(0));
      kept.onPresent(members.slotOf(id) as number);
      if (step % 2 === 0) {
        const subject = nodeId(`late${step / 2}`);
        const life = { epoch: 1, incarnation: 0 };
        members.apply(
          signAccusation(accuser, { subject, ...life, verdict: "dead", basis: "silence" }),
          ms(0),
        );
        kept.onAbsent(members.slotOf(subject) as number);
      }
      kept.refresh();
      const fresh = new Observers(members, self, 8);
      fresh.refresh();
      expect(kept.subjects()).toEqual(fresh.subjects());
      expect(kept.observers()).toEqual(fresh.observers());
    }
  });
});

describe("the member table", () => {
  it("tells of members that left for an hour and drops them after a day", () => {
    const { members, ids } = table(3);
    const gone = ids[1] as NodeId;
    const before = members.buckets.join();
    members.apply(statement(gone, 1, true), ms(10_000));
    expect(members.rank(members.slotOf(gone) as number)).toBe(LEFT);
    expect(members.buckets.join()).not.toBe(before);
    members.expire(ms(3_700_000));
    expect(members.slotOf(gone)).toBeDefined();
    const all = Uint8Array.from({ length: 256 }, (_, bucket) => bucket);
    expect(members.slotsIn(all)).toHaveLength(2);
    members.expire(ms(25 * 3_600_000));
    expect(members.slotOf(gone)).toBeUndefined();
    expect(members.registry.slotOf(gone)).toBeUndefined();
    expect(members.count(LEFT)).toBe(0);
  });

  it("keeps a member that came back while it was about to be dropped", () => {
    const { members, ids } = table(3);
    const gone = ids[1] as NodeId;
    members.apply(statement(gone, 1, true), ms(0));
    members.expire(ms(3_700_000));
    members.apply(statement(gone, 2), ms(4_000_000));
    members.expire(ms(30 * 3_600_000));
    expect(members.state(members.slotOf(gone) as number)).toBe("alive");
  });
});

describe("rumours", () => {
  it("are sent a bounded number of times, the least told first, never back to the teller", () => {
    const rumours = new Rumours();
    const [a, b, c] = [nodeId("a"), nodeId("b"), nodeId("c")];
    rumours.add("one", Uint8Array.of(1), a);
    expect(rumours.take(a, 100, 3)).toEqual([]);
    expect(rumours.take(b, 100, 3)).toEqual([Uint8Array.of(1)]);
    rumours.add("two", Uint8Array.of(2), undefined);
    expect(rumours.take(b, 1, 3)).toEqual([Uint8Array.of(2)]);
    rumours.take(b, 100, 3);
    rumours.take(c, 100, 3);
    expect(rumours.size).toBe(0);
  });

  it("of the same subject take each other's place, and there are never too many", () => {
    const rumours = new Rumours();
    rumours.add("one", Uint8Array.of(1), undefined);
    rumours.add("one", Uint8Array.of(2), undefined);
    expect(rumours.take(nodeId("b"), 100, 9)).toEqual([Uint8Array.of(2)]);
    for (let at = 0; at < 5_000; at += 1) rumours.add(`r${at}`, Uint8Array.of(1), undefined);
    expect(rumours.size).toBe(1_024);
  });
});

describe("seeds", () => {
  it("are tried quickly while alone and slowly for ever after", () => {
    const random = new SeededRandom(1);
    const seeds = new Seeds(30_000);
    seeds.add("10.0.0.1:7946", ms(0));
    const triesWithin = (from: number, to: number, isHurried: boolean) => {
      let tries = 0;
      for (let at = from; at < to; at += 100) {
        tries += seeds.due(isHurried, () => false, random, ms(at)).length;
      }
      return tries;
    };
    expect(triesWithin(0, 1_000, true)).toBeGreaterThanOrEqual(2);
    expect(triesWithin(1_000, 61_000, true)).toBeGreaterThanOrEqual(11);
    expect(triesWithin(61_000, 661_000, false)).toBeGreaterThanOrEqual(15);
    expect(triesWithin(661_000, 1_261_000, false)).toBeLessThanOrEqual(27);
    seeds.onConnected("10.0.0.1:7946", nodeId("a"));
    expect(seeds.due(true, () => true, random, ms(9_000_000))).toEqual([]);
  });

  it("pause between half and the whole of a doubling time", () => {
    const random = new SeededRandom(2);
    for (let failures = 0; failures < 40; failures += 1) {
      const pause = backoffMs(250, 5_000, failures, random);
      const full = Math.min(5_000, 250 * 2 ** failures);
      expect(pause).toBeGreaterThanOrEqual(full / 2);
      expect(pause).toBeLessThanOrEqual(full);
    }
  });
});
