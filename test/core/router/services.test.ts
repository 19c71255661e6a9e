import { describe, expect, it } from "vitest";
import { SeededRandom } from "../../../core/random.ts";
import { Services } from "../../../core/router/services.ts";
import type { ServiceKey } from "../../../core/types.ts";
import { createRoutingPolicies } from "../../../policies/routing.ts";
import { instance, meshView } from "../exchange/fakes.ts";

const key = "default/web" as ServiceKey;
const services = () => new Services(createRoutingPolicies(new SeededRandom(1)));

describe("Services", () => {
  it("builds a ring once per version of the service", () => {
    const known = services();
    const view = meshView([instance("a", "n1")]);
    expect(known.find(key, view)).toBe(known.find(key, view));
    const other = { ...view, version: view.version + 1 };
    expect(known.find(key, other)).toBe(known.find(key, view));
  });

  it("keeps what it knows of an instance while others come and go", () => {
    const known = services();
    const before = known.find(key, meshView([instance("a", "n1"), instance("b", "n2")]));
    const after = known.find(key, meshView([instance("a", "n1"), instance("c", "n3")]));
    expect(after?.targets[0]?.breaker).toBe(before?.targets[0]?.breaker);
    expect(after?.targets[0]?.latency).toBe(before?.targets[0]?.latency);
    expect(after?.targets[1]?.breaker).not.toBe(before?.targets[1]?.breaker);
    expect(after?.policies).toBe(before?.policies);
  });

  it("starts afresh when an instance moves to another agent or comes back later", () => {
    const known = services();
    const first = known.find(key, meshView([instance("a", "n1")]))?.targets[0];
    const moved = known.find(key, meshView([instance("a", "n2")]))?.targets[0];
    expect(moved?.breaker).not.toBe(first?.breaker);
    known.find(key, meshView([]));
    expect([...known.all()]).toHaveLength(0);
    expect(known.find(key, meshView([]))).toBeUndefined();
  });

  it("drops services that left the view although nobody asks for them again", () => {
    const known = services();
    const shop = { service: "shop/cart" as ServiceKey };
    known.find("shop/cart" as ServiceKey, meshView([instance("x", "n1", shop)]));
    known.find(key, meshView([instance("a", "n1")]));
    expect([...known.all()].map((state) => state.view.key)).toEqual([key]);
  });

  it("leaves instances in conflict and those without weight out of the ring", () => {
    const state = services().find(
      key,
      meshView([
        instance("a", "n1"),
        instance("a", "n2"),
        instance("b", "n1", { conflict: true }),
        instance("c", "n1", { weight: 0 }),
      ]),
    );
    expect(state?.ring.members).toHaveLength(1);
    expect(state?.targets).toHaveLength(4);
  });
});
