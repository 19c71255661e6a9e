import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { closest } from "../../../agent/registrations/closest.ts";
import { defaultInstanceId, describeAddress } from "../../../agent/registrations/registration.ts";
import { readRegistration, writeRegistration } from "../../../agent/registrations/schema.ts";

function read(input: unknown) {
  const result = readRegistration(input);
  if (!result.ok) throw new Error(JSON.stringify(result.problems));
  return result.registration;
}

function problems(input: unknown): string[] {
  const result = readRegistration(input);
  if (result.ok) throw new Error("was accepted");
  return result.problems.map(({ path, message }) => `${path}: ${message}`);
}

const web = { name: "web", ports: [{ port: 8080 }] };

describe("readRegistration", () => {
  it("fills in what the contract promises", () => {
    expect(read(web)).toEqual({
      namespace: "default",
      name: "web",
      id: undefined,
      protocol: "http",
      ports: [{ servicePort: 80, target: { host: "127.0.0.1", port: 8080 } }],
      version: "",
      weight: 1,
      tags: {},
      check: undefined,
      leaseMs: undefined,
    });
  });

  it("takes the namespace from the name or beside it", () => {
    expect(read({ ...web, name: "shop/web" }).namespace).toBe("shop");
    expect(read({ ...web, namespace: "shop" }).namespace).toBe("shop");
    expect(problems({ ...web, name: "shop/web", namespace: "other" })[0]).toContain("contradicts");
  });

  it("defaults the service port to the port itself for tcp, to 80 for HTTP kinds", () => {
    expect(read({ ...web, protocol: "tcp" }).ports[0]?.servicePort).toBe(8080);
    expect(read({ ...web, protocol: "grpc" }).ports[0]?.servicePort).toBe(80);
    expect(read({ name: "web", address: "10.0.0.1:9", protocol: "tcp" }).ports[0]).toEqual({
      servicePort: 9,
      target: { host: "10.0.0.1", port: 9 },
    });
    expect(read({ name: "web", unix: "/run/web.sock", protocol: "tcp" }).ports[0]).toEqual({
      servicePort: 80,
      target: { unix: "/run/web.sock" },
    });
  });

  it("names an unknown field and the one that was meant", () => {
    expect(problems({ ...web, wieght: 3 })).toEqual([
      'wieght: unknown field; did you mean "weight"?',
    ]);
    expect(problems({ ...web, check: { type: "http", intervalMS: 5 } })[0]).toContain(
      'check.intervalMS: unknown field; did you mean "intervalMs"',
    );
  });

  it("tells all mistakes at once, each with its path", () => {
    const found = problems({
      name: "Web_1",
      ports: [{ port: 0 }, { port: "80" }, 7],
      protocol: "htp",
      weight: 1.5,
      tags: { a: 1 },
      check: { type: "tcp", path: "/" },
      leaseMs: 5,
    });
    expect(found.map((text) => text.split(":")[0])).toEqual([
      "name",
      "protocol",
      "ports[0].port",
      "ports[1].port",
      "ports[2]",
      "weight",
      "tags.a",
      "check.path",
      "leaseMs",
    ]);
    expect(found[1]).toContain('did you mean "http"');
  });

  it.each([
    [{ name: "web" }, "where does it listen"],
    [{ ...web, unix: "/a" }, "give only one of ports and unix"],
    [{ name: "web", address: "nowhere" }, "is not HOST:PORT"],
    [{ name: "web", address: "a:0" }, "is not HOST:PORT"],
    [{ name: "web", unix: "relative" }, "absolute path"],
    [{ name: "web", unix: `/${"x".repeat(120)}` }, "bytes long"],
    [{ name: "web", ports: [] }, "1 to 16 items"],
    [{ name: "web", ports: [{ port: 1 }, { port: 2 }] }, "two ports answer for service port 80"],
    [{ ...web, servicePort: 80 }, "entries of ports"],
    [{ ...web, id: "-a" }, "not a DNS label"],
    [{ ...web, check: {} }, "check.type: is missing"],
    [{ ...web, check: { type: "http", path: "x\r\nEvil: 1" } }, "control characters"],
    [{ ...web, check: { type: "http", path: "no-slash" } }, 'must begin with "/"'],
    [{ ...web, check: { type: "exec" } }, "it is missing"],
    [{ ...web, check: { type: "exec", command: [] } }, "a program and its arguments"],
    [{ ...web, check: { type: "exec", command: ["a", 1] } }, "a program and its arguments"],
    [{ ...web, tags: { __proto__x: "1" } }, "a tag's name"],
    [{ ...web, tags: JSON.parse('{"__proto__": "1"}') }, "a tag's name"],
    ["text", "must be an object"],
    [null, "must be an object, not null"],
    [[], "must be an object, not a list"],
  ])("refuses %j", (input, message) => {
    expect(problems(input).join("\n")).toContain(message);
  });

  it("runs a text as a shell command and a list as it is", () => {
    const shell = read({ ...web, check: { type: "exec", command: "true && true" } }).check;
    expect(shell).toMatchObject({ command: ["/bin/sh", "-c", "true && true"], timeoutMs: 2_000 });
    const list = read({ ...web, check: { type: "exec", command: ["/bin/true", "-x"] } }).check;
    expect(list).toMatchObject({ command: ["/bin/true", "-x"] });
  });

  it("never throws, whatever it is given", () => {
    fc.assert(
      fc.property(fc.anything(), (input) => {
        expect(typeof readRegistration(input).ok).toBe("boolean");
      }),
    );
    fc.assert(
      fc.property(
        fc.dictionary(fc.constantFrom("ports", "tags", "check", "name"), fc.anything()),
        (input) => {
          expect(typeof readRegistration({ ...web, ...input }).ok).toBe("boolean");
        },
      ),
    );
  });

  it("reads back what it writes to disk", () => {
    const label = fc.stringMatching(/^[a-z][a-z0-9]{0,8}$/);
    const port = fc.integer({ min: 1, max: 65_535 });
    const place = fc.oneof(
      fc
        .uniqueArray(fc.record({ port, servicePort: port }), {
          minLength: 1,
          maxLength: 4,
          selector: (item) => item.servicePort,
        })
        .map((ports) => ({ ports })),
      port.map((at) => ({ address: `[::1]:${at}` })),
      port.map((servicePort) => ({ unix: "/run/web.sock", servicePort })),
    );
    const check = fc.constantFrom(
      undefined,
      { type: "http", path: "/up", intervalMs: 700 },
      { type: "grpc", service: "a.B" },
      { type: "ttl", ttlMs: 500, healthyAfter: 2 },
      { type: "exec", command: "exit 1" },
    );
    const tags = fc.dictionary(label, fc.string({ unit: "grapheme", maxLength: 8 }));
    fc.assert(
      fc.property(label, label, place, check, tags, (name, id, where, checked, tagged) => {
        const clean = Object.fromEntries(
          Object.entries(tagged).map(([key, text]) => [key, text.replace(/\p{Cc}/gu, "")]),
        );
        const registration = read({ name, id, ...where, check: checked, tags: clean });
        const disk = JSON.parse(JSON.stringify(writeRegistration(registration)));
        expect(read(disk)).toEqual(registration);
      }),
    );
  });
});

