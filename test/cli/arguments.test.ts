import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readArguments } from "../../cli/arguments.ts";
import type { Command } from "../../cli/command.ts";
import { findCommand, loadCommands } from "../../cli/registry.ts";
import { grapevine } from "./terminal.ts";

const command: Command = {
  path: ["try"],
  summary: "a try",
  positionals: [
    { name: "NAME", required: true },
    { name: "MORE", required: false },
  ],
  program: true,
  flags: [
    { name: "port", kind: "many", placeholder: "PORT", summary: "" },
    { name: "output", short: "o", kind: "one", placeholder: "FILE", summary: "", required: true },
    { name: "remove", kind: "switch", summary: "" },
  ],
  examples: ["grapevine try"],
  run: async () => 0,
};
const read = (text: string) => readArguments(command, text.split(" "));

describe("arguments", () => {
  it("are flags, positionals and a program", () => {
    const { values, positionals, program } = read(
      "a --port 1 -o x b --port=2 --remove -- p --port 3",
    );
    expect(positionals).toEqual(["a", "b"]);
    expect(values.many("port")).toEqual(["1", "2"]);
    expect(values.one("output")).toBe("x");
    expect(values.has("remove")).toBe(true);
    expect(program).toEqual(["p", "--port", "3"]);
  });

  it("may have values that look like numbers below zero", () => {
    expect(read("a -o -1 -- p").values.one("output")).toBe("-1");
  });

  it("are not checked beyond --help", () => {
    expect(read("--help").values.has("help")).toBe(true);
  });

  it.each([
    ["-o x -- p", "NAME is missing"],
    ["a -- p", "--output FILE is missing"],
    ["a -o x", "the program to run is missing"],
    ["a b c -o x -- p", 'unexpected argument "c"; the program to run goes behind --'],
    ["a -o x --prot 1 -- p", "unknown flag --prot for grapevine try; did you mean --port?"],
    ["a -o x -z -- p", "unknown flag -z"],
    ["a -o x --remove=1 -- p", '--remove takes no value, but "1" was given'],
    ["a -o x -o y -- p", "--output is given twice"],
    ["a -o x --port", "--port needs a value: --port PORT"],
    ["a -o x --port --remove -- p", "--port needs a value: --port PORT"],
  ])("%j: %s", (text, message) => {
    expect(() => read(text)).toThrow(message);
    expect(() => read(text)).toThrow(
      "usage: grapevine try NAME [MORE] -o FILE [flags] -- COMMAND...",
    );
  });

  it("never end in anything but a message", () => {
    const word = fc.oneof(
      fc.constantFrom(
        "--port",
        "--",
        "-o",
        "--remove",
        "--json",
        "--socket",
        "-",
        "a",
        "--=",
        "-o=x",
      ),
      fc.string(),
    );
    fc.assert(
      fc.property(fc.array(word, { maxLength: 8 }), (args) => {
        try {
          readArguments(command, args);
        } catch (error) {
          expect(error).toMatchObject({ short: "usage" });
        }
      }),
    );
  });
});

describe("the command is found", () => {
  it.each([
    ["members --json", "members", ["--json"]],
    ["--json --socket x members", "members", ["--json", "--socket", "x"]],
    ["--socket members members", "members", ["--socket", "members"]],
    ["ca --json inspect f", "ca inspect", ["--json", "f"]],
    ["run web -- members", "run", ["web", "--", "members"]],
  ])("in %j", async (text, path, rest) => {
    const found = await findCommand(text.split(" "));
    expect(found.command?.path.join(" ")).toBe(path);
    expect(found.rest).toEqual(rest);
  });

  it.each([
    [["membrs"], 'unknown command "membrs"; did you mean "grapevine members"?'],
    [["ca", "isue"], 'unknown command "ca isue"; did you mean "grapevine ca issue"?'],
    [["policy"], 'unknown command "policy"'],
  ])("or not, with what was meant: %j", async (args, message) => {
    const { code, out, err } = await grapevine(args);
    expect([code, out]).toEqual([2, ""]);
    expect(err).toContain(message);
  });
});

describe("help", () => {
  it("is there for every command, with its flags and an example", async () => {
    for (const each of await loadCommands()) {
      const { code, out, err } = await grapevine([...each.path, "--help"]);
      expect([code, err]).toEqual([0, ""]);
      expect(out).toContain(`usage: grapevine ${each.path.join(" ")}`);
      for (const { name } of each.flags) expect(out).toContain(`--${name}`);
      expect(each.examples.length).toBeGreaterThan(0);
      for (const example of each.examples) expect(out).toContain(example);
      const json = await grapevine([...each.path, "--help", "--json"]);
      expect(JSON.parse(json.out)).toMatchObject({ path: each.path });
    }
  });

  it("lists all commands, and those of a group", async () => {
    expect((await grapevine(["--help"])).out).toContain("ca init DIR");
    expect((await grapevine(["help", "members"])).out).toContain("usage: grapevine members");
    const group = await grapevine(["ca"]);
    expect([group.code, group.out]).toEqual([2, ""]);
    expect(group.err).toContain("ca inspect FILE");
    expect(group.err).not.toContain("members");
  });

  it("has declarations that cannot be misunderstood", async () => {
    for (const { path, flags, positionals } of await loadCommands()) {
      const all = flags.map(({ name }) => name);
      expect(new Set(all).size, path.join(" ")).toBe(all.length);
      for (const { kind, placeholder, name } of flags) {
        expect(placeholder === undefined, `${path.join(" ")} --${name}`).toBe(kind === "switch");
      }
      const optional = positionals.findIndex(({ required }) => !required);
      const late = optional >= 0 && positionals.slice(optional).some(({ required }) => required);
      expect(late).toBe(false);
    }
  });
});

it("with --json a mistake is one JSON value on standard output too", async () => {
  const { code, out, err } = await grapevine(["services", "a_b", "--json"]);
  expect(code).toBe(2);
  expect(JSON.parse(out)).toMatchObject({ error: { code: "usage" } });
  expect(err).toContain('"a_b" is not a service name');
});
