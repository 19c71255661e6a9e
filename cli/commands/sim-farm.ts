/** `grapevine sim farm`: many seeds across profiles, on all processors. */
import { availableParallelism } from "node:os";
import { PROFILES, type ProfileChoice } from "../../sim/profiles.ts";
import type { Command } from "../command.ts";
import { usageError } from "../command.ts";
import { readNumber } from "../sim/choose-plan.ts";
import { pairs } from "../sim/describe.ts";
import { type FarmSummary, runFarm } from "../sim/farm.ts";
import type { FarmResult } from "../sim/farm-worker.ts";
import { outputFolder } from "../sim/output-file.ts";

const SEEDS_DEFAULT = 20;
/** So many seeds over all profiles meet everything that they are meant to meet. */
const COVERING_SEEDS = 100;
const LIMIT_MINUTES_DEFAULT = 1_440;

export const command: Command = {
  path: ["sim", "farm"],
  summary: "run many seeds across all profiles",
  details:
    "Seeds are spread over the profiles, or all go to one. For each kind of failure the smallest " +
    "plan is kept in the directory; `grapevine sim shrink` makes it smaller still. Exits with 1 " +
    `if any run violated an invariant, or if ${COVERING_SEEDS} seeds and more over all profiles left ` +
    "out a fault, a rare branch or an invariant.",
  positionals: [],
  flags: [
    {
      ...{ name: "seeds", kind: "one", placeholder: "N", fallback: String(SEEDS_DEFAULT) },
      summary: "how many runs",
    },
    {
      ...{ name: "profile", kind: "one", placeholder: "P", complete: PROFILES },
      summary: "only this profile",
    },
    { name: "first", kind: "one", placeholder: "S", summary: "the first seed", fallback: "1" },
    { name: "nodes", kind: "one", placeholder: "N", summary: "nodes of each run" },
    { name: "minutes", kind: "one", placeholder: "M", summary: "virtual minutes of each run" },
    {
      ...{ name: "limit", kind: "one", placeholder: "MINUTES" },
      summary: "begin no run after so much real time",
    },
    { name: "workers", kind: "one", placeholder: "N", summary: "processors to use" },
    { name: "until-failure", kind: "switch", summary: "end with the first violation" },
    {
      ...{ name: "out", kind: "one", placeholder: "DIR", fallback: "sim-failures" },
      ...{ summary: "where failing plans go", complete: "file" },
    },
  ],
  examples: ["grapevine sim farm --seeds 200", "grapevine sim farm --profile partition --limit 5"],
  async run({ terminal, json, values }) {
    const seeds = readNumber(values, "seeds", 1, 1_000_000) ?? SEEDS_DEFAULT;
    const first = readNumber(values, "first", 0, 2 ** 31) ?? 1;
    const profile = values.one("profile");
    if (profile !== undefined && !(PROFILES as readonly string[]).includes(profile)) {
      throw usageError(`there is no profile "${profile}"; the profiles are ${PROFILES.join(", ")}`);
    }
    const nodes = readNumber(values, "nodes", 1, 20_000);
    const minutes = readNumber(values, "minutes", 0.01, 10_000, true);
    const choices: ProfileChoice[] = Array.from({ length: seeds }, (_, at) => ({
      ...{ seed: first + at, nodes, minutes },
      profile: profile ?? (PROFILES[at % PROFILES.length] as string),
    }));
    const out = values.one("out") ?? "sim-failures";
    const limit = readNumber(values, "limit", 0.01, LIMIT_MINUTES_DEFAULT, true);
    const summary = await runFarm({
      choices,
      workers: readNumber(values, "workers", 1, 1_024) ?? availableParallelism(),
      limitMs: (limit ?? LIMIT_MINUTES_DEFAULT) * 60_000,
      directory: outputFolder("failing plans", out, terminal.folder),
      isStopped: () => terminal.signal.aborted,
      untilFailure: values.has("until-failure"),
      onResult: (result, done) => {
        terminal.err(`${done}/${seeds} ${describeResult(result)}\n`);
      },
    });
    terminal.out(json ? `${JSON.stringify(summary)}\n` : describeFarm(summary));
    const isComplete = profile === undefined && seeds >= COVERING_SEEDS && summary.skipped === 0;
    const isThin = isComplete && summary.missing.length > 0;
    return summary.failures.length === 0 && !isThin ? 0 : 1;
  },
};

function describeResult({ choice, report, failure }: FarmResult): string {
  const name = `${choice.profile} seed ${choice.seed}`;
  if (report === undefined) return `${name}: the run failed: ${failure}`;
  const { virtualMs, wallMs, violations } = report;
  const speed = (virtualMs / Math.max(1, wallMs)).toFixed(0);
  const found = violations.map(({ checker }) => checker).join(" ");
  return `${name}: ${found === "" ? "well" : `VIOLATED ${found}`} (${speed} times real time)`;
}

function describeFarm(summary: FarmSummary): string {
  const { seeds, skipped, wallMs, virtualHours, events, slowestConvergence } = summary;
  const { ms, profile, seed } = slowestConvergence;
  const lines = [
    `${seeds} seeds (${skipped} left out for want of time), ${virtualHours} virtual hours in ` +
      `${(wallMs / 1_000).toFixed(0)} s, ${events} events, ${summary.requests} requests`,
    `faults   ${pairs(summary.faults)}`,
    `marks    ${pairs(summary.marks)}`,
    `judged   ${pairs(summary.judged)}`,
    ...(summary.missing.length === 0 ? [] : [`missing  ${summary.missing.join("; ")}`]),
    `slowest convergence ${ms} ms (${profile} seed ${seed})`,
    ...summary.failures.map(
      ({ signature, count, plan, detail }) =>
        `VIOLATED ${signature} (${count} seeds), smallest plan ${plan}: ${detail}`,
    ),
    summary.failures.length === 0 ? "no violation" : `${summary.failures.length} kinds of failure`,
  ];
  return `${lines.join("\n")}\n`;
}