describe("names for people", () => {
  it("makes the default instance id from agent and port, within a label's length", () => {
    expect(defaultInstanceId("node-a", read(web).ports)).toBe("node-a-8080");
    const long = defaultInstanceId(`${"a".repeat(56)}---bbbb`, read(web).ports);
    expect(long).toBe(`${"a".repeat(56)}-8080`);
  });

  it("shows every place once", () => {
    const ports = read({
      ...web,
      ports: [{ port: 1 }, { port: 1, servicePort: 81 }, { port: 2, servicePort: 82 }],
    }).ports;
    expect(describeAddress(ports)).toBe("127.0.0.1:1,127.0.0.1:2");
    const many = Array.from({ length: 16 }, (_, at) => ({
      port: 60_000 + at,
      servicePort: at + 1,
    }));
    const shown = describeAddress(read({ name: "w", ports: many }).ports);
    expect(shown).toHaveLength(255);
    expect(describeAddress(read({ name: "w", address: "[::1]:7" }).ports)).toBe("[::1]:7");
  });

  it("suggests slips and nothing far-fetched", () => {
    expect(closest("prot", ["port", "path"])).toBe("port");
    expect(closest("colour", ["port", "path"])).toBeUndefined();
    expect(closest("x".repeat(100_000), ["port"])).toBeUndefined();
  });
});
