/** Shrinks a failing plan with real runs, and writes it down with an account for people. */
import { GrapevineError } from "../../core/errors.ts";
import type { Violation } from "../../sim/checkers/checker.ts";
import type { Plan, PlanEvent } from "../../sim/plan.ts";
import { type Shrinking, shrink } from "../../sim/shrink.ts";
import { runPlan } from "./run-plan.ts";

export interface ShrunkPlan extends Shrinking {
  readonly violations: readonly Violation[];
  readonly account: readonly string[];
}

/** Throws `invalid_argument` if the plan does not fail. Undefined if `isStopped` says so. */
export async function shrinkPlan(
  plan: Plan,
  invariant: string | undefined,
  isStopped: () => boolean,
  onRun: (candidate: Plan, isFailing: boolean) => void,
): Promise<ShrunkPlan | undefined> {
  const first = violationsOf(plan);
  const wanted = new Set(
    first.map(({ checker }) => checker).filter((name) => name === (invariant ?? name)),
  );
  if (wanted.size === 0) {
    const what =
      invariant === undefined ? "violates no invariant" : `does not violate ${invariant}`;
    throw new GrapevineError("invalid_argument", `the plan ${what}; there is nothing to shrink`);
  }
  const attempts = shrink(plan);
  let next = attempts.next();
  while (next.done !== true) {
    const candidate = next.value;
    const isFailing = violationsOf(candidate).some(({ checker }) => wanted.has(checker));
    onRun(candidate, isFailing);
    // Signals are heard between two runs.
    await new Promise<void>((resolve) => setImmediate(resolve));
    if (isStopped()) return undefined;
    next = attempts.next(isFailing);
  }
  return { ...next.value, violations: violationsOf(next.value.plan) };
}

/** A plan that makes the simulator itself fail shrinks like any other. */
function violationsOf(plan: Plan): readonly Violation[] {
  try {
    return runPlan(plan).report.violations;
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error);
    const statement = "a run comes to its end";
    return [{ checker: "crash", statement, atMs: 0, detail, nodes: [] }];
  }
}

export function describeShrunk(before: Plan, { plan, violations, account, runs }: ShrunkPlan) {
  return `${[
    `# A failing plan, shrunk`,
    "",
    `From ${before.events.length} events on ${before.nodes} nodes to ${plan.events.length} on ` +
      `${plan.nodes}, in ${runs} runs. Seed ${plan.seed}, profile ${plan.profile}.`,
    "",
    "## What is violated",
    "",
    ...violations.map(
      ({ checker, atMs, detail, statement }) =>
        `- **${checker}** (${statement}), at ${(atMs / 1_000).toFixed(3)} s: ${detail}`,
    ),
    "",
    "## What it takes",
    "",
    ...plan.events.map((event) => `- ${describeEvent(event)}`),
    ...(plan.events.length === 0 ? ["- nothing but the nodes and the network"] : []),
    "",
    "## What did not matter",
    "",
    ...account.map((step) => `- ${step}`),
    ...(account.length === 0 ? ["- everything mattered"] : []),
  ].join("\n")}\n`;
}

function describeEvent(event: PlanEvent): string {
  const { kind, atMs, ...rest } = event;
  const details = Object.entries(rest).map(([name, value]) => `${name} ${JSON.stringify(value)}`);
  return `after ${(atMs / 1_000).toFixed(3)} s: ${kind} ${details.join(", ")}`;
}
