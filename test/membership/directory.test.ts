import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { SeededRandom } from "../../core/random.ts";
import type { MemberState, Millis, NodeId, WallMillis } from "../../core/types.ts";
import { DIRECTORY_DEFAULTS, Directory } from "../../membership/directory.ts";
import {
  certificateOf,
  checkTestCertificate,
  content,
  directoryOf,
  fakeSigner,
  fakeVerifier,
  instance,
  nodeId,
  Outbox,
  WALL,
} from "./directory-mesh.ts";

const NOW = 1_000 as Millis;
const at = (ms: number) => (NOW + ms) as Millis;
const wallAt = (ms: number) => (WALL + ms) as WallMillis;
const TOPIC = "grapevine/directory/1/";
const HOUR = 3_600_000;

/** What `name` publishes when it goes through these numbers of instances. */
function history(name: string, sizes: readonly number[], epoch = 1, nonce = 7): Uint8Array[] {
  const directory = directoryOf(name, {}, { epoch, nonce });
  const out = new Outbox();
  sizes.forEach((size, step) => {
    const instances = Array.from({ length: size }, (_, index) => instance("web", `i${index}`));
    directory.setOwn(content(name, instances), at(step * 2_000), wallAt(step * 2_000), out);
  });
  return out.published.map(({ message }) => message);
}

describe("what an owner publishes", () => {
  it("goes out at once after quiet time, then what changes closely together as one", () => {
    const directory = directoryOf("a");
    const out = new Outbox();
    directory.setOwn(content("a", [instance("web", "one")]), at(0), wallAt(0), out);
    expect(out.published).toHaveLength(1);
    directory.setOwn(content("a", [instance("web", "two")]), at(10), wallAt(10), out);
    directory.setOwn(content("a", [instance("web", "three")]), at(20), wallAt(20), out);
    expect(out.published).toHaveLength(1);
    expect(directory.get(nodeId("a"))?.instances[0]?.id).toBe("three");
    expect(directory.nextDeadline()).toBe(at(50));
    directory.onDeadline(at(50), wallAt(50), out);
    expect(out.published).toHaveLength(2);
    const reader = directoryOf("b");
    for (const { message } of out.published) {
      expect(reader.onPublished(TOPIC, message, at(1_000), wallAt(1_000), new Outbox())).toBe(
        "accept",
      );
    }
    expect(reader.get(nodeId("a"))?.instances.map(({ id }) => id)).toEqual(["three"]);
    expect(reader.root()).toBe(directory.root());
  });

  it("is not published again when nothing changed", () => {
    const directory = directoryOf("a");
    const out = new Outbox();
    directory.setOwn(content("a"), at(0), wallAt(0), out);
    directory.setOwn(content("a"), at(5_000), wallAt(5_000), out);
    expect(out.published).toHaveLength(1);
  });

  it("is refreshed between a third and a half of its lease", () => {
    const directory = directoryOf("a");
    const out = new Outbox();
    directory.setOwn(content("a"), at(0), wallAt(0), out);
    let refreshed = 0;
    for (let ms = 0; ms <= 12 * HOUR; ms += 60_000) {
      directory.onDeadline(at(ms), wallAt(ms), out);
      if (refreshed === 0 && out.published.length > 1) refreshed = ms;
    }
    expect(refreshed).toBeGreaterThanOrEqual(4 * HOUR);
    expect(refreshed).toBeLessThanOrEqual(6 * HOUR + 60_000);
  });

  it("leaves out what the certificate does not allow, and says so", () => {
    const directory = directoryOf("a");
    const out = new Outbox();
    const own = content("a", [instance("web", "one"), instance("db", "two")]);
    directory.setOwn(
      { ...own, certificate: certificateOf("a", ["default/w*"]) },
      at(0),
      wallAt(0),
      out,
    );
    expect(out.reports.map(({ kind }) => kind)).toEqual(["not_offered"]);
    const [first] = out.published;
    const reader = directoryOf("b");
    const verdict = reader.onPublished(
      TOPIC,
      first?.message as Uint8Array,
      at(0),
      wallAt(0),
      new Outbox(),
    );
    expect(verdict).toBe("accept");
    expect(reader.get(nodeId("a"))?.instances.map(({ id }) => id)).toEqual(["one"]);
  });

  it("leaves out an instance that others would refuse instead of failing", () => {
    const directory = directoryOf("a");
    const out = new Outbox();
    const odd = instance("web", "odd", { weight: 0.5 });
    directory.setOwn(content("a", [odd, instance("web", "fine")]), at(0), wallAt(0), out);
    expect(out.reports).toMatchObject([{ kind: "not_offered", instance: "default/web/odd" }]);
    expect(directory.get(nodeId("a"))?.instances.map(({ id }) => id)).toEqual(["fine"]);
  });

  it("carries the health known at that moment, and vitals overrule it later", () => {
    const directory = directoryOf("a");
    const reader = directoryOf("b");
    const out = new Outbox();
    directory.setFailing(["default/web/one"], at(0), wallAt(0), out);
    directory.setOwn(content("a", [instance("web", "one")]), at(0), wallAt(0), out);
    expect(out.published).toHaveLength(1);
    const deliver = () => {
      for (const { message } of out.published.splice(0)) {
        reader.onPublished(TOPIC, message, at(0), wallAt(0), new Outbox());
      }
    };
    deliver();
    expect([...reader.failing(nodeId("a"))]).toEqual(["default/web/one"]);
    directory.setFailing([], at(50), wallAt(50), out);
    expect(out.published).toHaveLength(1);
    deliver();
    expect([...reader.failing(nodeId("a"))]).toEqual([]);
    directory.setFailing(["default/web/one"], at(60), wallAt(60), out);
    expect(out.published).toHaveLength(0);
    directory.onDeadline(at(1_050), wallAt(1_050), out);
    deliver();
    expect([...reader.failing(nodeId("a"))]).toEqual(["default/web/one"]);
    expect(reader.root()).toBe(directory.root());
  });
});

