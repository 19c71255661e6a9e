/** Each house rule is fed something that breaks it: a rule that cannot fail protects nothing. */
import { describe, expect, it } from "vitest";
import {
  assembleIsPure,
  deadExports,
  deadFiles,
  errorsAreDocumented,
  guests,
  importTable,
  leftovers,
  limitsAreDocumented,
  names,
  pureFilesAreTested,
  pureFolders,
  type Rule,
  sizes,
} from "./rules.ts";
import { parseSource } from "./source.ts";

const check = (rule: Rule, sources: Readonly<Record<string, string>>) =>
  rule(Object.entries(sources).map(([path, text]) => parseSource(path, text)));

describe("the import table", () => {
  it.each([
    ["core/a.ts", "membership/b.ts"],
    ["membership/a.ts", "policies/b.ts"],
    ["policies/a.ts", "agent/b.ts"],
    ["transport/a.ts", "membership/b.ts"],
    ["agent/a.ts", "sim/b.ts"],
    ["sim/a.ts", "agent/daemon.ts"],
    ["sim/a.ts", "transport/b.ts"],
    ["cli/a.ts", "test/b.ts"],
  ])("refuses %s importing %s, also as a type or when it runs", (from, to) => {
    for (const statement of [
      `import { x } from "../${to}";`,
      `import type { x } from "../${to}";`,
      `export { x } from "../${to}";`,
      `void import("../${to}");`,
    ]) {
      const found = check(importTable, { [from]: statement });
      expect(found).toHaveLength(1);
      expect(found[0]).toContain(`${from}:1: must not import ${to}`);
    }
  });

  it.each([
    ["sim/a.ts", "agent/assemble.ts"],
    ["agent/a.ts", "policies/b.ts"],
    ["membership/deep/a.ts", "core/b.ts"],
  ])("lets %s import %s", (from, to) => {
    const up = from.split("/").slice(1).fill("..").join("/");
    expect(check(importTable, { [from]: `import { x } from "${up}/${to}";` })).toEqual([]);
  });
});

describe("the assembly", () => {
  it("may not reach I/O through anything", () => {
    const found = check(assembleIsPure, {
      "agent/assemble.ts": 'import { a } from "../core/a.ts"; import type { T } from "node:net";',
      "core/a.ts": 'import { b } from "../core/b.ts";',
      "core/b.ts": 'import { readFileSync } from "node:fs";',
    });
    expect(found).toEqual([
      "agent/assemble.ts -> core/a.ts -> core/b.ts imports node:fs; it must run in the simulator as well",
    ]);
  });

  it("may not reach another folder", () => {
    const found = check(assembleIsPure, {
      "agent/assemble.ts": 'import { a } from "./config/load.ts";',
      "agent/config/load.ts": "",
    });
    expect(found[0]).toContain("agent/assemble.ts -> agent/config/load.ts: reaches beyond");
  });
});

describe("pure folders", () => {
  it.each([
    ["Date", "const at = Date.now();", "Clock.wall()"],
    ["Date", "const at = new Date();", "Clock.wall()"],
    ["performance", "performance.now();", "`now` argument"],
    ["setTimeout", "setTimeout(() => {}, 1);", "nextDeadline()"],
    ["setInterval", "const start = setInterval;", "nextDeadline()"],
    ["setImmediate", "setImmediate(go);", "nextDeadline()"],
    ["queueMicrotask", "queueMicrotask(go);", "`out`"],
    ["Math.random", "Math.random();", "injected Random"],
    ["process", "process.env;", "a seam"],
    ["globalThis", "globalThis.Date;", "a seam"],
    ["crypto", "crypto.getRandomValues(x);", "injected Random"],
    ["Promise", "let x: Promise<void>;", "`out`"],
    ["EventEmitter", "class A extends EventEmitter {}", "`out`"],
    ["async", "async function go() {}", "`out`"],
    ["await", "await go;", "`out`"],
    ["fetch", "fetch(url);", "a seam"],
    ["WeakRef", "new WeakRef(x);", "a bounded collection"],
    ["a.localeCompare", "a.localeCompare(b);", "locales differ"],
    ["importing node:net", 'import { isIP } from "node:net";', "core/seams.ts"],
    ["importing ws", 'import WebSocket from "ws";', "core/seams.ts"],
    ["importing msgpackr", 'import { Packr } from "msgpackr";', "core/seams.ts"],
  ])("may not use %s", (what, text, instead) => {
    for (const folder of ["core", "membership", "policies", "sim"]) {
      const found = check(pureFolders, { [`${folder}/a.ts`]: text }).join("\n");
      expect(found).toContain(`${folder}/a.ts:1: ${what} is banned here`);
      expect(found).toContain(instead);
    }
    expect(check(pureFolders, { "agent/a.ts": text })).toEqual([]);
  });

  it("may use the words in strings, comments, properties and names", () => {
    const text = `
      /** Date and setTimeout. */
      const text = "Math.random()";
      interface Clock { Date: number; fetch(console: number): void }
      class A { process() { return this.process; } }
      const value = { performance: 1, crypto: text };
    `;
    expect(check(pureFolders, { "core/a.ts": text })).toEqual([]);
  });

  it("know msgpackr in the codec and gossipsub in its model", () => {
    const codec = { "core/codec.ts": 'import { Packr } from "msgpackr";' };
    const model = { "sim/gossip/a.ts": 'import { x } from "@libp2p/gossipsub";' };
    expect(check(pureFolders, { ...codec, ...model })).toEqual([]);
    expect(check(guests, { ...codec, ...model })).toEqual([]);
  });
});

