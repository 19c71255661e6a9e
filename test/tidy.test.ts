/** The house rules, applied to this repository. test/tidy/rules.test.ts proves that each can fail. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { LOCAL_ERRORS, REQUEST_ERRORS } from "../core/errors.ts";
import { LINK_DEFAULTS } from "../core/link/config.ts";
import { ANTI_ENTROPY_DEFAULTS } from "../membership/anti-entropy.ts";
import { MEMBERSHIP_PRESETS } from "../membership/config.ts";
import { DIRECTORY_DEFAULTS } from "../membership/directory.ts";
import { BREAKER_DEFAULTS } from "../policies/breaker.ts";
import { LATENCY_DEFAULTS } from "../policies/latency.ts";
import { RETRY_DEFAULTS } from "../policies/retry.ts";
import { LISTENER_LIMITS } from "../transport/http/listener.ts";
import { UPSTREAM_DEFAULTS } from "../transport/http/upstream.ts";
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

  it("documents every bound, and no other", () => {
    const { region, pushEnabled, antiEntropy, ...directory } = DIRECTORY_DEFAULTS;
    expect([region, pushEnabled, antiEntropy]).toHaveLength(3);
    const configurations = [
      ...[LINK_DEFAULTS, LISTENER_LIMITS, UPSTREAM_DEFAULTS, MEMBERSHIP_PRESETS.lan, directory],
      ...[ANTI_ENTROPY_DEFAULTS, BREAKER_DEFAULTS, RETRY_DEFAULTS, LATENCY_DEFAULTS],
    ];
    const settings = configurations.flatMap((configuration) => Object.keys(configuration));
    const document = readFileSync(`${ROOT}/docs/limits.md`, "utf8");
    expect(rules.limitsAreDocumented(files, settings, document)).toEqual([]);
  });
});