describe("a document too large for one message", () => {
  const many = (count: number, version: string) =>
    Array.from({ length: count }, (_, index) =>
      instance("web", `i${index}`, { version, tags: { note: "x".repeat(150) } }),
    );

  it("travels in shards and appears only when it is complete", () => {
    const directory = directoryOf("a");
    const out = new Outbox();
    directory.setOwn(content("a", many(1_000, "1")), at(0), wallAt(0), out);
    const first = out.published.splice(0).map(({ message }) => message);
    expect(first.length).toBeGreaterThan(2);
    for (const message of first) expect(message.length).toBeLessThanOrEqual(65_536);
    directory.setOwn(content("a", many(1_000, "2")), at(2_000), wallAt(2_000), out);
    const second = out.published.splice(0).map(({ message }) => message);
    const reader = directoryOf("b");
    const read = (message: Uint8Array) =>
      reader.onPublished(TOPIC, message, at(3_000), wallAt(3_000), new Outbox());
    for (const message of first.toReversed()) expect(read(message)).toBe("accept");
    const seen = () => new Set(reader.get(nodeId("a"))?.instances.map(({ version }) => version));
    expect(reader.get(nodeId("a"))?.instances).toHaveLength(1_000);
    for (const message of second) {
      expect(seen()).toEqual(new Set(["1"]));
      expect(read(message)).toBe("accept");
    }
    expect(seen()).toEqual(new Set(["2"]));
    expect(reader.root()).toBe(directory.root());
  });

  it("signs only the shards in which something changed", () => {
    const directory = directoryOf("a");
    const out = new Outbox();
    directory.setOwn(content("a", many(1_000, "1")), at(0), wallAt(0), out);
    out.published.splice(0);
    const next = many(1_000, "1").map((entry, index) =>
      index === 500 ? { ...entry, weight: 1 } : entry,
    );
    directory.setOwn(content("a", next), at(2_000), wallAt(2_000), out);
    expect(out.published).toHaveLength(2);
  });
});

