import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { TimingWheel, type WheelEntry } from "../../../core/actors/wheel.ts";
import { VirtualClock } from "../exchange/fakes.ts";

interface Entry extends WheelEntry {
  readonly name: number;
}

function entry(name: number, dueAt: number): Entry {
  return { name, dueAt, wheelSlot: -1, wheelPrevious: undefined, wheelNext: undefined };
}

describe("the timing wheel", () => {
  it("calls back for every entry that stays, at or at most two ticks after its moment", () => {
    const delays = fc.array(fc.record({ after: fc.nat(30_000), removed: fc.boolean() }), {
      maxLength: 60,
    });
    fc.assert(
      fc.property(delays, fc.nat(5_000), (given, start) => {
        const clock = new VirtualClock();
        clock.advance(start);
        const seen = new Map<number, number>();
        const wheel = new TimingWheel<Entry>(clock, ({ name }) => seen.set(name, clock.now()));
        const base = clock.now();
        const entries = given.map(({ after }, at) => entry(at, base + after));
        for (const each of entries) wheel.add(each, base);
        for (const [at, { removed }] of given.entries()) {
          if (removed) wheel.remove(entries[at] as Entry);
        }
        clock.advance(31_000);
        expect(wheel.size).toBe(0);
        for (const [at, { after, removed }] of given.entries()) {
          const when = seen.get(at);
          if (removed) expect(when).toBeUndefined();
          else {
            expect(when).toBeGreaterThanOrEqual(base + after);
            expect(when).toBeLessThanOrEqual(base + after + 40);
          }
        }
      }),
    );
  });

  it("takes entries while it is being swept, and forgets one that is removed twice", () => {
    const clock = new VirtualClock();
    const seen: number[] = [];
    const wheel = new TimingWheel<Entry>(clock, (due) => {
      seen.push(due.name);
      if (due.name < 3) wheel.add(entry(due.name + 1, clock.now() + 100), clock.now());
    });
    const removed = entry(9, clock.now() + 50);
    wheel.add(entry(1, clock.now() + 100), clock.now());
    wheel.add(removed, clock.now());
    wheel.remove(removed);
    wheel.remove(removed);
    clock.advance(1_000);
    expect(seen).toEqual([1, 2, 3]);
    expect(wheel.size).toBe(0);
  });

  it("stops", () => {
    const clock = new VirtualClock();
    let calls = 0;
    const wheel = new TimingWheel<Entry>(clock, () => {
      calls += 1;
    });
    wheel.add(entry(1, clock.now() + 10), clock.now());
    wheel.stop();
    clock.advance(1_000);
    expect(calls).toBe(0);
  });
});
