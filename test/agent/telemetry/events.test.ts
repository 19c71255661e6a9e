import { describe, expect, it } from "vitest";
import { EventBus } from "../../../agent/telemetry/events.ts";
import { publishViewChanges } from "../../../agent/telemetry/view-events.ts";
import type { MeshView } from "../../../core/view.ts";
import { instanceView, memberView, meshView, nodeId } from "../views.ts";

function changes(before: MeshView, after: MeshView): string[] {
  const found: string[] = [];
  publishViewChanges(before, after, (type, { member, service, instance, agent }) => {
    found.push([type, member ?? `${service}/${instance}@${agent}`].join(" "));
  });
  return found;
}

const self = memberView("a", { self: true });
const b = memberView("b");

describe("EventBus", () => {
  it("numbers events, tells subscribers and keeps a bounded history", () => {
    const bus = new EventBus(() => Date.UTC(2026, 0, 2));
    const seen: number[] = [];
    const unsubscribe = bus.subscribe((event) => seen.push(event.seq));
    bus.publish("agent.ready", {});
    unsubscribe();
    for (let at = 0; at < 1_500; at += 1) bus.publish("member.alive", { member: `m${at}` });
    expect(seen).toEqual([1]);
    expect(bus.recent(2_000)).toHaveLength(1_000);
    expect(bus.recent(1)).toEqual([
      { seq: 1_501, time: "2026-01-02T00:00:00.000Z", type: "member.alive", member: "m1499" },
    ]);
    expect(bus.recent(0)).toEqual([]);
  });
});

describe("events between two views", () => {
  it("tells what became of members, but not of this one", () => {
    const before = meshView({ members: [memberView("a"), b, memberView("c"), memberView("d")] });
    const after = meshView({
      members: [
        { ...self, state: "suspect" },
        { ...b, state: "dead" },
        memberView("c", { leaving: true }),
        memberView("e", { state: "suspect" }),
      ],
    });
    expect(changes(before, after)).toEqual([
      "member.dead b",
      "member.leaving c",
      "member.joined e",
      "member.suspect e",
      "member.forgotten d",
    ]);
    expect(changes(after, after)).toEqual([]);
  });

  it("tells what became of instances", () => {
    const members = [self, b];
    const kept = instanceView("web", "kept", "b");
    const before = meshView({
      members,
      instances: [kept, instanceView("web", "gone", "b"), instanceView("db", "only", "b")],
    });
    const after = meshView({
      members,
      instances: [
        { ...kept, weight: 5, health: "failing", conflict: true },
        instanceView("web", "new", "a"),
        instanceView("web", "sick", "a", { health: "failing" }),
      ],
    });
    expect(changes(before, after)).toEqual([
      "instance.updated default/web/kept@b",
      "instance.failing default/web/kept@b",
      "instance.conflict default/web/kept@b",
      "instance.registered default/web/new@a",
      "instance.registered default/web/sick@a",
      "instance.failing default/web/sick@a",
      "instance.deregistered default/web/gone@b",
      "instance.deregistered default/db/only@b",
    ]);
  });

  it("does not call the instances of a dead member deregistered", () => {
    const before = meshView({ members: [self, b], instances: [instanceView("web", "one", "b")] });
    const after = meshView({ members: [self, { ...b, state: "dead" }] });
    expect(changes(before, after)).toEqual(["member.dead b"]);
    expect(after.members.get(nodeId("b"))?.state).toBe("dead");
  });
});