describe("merging", () => {
  const messages = [
    ...history("a", [0, 1, 2]),
    ...history("b", [1, 3]),
    ...history("c", [2]),
    ...history("a", [5, 1], 2, 8),
    ...history("b", [4, 2], 1, 9),
  ];

  it("gives the same store in whatever order and number messages arrive", () => {
    const reference = directoryOf("z");
    for (const message of messages) reference.restore(message, NOW, WALL);
    fc.assert(
      fc.property(
        fc.shuffledSubarray(messages, { minLength: messages.length }),
        fc.array(fc.constantFrom(...messages), { maxLength: 8 }),
        (order, again) => {
          const directory = directoryOf("z");
          for (const message of [...again, ...order, ...again]) {
            directory.restore(message, NOW, WALL);
          }
          expect(directory.snapshot()).toMatchObject({ root: reference.root() });
          for (const owner of ["a", "b", "c"].map(nodeId)) {
            expect(directory.get(owner)).toEqual(reference.get(owner));
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  it("is associative: merging merged stores equals merging everything", () => {
    fc.assert(
      fc.property(fc.subarray(messages), fc.subarray(messages), (left, right) => {
        const stored = (list: readonly Uint8Array[]) => {
          const out = new Outbox();
          const directory = directoryOf("z");
          for (const message of list) directory.onPublished(TOPIC, message, NOW, WALL, out);
          const last = new Map(out.kept.map(({ owner, part, message }) => [owner + part, message]));
          return { directory, messages: [...last.values()] };
        };
        const merged = stored([...stored(left).messages, ...stored(right).messages]);
        expect(merged.directory.root()).toBe(stored([...left, ...right]).directory.root());
      }),
      { numRuns: 60 },
    );
  });

  it("keeps one of two statements with one (epoch, seq) everywhere, and reports the owner", () => {
    const [one] = history("a", [1], 1, 1);
    const [other] = history("a", [1], 1, 2);
    const out = new Outbox();
    const directory = directoryOf("z");
    const reverse = directoryOf("z");
    for (const message of [one, other]) {
      directory.onPublished(TOPIC, message as Uint8Array, NOW, WALL, out);
    }
    const reverseOut = new Outbox();
    for (const message of [other, one]) {
      reverse.onPublished(TOPIC, message as Uint8Array, NOW, WALL, reverseOut);
    }
    expect(directory.root()).toBe(reverse.root());
    const kinds = [...out.reports, ...reverseOut.reports].map(({ kind }) => kind);
    expect(kinds).toEqual(["equivocation"]);
  });
});

describe("refusals", () => {
  it("survives arbitrary bytes and blames the sender", () => {
    const directory = directoryOf("z");
    const out = new Outbox();
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        expect(directory.onPublished(TOPIC, bytes, NOW, WALL, out)).not.toBe("accept");
        expect(directory.restore(bytes, NOW, WALL)).not.toBe("applied");
      }),
    );
    expect(directory.snapshot().statements).toEqual([]);
    expect(directory.onPublished(TOPIC, new Uint8Array(70_000), NOW, WALL, out)).toBe("reject");
  });

  it("rejects a statement with any byte changed", () => {
    const [message] = history("a", [2]) as [Uint8Array];
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: message.length - 1 }),
        fc.integer({ min: 1, max: 255 }),
        (index, flip) => {
          const directory = directoryOf("z");
          const changed = message.slice();
          changed[index] = (changed[index] as number) ^ flip;
          expect(directory.onPublished(TOPIC, changed, NOW, WALL, new Outbox())).not.toBe("accept");
          expect(directory.get(nodeId("a"))).toBeUndefined();
        },
      ),
    );
  });

  it("does not check a poisonous message twice", () => {
    const [message] = history("a", [1]) as [Uint8Array];
    const forged = message.slice();
    forged[10] = (forged[10] as number) ^ 1;
    const directory = directoryOf("z");
    const out = new Outbox();
    directory.onPublished(TOPIC, forged, NOW, WALL, out);
    directory.onPublished(TOPIC, forged, NOW, WALL, out);
    expect(out.reports).toHaveLength(1);
  });

  it("takes a document a minute after its certificate was refused, if clock or roots are mended", () => {
    const out = new Outbox();
    let isMended = false;
    const directory = new Directory({
      ...{ self: nodeId("z"), epoch: 1, nonce: 7, config: DIRECTORY_DEFAULTS },
      ...{ random: new SeededRandom(1), signer: fakeSigner(nodeId("z")), verifier: fakeVerifier },
      memberState: () => undefined,
      checkCertificate: (peer, bytes) =>
        isMended
          ? checkTestCertificate(peer, bytes)
          : { ok: false, reason: "it is expired", mayOffer: () => false },
    });
    directoryOf("a").setOwn(content("a", []), NOW, WALL, out);
    const [{ message } = { message: new Uint8Array() }] = out.published;
    expect(directory.restore(message, NOW, WALL)).toBe("ignored");
    isMended = true;
    expect(directory.restore(message, at(30_000), WALL)).toBe("ignored");
    expect(directory.restore(message, at(61_000), WALL)).toBe("applied");
  });

  it("holds the quarantine to its bound", () => {
    const directory = directoryOf("z", { quarantineMax: 8 });
    for (let step = 0; step < 50; step += 1) {
      directory.restore(new Uint8Array([1, 2, step]), NOW, WALL);
    }
    expect(directory.snapshot().quarantined).toBe(8);
  });

  it("ignores a document on the topic of another region", () => {
    const [message] = history("a", [1]) as [Uint8Array];
    const verdict = directoryOf("z").onPublished(`${TOPIC}eu`, message, NOW, WALL, new Outbox());
    expect(verdict).toBe("ignore");
  });

  it("takes at most a burst of pushes from one owner, then two a second", () => {
    const messages = history("a", [...Array(40).keys()]);
    const directory = directoryOf("z");
    const take = (list: readonly Uint8Array[], ms: number) =>
      list.filter(
        (message) =>
          directory.onPublished(TOPIC, message, at(ms), wallAt(ms), new Outbox()) === "accept",
      ).length;
    expect(take(messages.slice(0, 30), 0)).toBe(20);
    expect(take(messages.slice(30), 1_000)).toBe(2);
  });
});

