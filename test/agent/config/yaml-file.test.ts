import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readConfigText } from "../../../agent/config/yaml-file.ts";

const read = (text: string) => readConfigText(text, "a.yaml");
const problems = (text: string) => read(text).problems;

describe("the configuration file", () => {
  it("gives texts with their places", () => {
    const { given, problems: none } = read(
      "bind: 0.0.0.0:1\njoin:\n  - a:1\n  - b:2\nlabels: {k: v}\n",
    );
    expect(none).toEqual([]);
    expect(given.get("bind")).toEqual([
      { text: "0.0.0.0:1", place: "a.yaml:1:7: bind", folder: "." },
    ]);
    expect(given.get("join")?.map(({ text, place }) => [text, place])).toEqual([
      ["a:1", "a.yaml:3:5: join"],
      ["b:2", "a.yaml:4:5: join"],
    ]);
    expect(given.get("labels")?.[0]?.text).toBe("k=v");
  });

  it.each(["", "# nothing\n", "---\n", "null\n"])("may be empty: %j", (text) => {
    expect(read(text)).toEqual({ given: new Map(), services: [], problems: [] });
  });

  it("refuses a tag that nothing here understands, and names its place", () => {
    expect(problems('name: !!js/function "x"\n')).toEqual([
      expect.stringMatching(/^a\.yaml:1:7: Unresolved tag/),
    ]);
  });

  it("follows anchors", () => {
    const { given } = read("zone: &z north\nregion: *z\n");
    expect(given.get("region")?.[0]?.text).toBe("north");
  });

  it("reads services by the same rules as the local API", () => {
    const { services, problems: none } = read(
      "services:\n  - name: shop/web\n    ports: [{port: 8080}]\n    check: {type: exec, command: 'true'}\n",
    );
    expect(none).toEqual([]);
    expect(services[0]).toMatchObject({
      namespace: "shop",
      name: "web",
      ports: [{ servicePort: 80, target: { host: "127.0.0.1", port: 8080 } }],
      check: { type: "exec" },
    });
  });
});

describe("mistakes in the file", () => {
  it.each([
    ["bnid: x\n", 'a.yaml:1:1: unknown key "bnid"; did you mean "bind"?'],
    ["data-dir: x\n", 'a.yaml:1:1: unknown key "data-dir"; did you mean "dataDir"?'],
    ["label:\n  a: b\n", 'a.yaml:1:1: unknown key "label"; did you mean "labels"?'],
    ["bind: 7946\n", "a.yaml:1:7: bind: expects a text, found a whole number"],
    ["zone: 1.5\n", 'put it in quotes if it is meant: "1.5"'],
    ["dev: 'true'\n", "a.yaml:1:6: dev: expects true or false, found a text"],
    ["join: a:1\n", "a.yaml:1:7: join: expects a list of texts, found a text"],
    ["join: [a: 1]\n", "join: expects a text, found an object"],
    ["labels: [a]\n", "a.yaml:1:9: labels: expects KEY: VALUE lines, found a list"],
    ["labels: {a: 1}\n", "labels.a: expects a text, found a whole number"],
    ["zone:\n", "zone has no value"],
    ["- a\n", "a.yaml:1:1: expects KEY: VALUE lines"],
    ["just text\n", "a.yaml:1:1: expects KEY: VALUE lines"],
    ["bind: a\nbind: b\n", "a.yaml:2:1: Map keys must be unique"],
    ["a: [1\n", "a.yaml:2:1: "],
    ["a: b\n---\nc: d\n", "multiple documents"],
    ["services: {}\n", "a.yaml:1:11: services: expects a list"],
    ["services:\n  - name: web\n", "a.yaml:2:5: services[0]: where does it listen?"],
    [
      "services:\n  - name: web\n    prots: []\n",
      'a.yaml:3:12: services[0].prots: unknown field; did you mean "ports"?',
    ],
    [
      "services:\n  - {name: web, ports: [{port: x}]}\n",
      "a.yaml:2:32: services[0].ports[0].port: must be a whole number",
    ],
    [
      "services:\n  - {name: web, ports: [{port: 1}], leaseMs: 5000}\n",
      "services[0].leaseMs: a lease needs somebody who renews it",
    ],
    [
      "services:\n  - &w {name: web, ports: [{port: 1}]}\n  - *w\n",
      "is declared already at a.yaml:2:8",
    ],
  ])("%j", (text, expected) => {
    expect(problems(text).join("\n")).toContain(expected);
  });

  it("that would expand without bound are refused", () => {
    const levels = Array.from({ length: 12 }, (_, level) => {
      const refs =
        level === 0
          ? "x"
          : Array(9)
              .fill(`*a${level - 1}`)
              .join(",");
      return `a${level}: &a${level} [${refs}]`;
    });
    const text = `${levels.join("\n")}\nservices:\n  - *a11\n`;
    expect(problems(text).length).toBeGreaterThan(0);
  });

  it("never end in an exception", () => {
    const line = fc.constantFrom(
      "bind: ",
      "- ",
      "services:\n",
      " name: web\n",
      "{",
      "]",
      "&a ",
      "*a",
      "\n",
      ": ",
      "'",
      "!!map ",
      "|\n",
    );
    fc.assert(
      fc.property(fc.array(fc.oneof(line, fc.string()), { maxLength: 12 }), (parts) => {
        expect(Array.isArray(problems(parts.join("")))).toBe(true);
      }),
      { numRuns: 300 },
    );
  });
});
