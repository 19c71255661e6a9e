/**
 * `npm run bench -- NAME [--json] [--rounds N] [--seconds S] [--only PART] [--nodes N]`: runs one
 * benchmark and prints what it found. With --json standard output is one JSON value; progress goes to
 * standard error. A benchmark names the parts that it can measure alone.
 */
import { parseArgs } from "node:util";
import type { BenchOptions, Outcome } from "./harness/bench.ts";
import { describeMachine } from "./harness/machine.ts";
import { formatReport, type Report } from "./harness/report.ts";

interface Bench {
  run(options: BenchOptions): Promise<Outcome>;
}

const BENCHES: Readonly<Record<string, () => Promise<Bench>>> = {
  http: () => import("./http/bench.ts"),
  parsing: () => import("./parsing/bench.ts"),
  rpc: () => import("./rpc/bench.ts"),
  actors: () => import("./actors/bench.ts"),
  membership: () => import("./membership/bench.ts"),
  directory: () => import("./directory/bench.ts"),
  sim: () => import("./sim/bench.ts"),
  gossip: () => import("./gossip/bench.ts"),
  swim: () => import("./swim/bench.ts"),
  footprint: () => import("./footprint/bench.ts"),
};

const USAGE = `usage: npm run bench -- NAME [--json] [--rounds N] [--seconds S] [--only PART] [--nodes N]
NAME is one of: ${Object.keys(BENCHES).join(", ")}
`;

function positive(text: string | undefined, flag: string): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (value > 0 && Number.isFinite(value)) return value;
  throw new Error(`${flag} wants a number above 0, not ${text}`);
}

function readArguments() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      json: { type: "boolean", default: false },
      rounds: { type: "string" },
      seconds: { type: "string" },
      only: { type: "string" },
      nodes: { type: "string" },
    },
  });
  const [name = ""] = positionals;
  const load = Object.hasOwn(BENCHES, name) ? BENCHES[name] : undefined;
  if (load === undefined || positionals.length !== 1) throw new Error("which benchmark?");
  const rounds = positive(values.rounds, "--rounds");
  const nodes = positive(values.nodes, "--nodes");
  return {
    ...{ name, load, json: values.json },
    rounds: rounds === undefined ? undefined : Math.ceil(rounds),
    seconds: positive(values.seconds, "--seconds"),
    only: values.only,
    nodes: nodes === undefined ? undefined : Math.ceil(nodes),
  };
}

async function main(): Promise<number> {
  let wanted: ReturnType<typeof readArguments>;
  try {
    wanted = readArguments();
  } catch (error) {
    process.stderr.write(`bench: ${(error as Error).message}\n${USAGE}`);
    return 2;
  }
  const machine = describeMachine();
  const { run } = await wanted.load();
  const { versions, ...findings } = await run({
    rounds: wanted.rounds,
    seconds: wanted.seconds,
    only: wanted.only,
    nodes: wanted.nodes,
    progress: (text) => process.stderr.write(`${text}\n`),
  });
  const report: Report = { bench: wanted.name, machine: { ...machine, versions }, ...findings };
  process.stdout.write(wanted.json ? `${JSON.stringify(report)}\n` : formatReport(report));
  return 0;
}

process.exitCode = await main();
