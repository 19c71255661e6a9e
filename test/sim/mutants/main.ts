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
if (!values["no-control"] && !interruption.signal.aborted) {
  const seeds = Math.max(...chosen.map((mutant) => mutant.seeds));
  process.stderr.write(`control, ${seeds} seeds: `);
  const row = await judgeControl(seeds);
  rows.push(row);
  process.stderr.write(`${row.failure ?? "no violation"}\n`);
}
process.stdout.write(values.json ? `${JSON.stringify(rows)}\n` : table());
if (rows.some(({ failure }) => failure !== undefined)) process.exitCode = 1;

async function judge({ name, row, seeds: allowed, files }: Mutant): Promise<Row> {
  const known = { name, row, allowed };
  try {
    const tree = createTree(files);
    try {
      const result = await hunt(tree, allowed, interruption.signal);
      const failure = result.find === undefined ? `SURVIVED ${allowed} seeds` : undefined;
      return { ...known, ...result, failure };
    } finally {
      tree.remove();
    }
  } catch (error) {
    return { ...known, failure: `FAILED: ${error instanceof Error ? error.message : error}` };
  }
}

async function judgeControl(allowed: number): Promise<Row> {
  const row = await judge({
    ...{ name: "(unpatched)", row: "", breaks: "", seeds: allowed, isQuick: false, files: [] },
  });
  if (row.find === undefined && row.wallMs !== undefined) return { ...row, failure: undefined };
  return { ...row, failure: row.failure ?? `VIOLATED: ${describe(row)}` };
}

function describe({ find, seeds, wallMs }: Row): string {
  if (find === undefined) return "";
  const { invariants, profile, seed } = find;
  return `${invariants} in ${profile} seed ${seed} (${seeds} seeds, ${wallMs} ms)`;
}

function table(): string {
  const lines = [
    "| mutant | failure mode | invariant | found in | seeds | of |",
    "|---|---|---|---|---|---|",
  ];
  for (const { name, row, find, seeds, allowed, failure } of rows) {
    const found = find === undefined ? (failure ?? "-") : `${find.profile} seed ${find.seed}`;
    const cells = [name, row, find?.invariants ?? "-", found, seeds ?? "-", allowed];
    lines.push(`| ${cells.join(" | ")} |`);
  }
  return `${lines.join("\n")}\n`;
}
