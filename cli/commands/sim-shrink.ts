/** `grapevine sim shrink`: the smallest plan that still fails in the same way. */
import { writeFileSync } from "node:fs";
import type { Plan } from "../../sim/plan.ts";
import type { Command } from "../command.ts";
import { readPlan } from "../sim/choose-plan.ts";
import { outputFile, writing } from "../sim/output-file.ts";
import { describeShrunk, shrinkPlan } from "../sim/shrink-plan.ts";

export const command: Command = {
  path: ["sim", "shrink"],
  summary: "reduce a failing plan to what matters",
  details:
    "Runs the plan again and again with less in it: fewer faults, fewer nodes, shorter and milder " +
    "faults. Writes the smallest that still violates the same invariant, to be kept as a " +
    "regression, and beside it an account in words.",
  positionals: [{ name: "PLAN", required: true, complete: "file" }],
  flags: [
    {
      ...{ name: "invariant", kind: "one", placeholder: "NAME" },
      summary: "keep to this one where several are violated",
    },
    {
      ...{ name: "out", short: "o", kind: "one", placeholder: "FILE", complete: "file" },
      summary: "where the plan goes (default: PLAN with .min.json)",
    },
  ],
  examples: [
    "grapevine sim shrink sim-failures/s-m5.json",
    "grapevine sim shrink p.json -o q.json",
  ],
  async run({ terminal, json, positionals, values }) {
    const source = positionals[0] as string;
    const plan = readPlan(source, terminal.folder);
    const file = values.one("out") ?? `${source.replace(/\.json$/, "")}.min.json`;
    const account = `${file.replace(/\.json$/, "")}.md`;
    const planPath = outputFile("plan", file, terminal.folder);
    const accountPath = outputFile("account", account, terminal.folder);
    const shrunk = await shrinkPlan(
      plan,
      values.one("invariant"),
      () => terminal.signal.aborted,
      (candidate, isFailing) => terminal.err(progress(candidate, isFailing)),
    );
    if (shrunk === undefined) return 1;
    const text = describeShrunk(plan, shrunk);
    const plain = `${JSON.stringify(shrunk.plan, undefined, 1)}\n`;
    writing("plan", file, () => writeFileSync(planPath, plain));
    writing("account", account, () => writeFileSync(accountPath, text));
    const { runs, violations } = shrunk;
    const { nodes, events } = shrunk.plan;
    const summary = { plan: file, account, runs, nodes, events: events.length, violations };
    terminal.out(json ? `${JSON.stringify(summary)}\n` : `${text}\nwritten to ${file}\n`);
    return 0;
  },
};

function progress({ events, nodes, virtualMs }: Plan, isFailing: boolean): string {
  const size = `${events.length} events, ${nodes} nodes, ${Math.round(virtualMs / 1_000)} s`;
  return `${size}: ${isFailing ? "still fails" : "does not fail"}\n`;
}