describe("guests", () => {
  it.each([
    ["agent/a.ts", "libp2p"],
    ["cli/a.ts", "@libp2p/noise"],
    ["core/a.ts", "@multiformats/multiaddr"],
    ["agent/a.ts", "sodium-native"],
    ["transport/a.ts", "msgpackr"],
  ])("stay out of %s: %s", (path, name) => {
    expect(check(guests, { [path]: `import "${name}";` })[0]).toContain(
      `${path}:1: ${name} belongs`,
    );
  });
});

describe("sizes", () => {
  const lines = (count: number) => "// a line\n".repeat(count);

  it("ends files at 500 lines", () => {
    expect(check(sizes, { "core/a.ts": lines(500) })).toEqual([]);
    expect(check(sizes, { "core/a.ts": lines(501) })[0]).toContain("501 lines");
  });

  it("keeps functions below 70 lines, whatever their kind", () => {
    const body = lines(68);
    for (const text of [
      `function long() {\n${body}}`,
      `const long = () => {\n${body}};`,
      `class A {\n  long() {\n${body}}\n}`,
      `class A {\n  #long() {\n${body}}\n}`,
    ]) {
      expect(check(sizes, { "core/a.ts": text }).join()).toMatch(/long has 70 lines/);
      expect(check(sizes, { "core/a.ts": text.replace("// a line\n", "") })).toEqual([]);
      expect(check(sizes, { "test/core/a.test.ts": text })).toEqual([]);
    }
  });
});

describe("dead exports", () => {
  it("are values that nothing imports", () => {
    const sources = {
      "core/a.ts": "export const used = 1;\nexport const dead = 2;\nexport function gone() {}",
      "core/b.ts": 'import { used } from "./a.ts";',
    };
    expect(check(deadExports, sources)).toEqual([
      "core/a.ts:2: nothing imports dead; remove it, or only its export",
      "core/a.ts:3: nothing imports gone; remove it, or only its export",
    ]);
  });

  it("are types that no signature names either", () => {
    const text =
      "export interface Dead {}\nexport interface Named {}\nexport type F = (x: Named) => F;";
    expect(check(deadExports, { "core/a.ts": text })).toEqual([
      "core/a.ts:1: nothing imports Dead; remove it, or only its export",
    ]);
  });

  it("are not what is imported whole, later, or passed on", () => {
    const sources = {
      "core/a.ts": "export const x = 1;",
      "core/b.ts": "export const x = 1;",
      "core/c.ts": "export const x = 1;",
      "test/d.test.ts":
        'import * as a from "../core/a.ts"; await import("../core/b.ts"); export { x } from "../core/c.ts"; import { x as y } from "./d.test.ts";',
    };
    expect(check(deadExports, sources)).toEqual([]);
  });

  it("include whole files", () => {
    const sources = {
      "core/a.ts": "",
      "core/b.ts": "",
      "test/a.test.ts": 'import "../core/a.ts";',
    };
    expect(check(deadFiles, sources)).toEqual(["core/b.ts: nothing imports this file; remove it"]);
  });
});

