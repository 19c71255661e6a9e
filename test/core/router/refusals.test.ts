import { describe, expect, it } from "vitest";
import { unknownService } from "../../../core/router/refusals.ts";
import type { NodeId, ServiceKey } from "../../../core/types.ts";
import type { MeshView, ServiceView } from "../../../core/view.ts";

function viewOf(...names: readonly string[]): MeshView {
  const services = names.map((name): [ServiceKey, ServiceView] => {
    const key = `default/${name}` as ServiceKey;
    return [key, { key, namespace: "default", name, protocol: "http", instances: [] }];
  });
  return { version: 1, self: "self" as NodeId, members: new Map(), services: new Map(services) };
}

describe("a name that no service has", () => {
  it("is answered with the names that are near", () => {
    const error = unknownService("default/order" as ServiceKey, viewOf("orders", "web"));
    expect(error).toMatchObject({ short: "unknown_service", status: 404, executed: "no" });
    expect(error.message).toMatch(/did you mean default\/orders\?/);
  });

  it("is answered with the number of services where none is near", () => {
    expect(unknownService("default/zzzzzz" as ServiceKey, viewOf("orders", "web")).message).toMatch(
      /2 services are known/,
    );
    expect(unknownService("default/zzzzzz" as ServiceKey, viewOf("web")).message).toMatch(
      /one other service is known/,
    );
  });

  it("points to the members where nothing is known at all", () => {
    expect(unknownService("default/web" as ServiceKey, viewOf()).message).toMatch(
      /grapevine members/,
    );
  });
});
