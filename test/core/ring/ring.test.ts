import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Ring, type RingMember } from "../../../core/ring/ring.ts";

const keys = Array.from({ length: 2_000 }, (_, at) => `user-${at}`);
const members = fc.uniqueArray(
  fc.record({
    id: fc.stringMatching(/^[a-z][a-z0-9]{0,6}$/),
    weight: fc.integer({ min: 0, max: 200 }),
  }),
  { selector: (member) => member.id, minLength: 1, maxLength: 24 },
);
const even = (count: number): RingMember[] =>
  Array.from({ length: count }, (_, at) => ({ id: `web-${at}`, weight: 1 }));

describe("Ring", () => {
  it("does not depend on the order in which instances became known", () => {
    fc.assert(
      fc.property(members, fc.string(), (given, key) => {
        const ring = new Ring(given);
        const turned = new Ring([...given].reverse());
        expect(turned.version).toBe(ring.version);
        expect(turned.preferenceList(key, 99)).toEqual(ring.preferenceList(key, 99));
      }),
    );
  });

  it("gives each list every member with a weight once, and shorter lists are its beginnings", () => {
    fc.assert(
      fc.property(members, fc.string(), fc.nat(30), (given, key, length) => {
        const ring = new Ring(given);
        const list = ring.preferenceList(key, 99).map((member) => member.id);
        const expected = given.filter((member) => member.weight > 0).map((member) => member.id);
        expect([...list].sort()).toEqual(expected.sort());
        expect(ring.preferenceList(key, length).map((member) => member.id)).toEqual(
          list.slice(0, length),
        );
        expect(ring.ownerOf(key)?.id).toBe(list[0]);
      }),
    );
  });

  it("moves only the keys of the instance that goes, each to the next in its list", () => {
    fc.assert(
      fc.property(
        members,
        fc.nat(),
        fc.array(fc.string(), { maxLength: 20 }),
        (given, pick, some) => {
          const gone = given[pick % given.length] as RingMember;
          const before = new Ring(given);
          const after = new Ring(given.filter((member) => member !== gone));
          for (const key of some) {
            const rest = before.preferenceList(key, 99).filter((member) => member !== gone);
            expect(after.preferenceList(key, 99)).toEqual(rest);
          }
        },
      ),
    );
  });

  it("a heavier instance only gains keys, and nobody else exchanges any", () => {
    const before = new Ring(even(8));
    const after = new Ring(
      even(8).map((member, at) => (at === 3 ? { ...member, weight: 2 } : member)),
    );
    for (const key of keys) {
      const owner = after.ownerOf(key)?.id;
      if (owner !== "web-3") expect(owner).toBe(before.ownerOf(key)?.id);
    }
  });

  it("shares follow the weights", () => {
    const weights = [1, 2, 3, 10, 100];
    const ring = new Ring(weights.map((weight, at) => ({ id: `i${at}`, weight })));
    const counts = new Map<string, number>();
    const draws = 60_000;
    for (let at = 0; at < draws; at += 1) {
      const owner = ring.ownerOf(`key/${at}`)?.id as string;
      counts.set(owner, (counts.get(owner) ?? 0) + 1);
    }
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    weights.forEach((weight, at) => {
      const mean = (draws * weight) / total;
      expect(Math.abs((counts.get(`i${at}`) ?? 0) - mean)).toBeLessThan(5 * Math.sqrt(mean));
    });
  });

  it("keys of many equal instances spread as evenly as fair draws would", () => {
    const ring = new Ring(even(200));
    const counts = new Map<string, number>();
    for (let at = 0; at < 20_000; at += 1) {
      const owner = ring.ownerOf(`k${at}`)?.id as string;
      counts.set(owner, (counts.get(owner) ?? 0) + 1);
    }
    expect(Math.max(...counts.values())).toBeLessThan(100 + 5 * 10);
    expect(Math.min(...counts.values())).toBeGreaterThan(100 - 5 * 10);
  });

  it("the keys of a lost instance spread over all others", () => {
    const ring = new Ring(even(5));
    const heirs = new Set<string>();
    for (const key of keys) {
      const [owner, next] = ring.preferenceList(key, 2);
      if (owner?.id === "web-0") heirs.add(next?.id as string);
    }
    expect(heirs.size).toBe(4);
  });

  it("names rings apart by id and weight, and takes the first of two members with one id", () => {
    const version = (given: RingMember[]) => new Ring(given).version;
    expect(version([{ id: "a", weight: 1 }])).not.toBe(version([{ id: "a", weight: 2 }]));
    expect(version([{ id: "a", weight: 1 }])).toBe(
      version([
        { id: "a", weight: 1 },
        { id: "a", weight: 7 },
        { id: "b", weight: 0 },
      ]),
    );
    expect(new Ring([]).ownerOf("k")).toBeUndefined();
  });

  it("is pinned: another result would move keys between versions", () => {
    const ring = new Ring(even(5));
    expect(ring.version).toMatchInlineSnapshot(`2653083007`);
    expect(ring.preferenceList("user-42", 5).map((member) => member.id)).toMatchInlineSnapshot(`
      [
        "web-3",
        "web-0",
        "web-1",
        "web-2",
        "web-4",
      ]
    `);
  });
});
