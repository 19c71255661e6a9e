/**
 * `npm run mutants [-- NAME…] [--json]`: puts one fault after another into a copy of the source and
 * shows that the simulator finds it. Exit code 1 if a mutant survives, cannot be applied or crashes,
 * or if the unpatched source violates anything over the same seeds.
 */
import { parseArgs } from "node:util";
import { type Hunt, hunt } from "./hunt.ts";
import { type Mutant, readMutants } from "./mutant.ts";
import { createTree } from "./tree.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: "boolean", default: false },
    "no-control": { type: "boolean", default: false },
  },
});
const mutants = readMutants();
const unknown = positionals.find((name) => mutants.every((mutant) => mutant.name !== name));
if (unknown !== undefined) {
  const names = mutants.map(({ name }) => `  ${name}`).join("\n");
  process.stderr.write(`there is no mutant "${unknown}"; there are\n${names}\n`);
  process.exit(2);
}
const chosen = mutants.filter(({ name }) => positionals.length === 0 || positionals.includes(name));
const interruption = new AbortController();
process.once("SIGINT", () => interruption.abort());

interface Row extends Partial<Hunt> {
  readonly name: string;
  readonly row: string;
  readonly profile: string;
  readonly allowed: number;
  /** Undefined if all is as it should be. */
  readonly failure: string | undefined;
}

const rows: Row[] = [];
for (const [at, mutant] of chosen.entries()) {
  process.stderr.write(`${at + 1}/${chosen.length} ${mutant.name}: `);
  const row = await judge(mutant);
  rows.push(row);
  process.stderr.write(`${row.failure ?? describe(row)}\n`);
  if (interruption.signal.aborted) break;
}
if (!values["no-control"]) {
  for (const [profile, seeds] of seedsByProfile(chosen)) {
    if (interruption.signal.aborted) break;
    process.stderr.write(`unpatched, ${seeds} seeds of ${profile}: `);
    const row = await judgeControl(profile, seeds);
    rows.push(row);
    process.stderr.write(`${row.failure ?? "no violation"}\n`);
  }
}
process.stdout.write(values.json ? `${JSON.stringify(rows)}\n` : table());
if (rows.some(({ failure }) => failure !== undefined)) process.exitCode = 1;

async function judge({ name, row, profile, seeds: allowed, files }: Mutant): Promise<Row> {
  const known = { name, row, profile, allowed };
  try {
    const tree = createTree(files);
    try {
      const result = await hunt(tree, profile, allowed, interruption.signal);
      const failure = result.find === undefined ? `SURVIVED ${allowed} seeds` : undefined;
      return { ...known, ...result, failure };
    } finally {
      tree.remove();
    }
  } catch (error) {
    return { ...known, failure: `FAILED: ${error instanceof Error ? error.message : error}` };
  }
}

async function judgeControl(profile: string, seeds: number): Promise<Row> {
  const row = await judge({
    ...{ name: "(unpatched)", row: "", breaks: "", isQuick: false, files: [] },
    ...{ profile, seeds },
  });
  if (row.find === undefined && row.wallMs !== undefined) return { ...row, failure: undefined };
  return { ...row, failure: row.failure ?? `VIOLATED: ${describe(row)}` };
}

/** The control goes over all seeds that a mutant may take. */
function seedsByProfile(of: readonly Mutant[]): Map<string, number> {
  const most = new Map<string, number>();
  for (const { profile, seeds } of of) most.set(profile, Math.max(most.get(profile) ?? 0, seeds));
  return most;
}

function describe({ find, seeds, wallMs }: Row): string {
  if (find === undefined) return "";
  const { invariants, profile, seed, detail } = find;
  return `${invariants} in ${profile} seed ${seed} (${seeds} seeds, ${wallMs} ms): ${detail}`;
}

function table(): string {
  const head = ["mutant", "failure mode", "found by", "profile", "seeds needed", "of"];
  const lines = [`| ${head.join(" | ")} |`, `|${"---|".repeat(head.length)}`];
  for (const { name, row, profile, find, seeds, allowed, failure } of rows) {
    const found = find?.invariants ?? failure?.split("\n")[0] ?? "nothing";
    lines.push(`| ${[name, row, found, profile, seeds ?? "-", allowed].join(" | ")} |`);
  }
  return `${lines.join("\n")}\n`;
}
