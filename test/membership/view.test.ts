import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { MemberState, Millis, NodeId, ServiceKey } from "../../core/types.ts";
import type { MeshView } from "../../core/view.ts";
import type { OwnerDocument } from "../../membership/document.ts";
import { type DirectoryReader, type MemberRow, ViewBuilder } from "../../membership/view.ts";
import { LayeredMap } from "../../membership/view-map.ts";
import { content, directoryOf, instance, nodeId, Outbox, WALL } from "./directory-mesh.ts";

const NOW = 5_000 as Millis;
const WEB = "default/web" as ServiceKey;
const SELF = nodeId("self");

class FakeDirectory implements DirectoryReader {
  readonly documents = new Map<NodeId, OwnerDocument>();
  readonly unhealthy = new Map<NodeId, ReadonlySet<string>>();

  set(name: string, ids: readonly string[], epoch = 1): void {
    const instances = ids.map((id) => instance(id.startsWith("x") ? "api" : "web", id));
    const order = { owner: nodeId(name), epoch, seq: 1, nonce: 1, notAfter: 0 };
    this.documents.set(nodeId(name), { ...content("n", instances), name, ...order });
  }
  get(owner: NodeId): OwnerDocument | undefined {
    return this.documents.get(owner);
  }
  failing(owner: NodeId): ReadonlySet<string> {
    return this.unhealthy.get(owner) ?? new Set();
  }
}

function row(name: string, state: MemberState = "alive", extra: Partial<MemberRow> = {}) {
  const self = nodeId(name) === SELF;
  const base = { leaving: false, epoch: 1, incarnation: 0, bind: "10.0.0.1:7946", since: NOW };
  return { id: nodeId(name), state, self, ...base, ...extra } satisfies MemberRow;
}

const ids = (view: MeshView) => view.services.get(WEB)?.instances.map(({ id }) => id);

