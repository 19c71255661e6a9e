/** The house rules, applied to this repository. test/tidy/rules.test.ts proves that each can fail. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { LOCAL_ERRORS, REQUEST_ERRORS } from "../core/errors.ts";
import * as rules from "./tidy/rules.ts";
import { readRepository } from "./tidy/source.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url)).replace(/\/$/, "");
const files = readRepository(ROOT);

describe("the repository", () => {
  const checks: readonly (readonly [string, rules.Rule])[] = [
    ["imports only along the table of the architecture", rules.importTable],
    ["assembles a node from pure parts", rules.assembleIsPure],
    ["keeps time, randomness and I/O out of the pure folders", rules.pureFolders],
    ["keeps its guests in their places", rules.guests],
    ["has short files and functions", rules.sizes],
    ["exports nothing that nobody imports", rules.deadExports],
    ["has no file that nobody uses", rules.deadFiles],
    ["has no leftovers", rules.leftovers],
    ["names its files and exports well", rules.names],
    ["tests every pure file", rules.pureFilesAreTested],
  ];
  it.each(checks)("%s", (_title, rule) => {
    expect(rule(files)).toEqual([]);
  });

  it("documents every error, and no other", () => {
    const codes = [...Object.keys(REQUEST_ERRORS), ...Object.keys(LOCAL_ERRORS)];
    const document = readFileSync(`${ROOT}/docs/errors.md`, "utf8");
    expect(rules.errorsAreDocumented(codes, document)).toEqual([]);
  });
});