describe("leftovers", () => {
  it.each([
    ["// TODO later", "TODO"],
    ["/* FIXME */", "FIXME"],
    ["// @ts-ignore\nx();", "@ts-ignore"],
    ["// @ts-nocheck", "@ts-nocheck"],
    ["it.only('x', go);", "it.only"],
    ["describe.skip('x', go);", "describe.skip"],
    ["test.todo('x');", "test.todo"],
    ["console.log(1);", "console"],
    ["const x = y as any;", "any"],
    ["function f(x: any[]) {}", "any"],
  ])("%j", (text, found) => {
    expect(check(leftovers, { "agent/a.ts": text }).join()).toContain(found);
  });

  it("are not in strings", () => {
    expect(check(leftovers, { "agent/a.ts": 'const x = "TODO console.log as any";' })).toEqual([]);
  });
});

describe("names", () => {
  it.each([
    ["core/fooBar.ts", "", "kebab-case"],
    ["core/Foo.ts", "", "kebab-case"],
    ["core/utils.ts", "", "what it decides"],
    ["agent/socket-manager.ts", "", "what it decides"],
    ["core/a.ts", "export default 1;", "under a name"],
    ["core/a.ts", "export default function f() {}", "under a name"],
    ["core/a.ts", "const x = 1; export { x as default };", "under a name"],
  ])("%s: %j", (path, text, found) => {
    expect(check(names, { [path]: text }).join()).toContain(found);
  });

  it("leaves good ones alone", () => {
    expect(check(names, { "test/core/http2-request.test.ts": "export const x = 1;" })).toEqual([]);
  });
});

describe("unit tests of pure files", () => {
  const sources = {
    "core/link/mux.ts":
      'import { f } from "./lane.ts"; import { h } from "../hash.ts"; f(() => h());',
    "core/link/lane.ts": "export function f() {}",
    "core/hash.ts": "export const h = () => 1;",
    "core/lonely.ts": "export function g() {}",
    "core/numbers.ts": "export const LIMIT = 1;",
    "test/core/link/mux.test.ts": 'import "../../../core/link/mux.ts";',
  };

  it("reach files through their own folder, not by chance through others", () => {
    expect(check(pureFilesAreTested, sources)).toEqual([
      "core/lonely.ts: no unit test runs it; write test/core/lonely.test.ts",
    ]);
    const elsewhere = { ...sources, "test/core/link/mux.test.ts": "" };
    expect(check(pureFilesAreTested, elsewhere)).toHaveLength(4);
  });
});

it("errors without a row, rows without an error and double rows are found", () => {
  const document = "| `a` | 1 |\n| `b` | 1 |\n| `b` | 1 |\n";
  expect(errorsAreDocumented(["a", "b"], "| `a` | 1 |\n| `b` | 1 |\n")).toEqual([]);
  expect(errorsAreDocumented(["a", "c"], document)).toEqual([
    "docs/errors.md: c of core/errors.ts has no row",
    "docs/errors.md: b is not in core/errors.ts",
    "docs/errors.md: b is not in core/errors.ts",
    "docs/errors.md: b has two rows",
  ]);
});

describe("the documentation of bounds", () => {
  const found = (sources: Readonly<Record<string, string>>, settings: string[], document: string) =>
    limitsAreDocumented(
      Object.entries(sources).map(([path, text]) => parseSource(path, text)),
      settings,
      document,
    );

  it("misses a bound anywhere, exported or not, and numbers of the limits files", () => {
    const sources = {
      "agent/a.ts": "const THINGS_MAX = 3; const PAUSE_MS = 4;",
      "core/limits.ts": "export const IDLE_MS = 1; export const PIECE_BYTES = 2;",
      "test/a.ts": "const RUNS_MAX = 3;",
    };
    expect(found(sources, [], "")).toEqual([
      expect.stringContaining("agent/a.ts:1: THINGS_MAX has no row"),
      expect.stringContaining("core/limits.ts:1: IDLE_MS has no row"),
      expect.stringContaining("core/limits.ts:1: PIECE_BYTES has no row"),
    ]);
    const document = "| `THINGS_MAX` | 3 |\n| `IDLE_MS` | 1 |\n| `PIECE_BYTES` | 2 |\n";
    expect(found(sources, [], document)).toEqual([]);
  });

  it("misses a setting, and finds rows of what is gone", () => {
    expect(found({}, ["idleMs"], "| `gone_MAX` | 3 |\n")).toEqual([
      expect.stringContaining("idleMs has no row"),
      expect.stringContaining("gone_MAX is no bound"),
    ]);
  });
});
