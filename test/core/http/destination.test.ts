import { describe, expect, it } from "vitest";
import { destinationOf } from "../../../core/http/destination.ts";
import { parseRequest } from "../../../core/http/request-reader.ts";
import { parseHostPort } from "../../../core/http/target.ts";
import type { ServiceKey } from "../../../core/types.ts";

function where(host: string) {
  const request = parseRequest(`GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
  return "code" in request ? request : destinationOf(request, { kind: "proxy" });
}

describe("the host that a client dials", () => {
  it("names services and instances of the mesh", () => {
    expect(where("web.mesh")).toMatchObject({ kind: "mesh", service: "default/web", port: 80 });
    expect(where("WEB.Shop.Mesh.:8080")).toMatchObject({ service: "shop/web", port: 8080 });
    expect(where("a-1.web.shop.mesh")).toMatchObject({ service: "shop/web", instance: "a-1" });
  });

  it("is outside the mesh otherwise", () => {
    expect(where("example.com")).toEqual({ kind: "outside", host: "example.com", port: 80 });
    expect(where("[::1]:81")).toEqual({ kind: "outside", host: "::1", port: 81 });
    expect(where("mesh")).toMatchObject({ kind: "outside", host: "mesh" });
  });

  it("is explained where it cannot name a service", () => {
    expect(where("we_b.mesh")).toMatchObject({ code: "unknown_service" });
    expect(where("")).toMatchObject({ code: "bad_request" });
  });

  it("does not matter to a listener of one service", () => {
    const request = parseRequest("GET / HTTP/1.0\r\n\r\n");
    if ("code" in request) throw new Error(request.message);
    const mode = { kind: "service", service: "default/db" as ServiceKey, port: 80 } as const;
    expect(destinationOf(request, mode)).toMatchObject({ kind: "mesh", service: "default/db" });
  });

  it.each(["a:b", "a:0", "a:65536", "a:1:2", "[::1", "[::1]x", "[g]:1", ":80", ".", "a b", "a/b"])(
    "is refused if it is %j",
    (text) => {
      expect(parseHostPort(text)).toBeUndefined();
    },
  );
});