describe("a view", () => {
  it("shows a member without a document, and no instances of one that is dead or left", () => {
    const directory = new FakeDirectory();
    const builder = new ViewBuilder({ self: SELF, directory });
    directory.set("a", ["one"]);
    const first = builder.update([row("a"), row("b")], [nodeId("a")], NOW);
    expect(first.members.get(nodeId("b"))?.name).toBe("");
    expect(first.members.get(nodeId("a"))?.name).toBe("a");
    expect(ids(first)).toEqual(["one"]);
    expect(ids(builder.update([row("a", "suspect"), row("b")], [], NOW))).toEqual(["one"]);
    for (const state of ["dead", "left"] as const) {
      const view = builder.update([row("a", state), row("b")], [], NOW);
      expect(ids(view)).toEqual([]);
      expect(view.members.get(nodeId("a"))?.state).toBe(state);
    }
    expect(ids(builder.update([row("a"), row("b")], [], NOW))).toEqual(["one"]);
    const forgotten = builder.update([row("b")], [], NOW);
    expect(forgotten.members.has(nodeId("a"))).toBe(false);
    expect(forgotten.services.size).toBe(0);
  });

  it("knows a service of dead members until their documents are gone, and no longer", () => {
    const directory = new FakeDirectory();
    const builder = new ViewBuilder({ self: SELF, directory });
    directory.set("a", ["one"]);
    directory.set("b", ["two", "x1"]);
    builder.update([row("a"), row("b")], [nodeId("a"), nodeId("b")], NOW);
    const rows = [row("a", "dead"), row("b", "left")];
    const down = builder.update(rows, [], NOW);
    expect(ids(down)).toEqual([]);
    expect(down.services.get(WEB)?.protocol).toBe("http");
    expect(builder.update(undefined, [nodeId("a")], NOW)).toBe(down);
    directory.documents.delete(nodeId("b"));
    const collected = builder.update(undefined, [nodeId("b")], NOW);
    expect([...collected.services.keys()]).toEqual([WEB]);
    directory.set("a", [], 2);
    expect(builder.update([row("a"), row("b", "left")], [nodeId("a")], NOW).services.size).toBe(0);
  });

  it("keeps the instances of a restarted member until its new document says otherwise", () => {
    const directory = new FakeDirectory();
    const builder = new ViewBuilder({ self: SELF, directory });
    directory.set("a", ["one"], 1);
    builder.update([row("a")], [nodeId("a")], NOW);
    const restarted = builder.update([row("a", "alive", { epoch: 2 })], [], NOW);
    expect(ids(restarted)).toEqual(["one"]);
    directory.set("a", ["two"], 2);
    expect(ids(builder.update(undefined, [nodeId("a")], NOW))).toEqual(["two"]);
  });

  it("gives an instance id that two agents claim to the smaller NodeId, while that one lives", () => {
    const directory = new FakeDirectory();
    const builder = new ViewBuilder({ self: SELF, directory });
    const [winner, loser] = ["a", "b"].sort((x, y) => (nodeId(x) < nodeId(y) ? -1 : 1)) as [
      string,
      string,
    ];
    directory.set(loser, ["one"]);
    directory.set(winner, ["one"]);
    const rows = [row(loser), row(winner)];
    const view = builder.update(rows, [nodeId(winner), nodeId(loser)], NOW);
    const found = view.services.get(WEB)?.instances ?? [];
    expect(found.map(({ agent, conflict }) => [agent, conflict])).toEqual([
      [nodeId(winner), false],
      [nodeId(loser), true],
    ]);
    const after = builder.update([row(loser), row(winner, "dead")], [], NOW);
    const [left] = after.services.get(WEB)?.instances ?? [];
    expect(left).toMatchObject({ agent: nodeId(loser), conflict: false });
  });

  it("stays the same object when nothing comes out different, and grows its version otherwise", () => {
    const directory = new FakeDirectory();
    const builder = new ViewBuilder({ self: SELF, directory });
    directory.set("a", ["one", "x1"]);
    directory.set("b", ["two"]);
    const first = builder.update([row("a"), row("b")], [nodeId("a"), nodeId("b")], NOW);
    directory.set("a", ["one", "x1"], 2);
    expect(builder.update([row("a"), row("b")], [nodeId("a")], NOW)).toBe(first);
    directory.unhealthy.set(nodeId("a"), new Set(["default/web/one"]));
    const later = (NOW + 10) as Millis;
    const second = builder.update(undefined, [nodeId("a")], later);
    expect(second.version).toBeGreaterThan(first.version);
    const [one, two] = second.services.get(WEB)?.instances ?? [];
    expect(one).toMatchObject({ health: "failing", since: NOW });
    expect(two).toBe(first.services.get(WEB)?.instances[1]);
    expect(second.services.get("default/api" as ServiceKey)).toBe(
      first.services.get("default/api" as ServiceKey),
    );
    expect(first.services.get(WEB)?.instances[0]?.health).toBe("passing");
  });

  it("shows an own registration at once, before it is published", () => {
    const directory = directoryOf("self");
    const builder = new ViewBuilder({ self: SELF, directory });
    const out = new Outbox();
    directory.setOwn(content("self"), NOW, WALL, out);
    builder.update([row("self")], out.changes.splice(0), NOW);
    const soon = (NOW + 5) as Millis;
    directory.setOwn(content("self", [instance("web", "mine")]), soon, WALL, out);
    expect(out.published).toHaveLength(1);
    expect(ids(builder.update(undefined, out.changes.splice(0), soon))).toEqual(["mine"]);
  });

  it("made step by step equals one made from scratch", () => {
    const name = fc.constantFrom("a", "b", "c", "d", "self");
    const state = fc.constantFrom<MemberState>("alive", "suspect", "dead", "left");
    const instanceIds = fc.uniqueArray(fc.constantFrom("one", "two", "three", "x1", "x2"));
    const step = fc.oneof(
      fc.record({ kind: fc.constant("row" as const), name, state, leaving: fc.boolean() }),
      fc.record({ kind: fc.constant("forget" as const), name }),
      fc.record({ kind: fc.constant("document" as const), name, ids: instanceIds }),
      fc.record({ kind: fc.constant("health" as const), name, ids: instanceIds }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const directory = new FakeDirectory();
        const builder = new ViewBuilder({ self: SELF, directory });
        const rows = new Map<NodeId, MemberRow>();
        for (const change of steps) {
          const owner = nodeId(change.name);
          if (change.kind === "row") {
            rows.set(owner, row(change.name, change.state, { leaving: change.leaving }));
          } else if (change.kind === "forget") rows.delete(owner);
          else if (change.kind === "document") directory.set(change.name, change.ids);
          else {
            const keys = change.ids.map(
              (id) => `default/${id.startsWith("x") ? "api" : "web"}/${id}`,
            );
            directory.unhealthy.set(owner, new Set(keys));
          }
          const isMember = change.kind === "row" || change.kind === "forget";
          const view = builder.update(
            isMember ? [...rows.values()] : undefined,
            isMember ? [] : [owner],
            NOW,
          );
          const scratch = new ViewBuilder({ self: SELF, directory });
          expect(plain(view)).toEqual(plain(scratch.update([...rows.values()], [], NOW)));
        }
      }),
      { numRuns: 60 },
    );
  });
});

function plain(view: MeshView) {
  const byKey = (one: [string, unknown], other: [string, unknown]) => (one[0] < other[0] ? -1 : 1);
  return { members: [...view.members].sort(byKey), services: [...view.services].sort(byKey) };
}

describe("the layered map", () => {
  it("behaves as a map, and leaves the maps it was made from alone", () => {
    const change = fc.tuple(fc.integer({ min: 0, max: 80 }), fc.option(fc.nat(9)));
    const changes = fc.array(fc.array(change, { maxLength: 20 }), { maxLength: 25 });
    fc.assert(
      fc.property(changes, (batches) => {
        let map = LayeredMap.empty<number, number>();
        const expected = new Map<number, number>();
        for (const batch of batches) {
          const before = map;
          const held = [...before];
          map = map.with(new Map(batch.map(([key, value]) => [key, value ?? undefined])));
          for (const [key, value] of new Map(batch)) {
            if (value === null) expected.delete(key);
            else expected.set(key, value);
          }
          expect(map.size).toBe(expected.size);
          expect(new Map(map)).toEqual(expected);
          expect([...before]).toEqual(held);
          expect(new Set(map.keys()).size).toBe(map.size);
        }
      }),
    );
  });
});