describe("leases", () => {
  const late = 12 * HOUR + 10 * 60_000;

  it("drops a dead owner's document after its lease, and never takes it back", () => {
    const [message] = history("a", [1]) as [Uint8Array];
    const directory = directoryOf("z", {}, { states: new Map([[nodeId("a"), "dead"]]) });
    const out = new Outbox();
    directory.onPublished(TOPIC, message, NOW, WALL, out);
    directory.onDeadline(at(11 * HOUR), wallAt(11 * HOUR), out);
    expect(directory.get(nodeId("a"))).toBeDefined();
    directory.onDeadline(at(late), wallAt(late), out);
    expect(directory.get(nodeId("a"))).toBeUndefined();
    expect(directory.root()).toBe(directoryOf("empty").root());
    expect(directory.onPublished(TOPIC, message, at(late), wallAt(late), out)).toBe("ignore");
    expect([...directory.owners()]).toEqual([]);
  });

  it("never drops what an owner that is alive has said, whatever the clock", () => {
    const [message] = history("a", [1]) as [Uint8Array];
    const year = 365 * 24 * HOUR;
    for (const state of ["alive", "suspect"] as const) {
      const states = new Map([[nodeId("a"), state]]);
      const directory = directoryOf("z", {}, { states });
      const out = new Outbox();
      directory.onPublished(TOPIC, message, NOW, WALL, out);
      directory.onDeadline(at(year), wallAt(year), out);
      directory.onDeadline(at(year + HOUR), wallAt(-year), out);
      expect(directory.get(nodeId("a"))).toBeDefined();
      const other = directoryOf("y", {}, { states });
      expect(other.onPublished(TOPIC, message, NOW, wallAt(year), out)).toBe("accept");
    }
  });

  it("takes an expired document after all once its owner turns out alive", () => {
    const [message] = history("a", [1]) as [Uint8Array];
    const states = new Map<NodeId, MemberState>();
    const directory = directoryOf("z", {}, { states });
    const out = new Outbox();
    expect(directory.onPublished(TOPIC, message, NOW, wallAt(late), out)).toBe("ignore");
    states.set(nodeId("a"), "alive");
    directory.onMemberState(nodeId("a"));
    expect(directory.onPublished(TOPIC, message, NOW, wallAt(late), out)).toBe("accept");
  });
});

