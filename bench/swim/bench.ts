/**
 * The CPU-starvation experiment of the Lifeguard paper in virtual time: plain SWIM, SWIM with
 * Lifeguard, and the production membership, under the same starvation and the same crashes. A round
 * is a seed; `--seconds` is how long members starve (the paper's figures are for the default).
 * Nothing here depends on the machine but how long it takes.
 */
import { createKeyRing } from "../../cli/sim/keys.ts";
import {
  ANOMALIES,
  runSubject,
  STARVE_MS,
  SUBJECTS,
  type Subject,
  type SubjectResult,
  shapeOf,
} from "../../sim/swim/experiment.ts";
import type { BenchOptions, Outcome } from "../harness/bench.ts";
import { Measurements, median } from "../harness/report.ts";
import { tableOf, verdicts } from "./table.ts";

const DEFAULT_SEEDS = 3;

export async function run(options: BenchOptions): Promise<Outcome> {
  const starveMs = (options.seconds ?? STARVE_MS / 1_000) * 1_000;
  const seeds = options.rounds ?? DEFAULT_SEEDS;
  const measurements = new Measurements();
  const results = new Map<string, SubjectResult[]>();
  for (let seed = 1; seed <= seeds; seed += 1) {
    for (const anomalies of ANOMALIES) {
      for (const subject of SUBJECTS) {
        const result = runSubject(subject, shapeOf(seed, anomalies, starveMs), createKeyRing());
        const key = keyOf(subject, anomalies);
        results.set(key, [...(results.get(key) ?? []), result]);
        record(measurements, subject, anomalies, result);
        const { falsePositives } = result;
        options.progress(
          `seed ${seed}/${seeds}, ${anomalies} starved: ${subject} ${falsePositives} false positives`,
        );
      }
    }
  }
  const of = (subject: Subject, anomalies: number) => results.get(keyOf(subject, anomalies)) ?? [];
  return {
    rows: measurements.rows(),
    ...{ skipped: [], versions: {} },
    notes: [...tableOf(of), ...verdicts(of, starveMs)],
  };
}

function keyOf(subject: Subject, anomalies: number): string {
  return `${subject} ${anomalies}`;
}

function record(
  measurements: Measurements,
  subject: Subject,
  anomalies: number,
  result: SubjectResult,
): void {
  const better = "lower";
  const add = (what: string, unit: string, value: number) =>
    measurements.add(subject, { case: `${anomalies} starved: ${what}`, unit, better }, value);
  add("false positives", "events", result.falsePositives);
  add("false positives at sound members", "events", result.falsePositivesAtSound);
  add("starved members declared dead", "events", result.starvedDeclared);
  add("crash first detected", "ms", median(result.firstMs));
  add("crash known to all sound", "ms", median(result.fullMs));
  add("messages", "count", result.messages);
  add("bytes", "MB", result.bytes / 1e6);
}