describe("a node that meets statements of its own", () => {
  it("outruns those of a former life whose disk was lost", () => {
    const old = history("a", [3, 4, 5], 9, 1);
    const directory = directoryOf("a", {}, { epoch: 2, nonce: 2 });
    const out = new Outbox();
    directory.setOwn(content("a", [instance("web", "new")]), NOW, WALL, out);
    directory.onPublished(TOPIC, old.at(-1) as Uint8Array, at(100), wallAt(100), out);
    directory.onDeadline(at(1_200), wallAt(1_200), out);
    expect(out.reports.map(({ kind }) => kind)).toContain("outrun");
    const reader = directoryOf("z");
    for (const message of [...old, ...out.published.map(({ message }) => message)]) {
      reader.onPublished(TOPIC, message, at(1_200), wallAt(1_200), new Outbox());
    }
    expect(reader.get(nodeId("a"))?.instances.map(({ id }) => id)).toEqual(["new"]);
    expect(reader.root()).toBe(directory.root());
  });

  it("outruns them, too, when it meets them before it has said anything", () => {
    const old = history("a", [3], 9, 1);
    const directory = directoryOf("a", {}, { epoch: 2, nonce: 2 });
    const out = new Outbox();
    directory.onPublished(TOPIC, old[0] as Uint8Array, NOW, WALL, out);
    directory.setOwn(content("a"), NOW, WALL, out);
    expect(directory.get(nodeId("a"))?.instances).toEqual([]);
    const reader = directoryOf("z");
    for (const message of [...out.published.map(({ message }) => message), ...old]) {
      reader.onPublished(TOPIC, message, NOW, WALL, new Outbox());
    }
    expect(reader.get(nodeId("a"))?.instances).toEqual([]);
  });

  it("says so when a clone keeps publishing, and does not race it", () => {
    const one = directoryOf("a", {}, { nonce: 1 });
    const other = directoryOf("a", {}, { nonce: 2 });
    const outs = [new Outbox(), new Outbox()] as const;
    one.setOwn(content("a", [instance("web", "one")]), NOW, WALL, outs[0]);
    other.setOwn(content("a", [instance("web", "two")]), NOW, WALL, outs[1]);
    let published = 0;
    for (let ms = 0; ms < 50_000; ms += 100) {
      for (const [from, to, into] of [
        [outs[0], other, outs[1]],
        [outs[1], one, outs[0]],
      ] as const) {
        for (const { message } of from.published.splice(0)) {
          published += 1;
          to.onPublished(TOPIC, message, at(ms), wallAt(ms), into);
        }
      }
      one.onDeadline(at(ms), wallAt(ms), outs[0]);
      other.onDeadline(at(ms), wallAt(ms), outs[1]);
    }
    const kinds = new Set([...outs[0].reports, ...outs[1].reports].map(({ kind }) => kind));
    expect(kinds).toContain("duplicate_identity");
    expect(published).toBeLessThan(25);
  });
});

describe("restoring from disk", () => {
  it("brings back what was kept and tells of it at the next deadline", () => {
    const out = new Outbox();
    const before = directoryOf("z");
    for (const message of [...history("a", [1, 2]), ...history("b", [3])]) {
      before.onPublished(TOPIC, message, NOW, WALL, out);
    }
    const kept = new Map(out.kept.map(({ owner, part, message }) => [owner + part, message]));
    const after = directoryOf("z");
    for (const message of kept.values()) expect(after.restore(message, NOW, WALL)).toBe("applied");
    expect(after.root()).toBe(before.root());
    expect(after.nextDeadline()).toBe(NOW);
    const told = new Outbox();
    after.onDeadline(NOW, WALL, told);
    expect(new Set(told.changes)).toEqual(new Set([nodeId("a"), nodeId("b")]));
    expect(after.nextDeadline()).not.toBe(NOW);
  });
});
